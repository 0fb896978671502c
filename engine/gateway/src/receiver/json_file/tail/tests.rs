use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::*;

fn settings(folder: &Path, start_at_end: bool) -> OtlpJsonFileReceiver {
    OtlpJsonFileReceiver {
        include: vec![format!("{}/*.jsonl", folder.display()).into()],
        exclude: vec![format!("{}/not*", folder.display()).into()],
        start_at_end,
        poll_interval: OtlpJsonFileReceiver::POLL_INTERVAL,
        replay: false,
        line_bytes_max: 200,
        storage: None,
    }
}

fn line(name: &str) -> String {
    format!("{{\"resourceLogs\":[{{\"schemaUrl\":\"{name}\"}}]}}\n")
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What is there to read: names of lines, and mistakes as byte and line.
fn read(tail: &mut Tail) -> Vec<String> {
    tail.look();
    let mut found = Vec::new();
    while let Some(window) = tail.read() {
        for line in &window.lines {
            match &line.content {
                // The schema URL is all that is in it.
                Ok(requests) => {
                    found.extend(requests.iter().map(|(_, wire)| String::from_utf8_lossy(&wire[4..]).into_owned()))
                }
                Err(bad) => found.push(format!("bad at {} in line {:?}", bad.byte, line.number)),
            }
        }
        tail.advance(&window, window.lines.len());
    }
    found.iter_mut().for_each(|name| *name = name.trim_matches(|c: char| c.is_control()).to_owned());
    found
}

/// Scenario: lines are added, a last one in parts; the file is renamed and begun anew; it is emptied and begun anew.
/// Guarantee: each line is read once, when it is whole.
#[test]
fn files_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut tail = Tail::new(settings(folder.path(), false), None);
    assert!(read(&mut tail).is_empty());
    append(&path, &(line("one") + &line("two")));
    append(&folder.path().join("not.jsonl"), &line("excluded"));
    assert_eq!(read(&mut tail), ["one", "two"]);
    assert!(read(&mut tail).is_empty());

    let (half, rest) = (&line("three")[..10], &line("three")[10..]);
    append(&path, half);
    assert!(read(&mut tail).is_empty());
    append(&path, rest);
    assert_eq!(read(&mut tail), ["three"]);

    // What was written just before the rename is read after it, though the new name is none of ours.
    append(&path, &line("four"));
    std::fs::rename(&path, folder.path().join("a.1")).unwrap();
    append(&path, &line("five"));
    let mut found = read(&mut tail);
    found.sort();
    assert_eq!(found, ["five", "four"]);

    std::fs::write(&path, "").unwrap();
    assert!(read(&mut tail).is_empty());
    append(&path, &line("six"));
    assert_eq!(read(&mut tail), ["six"]);
    std::fs::remove_file(&path).unwrap();
    for _ in 0..=LOOKS_MAX + 1 {
        assert!(read(&mut tail).is_empty());
    }
    assert!(tail.known().files.is_empty(), "nothing is kept of files that are gone");
}

/// Scenario: a file that is there at the start, its last line half written, and one that comes later; `start_at: end`.
/// Guarantee: what was there is not read, not even the rest of its line; what comes is.
#[test]
fn reading_begins_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    append(&path, &line("old"));
    append(&path, &line("half")[..9]);
    let mut tail = Tail::new(settings(folder.path(), true), None);
    assert!(read(&mut tail).is_empty());
    append(&path, &(line("half")[9..].to_owned() + &line("new")));
    append(&folder.path().join("b.jsonl"), &line("later"));
    let mut found = read(&mut tail);
    found.sort();
    assert_eq!(found, ["later", "new"]);
}

/// Scenario: lines that are no request, one that is too long, in the middle of good ones.
/// Guarantee: each is told with its byte and its line, and the good ones are read.
#[test]
fn bad_lines_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    append(&path, &line("one"));
    let second = line("one").len();
    append(&path, "{\"resourceLogs\": 7}\n\n");
    append(&path, &format!("{}\n", "x".repeat(1000)));
    append(&path, &line("two"));
    let mut tail = Tail::new(settings(folder.path(), false), None);
    let fourth = second + 20 + 1;
    assert_eq!(
        read(&mut tail),
        [
            "one".to_owned(),
            format!("bad at {} in line Some(2)", second + 17),
            format!("bad at {fourth} in line Some(4)"),
            "two".to_owned()
        ]
    );
    // Longer than what is read at one time, and its end comes later.
    append(&path, &"y".repeat(3 * READ_BYTES));
    let long = std::fs::metadata(&path).unwrap().len() - 3 * READ_BYTES as u64;
    assert_eq!(read(&mut tail), [format!("bad at {long} in line Some(6)")]);
    append(&path, &("y\n".to_owned() + &line("three")));
    assert_eq!(read(&mut tail), ["three"]);
}

/// Scenario: a window of which only a part was taken; a restart with what is known; a file that another one replaced meanwhile.
/// Guarantee: the rest is read again, and nothing else; the other file from its beginning.
#[test]
fn what_is_known_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    append(&path, &(line("one") + &line("two") + &line("three")));
    let mut tail = Tail::new(settings(folder.path(), true), Some(Known::default()));
    tail.look();
    let window = tail.read().unwrap();
    tail.advance(&window, 1);
    let text = serde_json::to_string(&tail.known()).unwrap();
    let known: Known = serde_json::from_str(&text).unwrap();
    let mut next = Tail::new(settings(folder.path(), true), Some(known));
    assert_eq!(read(&mut next), ["two", "three"]);

    let known = next.known();
    let other = folder.path().join("other");
    std::fs::write(&other, line("another") + &line("file") + &line("longer than the first one")).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let mut next = Tail::new(settings(folder.path(), true), Some(known));
    assert_eq!(read(&mut next), ["another", "file", "longer than the first one"]);
}

/// Scenario: `replay_file`.
/// Guarantee: each look reads everything again.
#[test]
fn files_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("a.jsonl"), &(line("one") + &line("two")));
    let mut tail = Tail::new(OtlpJsonFileReceiver { replay: true, ..settings(folder.path(), true) }, None);
    for _ in 0..3 {
        assert_eq!(read(&mut tail), ["one", "two"]);
    }
}

/// Scenario: more files than may be open.
/// Guarantee: the others are closed, and read on when they grow.
#[test]
fn few_files_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> =
        (0..OPEN_MAX + 20).map(|number| folder.path().join(format!("{number:03}.jsonl"))).collect();
    paths.iter().for_each(|path| append(path, &line("a")));
    let mut tail = Tail::new(settings(folder.path(), false), None);
    assert_eq!(read(&mut tail).len(), paths.len());
    tail.look();
    assert_eq!(tail.files.values().filter(|file| file.file.is_some()).count(), OPEN_MAX);
    paths.iter().for_each(|path| append(path, &line("b")));
    assert_eq!(read(&mut tail), vec!["b"; paths.len()]);
}
