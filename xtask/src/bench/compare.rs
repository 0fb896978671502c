//! Whether two engines delivered the same: `load --capture` of each, by id.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Characters of each line that an error shows.
const SHOWN: usize = 240;

/// An error names the first record of which they do not mean the same.
pub fn same(one: &Path, other: &Path) -> Result<usize> {
    let (text, other_text) = (read(one)?, read(other)?);
    let (one, other) = (lines(&text), lines(&other_text));
    for id in one.keys().chain(other.keys()) {
        let (line, other_line) = (one.get(id), other.get(id));
        if line != other_line {
            let same = line.zip(other_line).map_or(0, |(line, other)| common(line, other));
            let shown = |line: Option<&&str>| line.map_or("did not deliver it".to_owned(), |line| around(line, same));
            bail!("record {id} is not the same.\n  one: {}\nother: {}", shown(line), shown(other_line));
        }
    }
    Ok(one.len())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn lines(text: &str) -> BTreeMap<u64, &str> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(id, line)| Some((id.parse().ok()?, line)))
        .collect()
}

/// Characters that two lines begin with alike.
fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// What stands in a line from a little before a place on.
fn around(line: &str, at: usize) -> String {
    let before = at.saturating_sub(SHOWN / 4);
    let start = if before > 0 { "… " } else { "" };
    let shown: String = line.chars().skip(before).take(SHOWN).collect();
    let end = if line.chars().count() > before + SHOWN { " …" } else { "" };
    format!("{start}{shown}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown() {
        let folder = std::env::temp_dir().join(format!("wasmill-compare-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.join(name), text).unwrap();
            folder.join(name)
        };
        let one = file("one", "1 a\n3 c\n");
        assert_eq!(same(&one, &file("same", "3 c\n1 a\n")).unwrap(), 2);
        let less = same(&one, &file("less", "1 a\n")).unwrap_err().to_string();
        assert!(less.contains("record 3") && less.contains("did not deliver it"), "{less}");
        let other = same(&one, &file("other", "1 b\n3 c\n")).unwrap_err().to_string();
        assert!(other.contains("record 1") && other.contains("one: a"), "{other}");
        let long = "x".repeat(1000);
        let (begins, ends) = (file("begins", &format!("1 {long}a")), file("ends", &format!("1 {long}b")));
        let late = same(&begins, &ends).unwrap_err().to_string();
        assert!(late.contains("… xx") && late.contains("xa\n") && late.len() < 300, "{late}");
        fs::remove_dir_all(folder).unwrap();
    }
}
