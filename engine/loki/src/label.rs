//! The labels of a stream.

use std::ops::Range;

use crate::altered::Altered;
use crate::name::put_name;
use crate::options::Limits;

/// At most as many as a stream may have, by name. Text and places are kept from one set to the next.
#[derive(Debug, Default)]
pub(crate) struct LabelSet {
    /// In the order of their names.
    labels: Vec<Label>,
    text: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Label {
    /// Both in `text`.
    name: Range<usize>,
    value: Range<usize>,
    /// It makes way for an attribute of the same name.
    is_default: bool,
}

/// What became of a value that was to be a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// It is one.
    Whole,
    /// It is not, or not all of it: the value belongs elsewhere, too.
    Otherwise,
}

impl LabelSet {
    pub fn copy_from(&mut self, other: &LabelSet) {
        self.labels.clone_from(&other.labels);
        self.text.clone_from(&other.text);
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// A label of our own, which an attribute of this name replaces. An empty value is none.
    pub fn add_default(&mut self, name: &str, value: &[u8], limits: &Limits, altered: &mut Altered) {
        self.put(name, value, true, limits, altered);
    }

    /// A label from an attribute. An empty value is none, and lost nowhere: Loki does not tell it from a label that is not there.
    pub fn add(&mut self, key: &str, value: &[u8], limits: &Limits, altered: &mut Altered) -> Kept {
        self.put(key, value, false, limits, altered)
    }

    fn put(&mut self, key: &str, value: &[u8], is_default: bool, limits: &Limits, altered: &mut Altered) -> Kept {
        if value.is_empty() {
            return Kept::Whole;
        }
        let start = self.text.len();
        put_name(key, &mut self.text);
        let name = start..self.text.len();
        if name.len() > limits.max_label_name_length {
            return self.refuse(start, altered);
        }
        let at = self.labels.binary_search_by(|label| self.text[label.name.clone()].cmp(&self.text[name.clone()]));
        match at {
            Ok(place) if !self.labels[place].is_default || is_default => {
                let is_same = self.text.get(self.labels[place].value.clone()) == Some(value);
                if is_same || is_default {
                    self.text.truncate(start);
                    return Kept::Whole;
                }
                return self.refuse(start, altered);
            }
            Err(_) if self.labels.len() >= limits.max_label_names_per_series => return self.refuse(start, altered),
            _ => {}
        }
        let whole = value.len();
        let value = cut(value, limits.max_label_value_length);
        self.text.extend_from_slice(value);
        let label = Label { value: name.end..self.text.len(), name, is_default };
        match at {
            Ok(place) => self.labels[place] = label,
            Err(place) => self.labels.insert(place, label),
        }
        if value.len() < whole {
            altered.labels += 1;
            return Kept::Otherwise;
        }
        Kept::Whole
    }

    fn refuse(&mut self, start: usize, altered: &mut Altered) -> Kept {
        self.text.truncate(start);
        altered.labels += 1;
        Kept::Otherwise
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.labels.iter().map(move |label| (text(&label.name), text(&label.value)))
    }
}

/// The beginning of a text, at most `bytes_max`, without half a character.
pub(crate) fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    if text.len() <= bytes_max {
        return text;
    }
    let is_inside = |&at: &usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = bytes_max;
    while end > 0 && is_inside(&end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(set: &LabelSet) -> Vec<String> {
        let text = |text| String::from_utf8_lossy(text).into_owned();
        set.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect()
    }

    /// Labels are in the order of their names; an attribute takes the place of a default, and not that of another attribute, whose name
    /// came to be the same.
    #[test]
    fn names_meet() {
        let (limits, mut altered) = (Limits::default(), Altered::default());
        let mut set = LabelSet::default();
        set.add_default("job", b"shop", &limits, &mut altered);
        assert_eq!(set.add("b.c", b"1", &limits, &mut altered), Kept::Whole);
        assert_eq!(set.add("b_c", b"1", &limits, &mut altered), Kept::Whole);
        assert_eq!(set.add("b-c", b"2", &limits, &mut altered), Kept::Otherwise);
        assert_eq!(set.add("job", b"mine", &limits, &mut altered), Kept::Whole);
        assert_eq!(set.add("a", b"", &limits, &mut altered), Kept::Whole);
        set.add_default("b.c", b"other", &limits, &mut altered);
        assert_eq!(texts(&set), ["b_c=1", "job=mine"]);
        assert_eq!(altered.labels, 1);
    }

    /// Each of Loki's limits on labels, at it and beyond it.
    #[test]
    fn limits_hold() {
        let limits = Limits {
            max_label_names_per_series: 2,
            max_label_name_length: 3,
            max_label_value_length: 4,
            ..Limits::default()
        };
        let (mut altered, mut set) = (Altered::default(), LabelSet::default());
        assert_eq!(set.add("abcd", b"1", &limits, &mut altered), Kept::Otherwise);
        assert_eq!(set.add("abc", b"1234", &limits, &mut altered), Kept::Whole);
        assert_eq!(set.add("b", "12é3".as_bytes(), &limits, &mut altered), Kept::Otherwise);
        assert_eq!(set.add("c", b"1", &limits, &mut altered), Kept::Otherwise);
        assert_eq!(texts(&set), ["abc=1234", "b=12é"]);
        assert_eq!(altered.labels, 3);
    }

    #[test]
    fn no_character_is_cut_in_two() {
        for (bytes, expected) in [(0, ""), (1, ""), (2, "é"), (3, "é"), (5, "é日"), (9, "é日")] {
            assert_eq!(cut("é日".as_bytes(), bytes), expected.as_bytes(), "{bytes}");
        }
    }
}
