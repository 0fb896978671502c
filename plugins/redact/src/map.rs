//! Sets of attributes: those of records, scopes and resources, and those of spans' events.
//!
//! Keys and texts are looked at once each, however many rows have them. Where none of them says anything, no row is looked at.

use wasmill_ottl::value::Value;
use wasmill_sdk::columns::{Any, AnyBuilder, AnyKind, AnyPlace, AnyValue, Attributes, AttributesBuilder, Bitmap, Text};
use wasmill_sdk::{Rows, Verdict};

use crate::config::Summary;
use crate::rules::{KeyRule, Rules, TextRule};
use crate::summary::{Deed, Deeds, Of};
use crate::texts::Texts;

/// What becomes of one entry.
enum Fate {
    Stays,
    Goes,
    Becomes(AnyPlace),
}

/// A column of maps while it is looked at.
struct Looking<'a, 'r> {
    rules: &'r Rules,
    column: Attributes<'a>,
    values: Any<'a>,
    keys: Vec<KeyRule>,
    /// Whether no key says anything by itself.
    all_look: bool,
    texts: Texts<'a>,
    /// Whether values that are no texts stay, whatever they are.
    others_stay: bool,
    /// The new values.
    held: AnyBuilder,
    deeds: Deeds,
}

impl<'a, 'r> Looking<'a, 'r> {
    /// `None`: nothing is to be done in the whole column.
    fn new(rules: &'r Rules, column: Attributes<'a>) -> Option<Self> {
        let keys: Vec<KeyRule> = match column.keys() {
            Text::Plain(keys) => keys.iter().map(|key| rules.key(key.unwrap_or_default())).collect(),
            Text::Dictionary(keys) => keys.values().iter().map(|key| rules.key(key.unwrap_or_default())).collect(),
        };
        let texts = Texts::new(rules, &column.values());
        // An ignored key is worth a look only where somebody is told.
        let quiet = |rule: &KeyRule| match rule {
            KeyRule::Look => true,
            KeyRule::Ignore => rules.summary == Summary::Silent,
            KeyRule::Remove | KeyRule::Mask => false,
        };
        let nothing = keys.iter().all(quiet) && texts.are_clean() && !rules.all_types;
        (!nothing).then(|| Looking {
            rules,
            column,
            values: column.values(),
            all_look: keys.iter().all(|rule| *rule == KeyRule::Look),
            others_stay: !rules.all_types && texts.other == TextRule::Clean,
            keys,
            texts,
            held: AnyBuilder::new(),
            deeds: Deeds::default(),
        })
    }

    fn key_rule(&self, place: usize) -> KeyRule {
        let number = match self.column.keys() {
            Text::Dictionary(keys) => keys.keys().raw(place) as usize,
            Text::Plain(_) => place,
        };
        self.keys.get(number).copied().unwrap_or(KeyRule::Look)
    }

    fn note(&mut self, deed: Deed, place: usize) {
        if self.rules.summary != Summary::Silent {
            let key = self.column.keys().get(place).unwrap_or_default();
            self.deeds.note(self.rules.summary, deed, key);
        }
    }

    /// Whether an entry is one of the many with which nothing is to be done.
    #[inline]
    fn stays(&self, place: usize) -> bool {
        self.all_look
            && match self.values.kind(place) {
                AnyKind::Text => {
                    let number = self.texts.number(self.values.places().raw(place) as usize);
                    self.texts.rule(number) == TextRule::Clean
                }
                _ => self.others_stay,
            }
    }

    /// Decides about an entry, and notes what is done.
    #[inline]
    fn fate(&mut self, place: usize) -> Fate {
        if self.stays(place) { Fate::Stays } else { self.other_fate(place) }
    }

    fn other_fate(&mut self, place: usize) -> Fate {
        let rule = self.key_rule(place);
        match rule {
            KeyRule::Ignore => {
                self.note(Deed::Ignored, place);
                return Fate::Stays;
            }
            KeyRule::Remove => {
                self.note(Deed::Removed, place);
                return Fate::Goes;
            }
            KeyRule::Look | KeyRule::Mask => {}
        }
        let values = self.values;
        let new = if values.kind(place) == AnyKind::Text {
            let number = self.texts.number(values.places().raw(place) as usize);
            match (self.texts.rule(number), rule) {
                (TextRule::Allowed, _) => return self.allowed(place),
                (_, KeyRule::Mask) => self.texts.masked(self.rules, number, &mut self.held),
                (TextRule::Blocked, _) => self.texts.blocked(self.rules, number, &mut self.held),
                (TextRule::Clean, _) => None,
            }
        } else {
            match self.other(values.get(place), rule) {
                Ok(new) => new,
                Err(Allowed) => return self.allowed(place),
            }
        };
        match new {
            None => Fate::Stays,
            Some(new) => {
                self.note(Deed::Masked, place);
                Fate::Becomes(new)
            }
        }
    }

    fn allowed(&mut self, place: usize) -> Fate {
        self.note(Deed::Allowed, place);
        Fate::Stays
    }

    /// Of a value that is no text: it is looked at as its text where that is asked for, else as an empty one.
    fn other(&mut self, value: AnyValue<'_>, rule: KeyRule) -> Result<Option<AnyPlace>, Allowed> {
        let mut text = String::new();
        let said = if self.rules.all_types {
            Value::from(value).write_text(&mut text);
            self.rules.text(&text)
        } else {
            self.texts.other
        };
        let mut out = String::new();
        match (said, rule) {
            (TextRule::Allowed, _) => return Err(Allowed),
            (_, KeyRule::Mask) => self.rules.write_masked(&text, &mut out),
            (TextRule::Blocked, _) if self.rules.write_blocked(&text, &mut out) => {}
            _ => return Ok(None),
        }
        Ok(Some(self.held.hold(AnyValue::Text(&out))))
    }
}

struct Allowed;

/// Looks at the attributes of each row, and says what is to change. `path` is the column's.
pub fn redact(rules: &Rules, path: &str, column: Attributes<'_>, verdict: &mut Verdict) {
    let Some(mut looking) = Looking::new(rules, column) else { return };
    let (mut set, mut new, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut told, mut summaries) = (Bitmap::none(column.len()), AttributesBuilder::new());
    for row in 0..column.len() {
        for place in column.places(row) {
            match looking.fate(place) {
                Fate::Stays => {}
                Fate::Goes => removed.push(place as u32),
                Fate::Becomes(value) => {
                    set.push(place as u32);
                    new.push(value);
                }
            }
        }
        if looking.deeds.write(rules.summary, Of::Attributes, |key| value(&column, row, key), &mut summaries) {
            summaries.end_row();
            told.set(row, true);
        }
        looking.deeds.clear();
    }
    let mut held = looking.held;
    new.into_iter().for_each(|place| held.push_place(place));
    verdict.set_each(path, Rows::Entries(&set), |block| {
        held.append(block);
    });
    verdict.remove(path, Rows::Entries(&removed));
    verdict.merge(path, &told, &summaries);
}

/// Looks at the attributes of each inner record, and gives those that change a new set: places there are of records, not of
/// entries. `column` has a set for each inner record of the slice.
pub fn redact_inner(rules: &Rules, path: &str, column: Attributes<'_>, verdict: &mut Verdict) {
    let Some(mut looking) = Looking::new(rules, column) else { return };
    let (mut changed, mut maps) = (Vec::new(), AttributesBuilder::new());
    let mut fates = Vec::new();
    for record in 0..column.len() {
        fates.clear();
        fates.extend(column.places(record).map(|place| looking.fate(place)));
        let tells = looking.deeds.tell(rules.summary);
        if !tells && fates.iter().all(|fate| matches!(fate, Fate::Stays)) {
            continue;
        }
        for (place, fate) in column.places(record).zip(&fates) {
            let key = column.keys().get(place).unwrap_or_default();
            let value = match fate {
                Fate::Goes => continue,
                // What an earlier summary says is in the new one.
                Fate::Stays if tells && looking.deeds.write_key(rules.summary, Of::Attributes, key) => continue,
                Fate::Stays => column.values().get(place),
                Fate::Becomes(value) => looking.held.get(*value),
            };
            maps.entry(key, value);
        }
        looking.deeds.write(rules.summary, Of::Attributes, |key| value(&column, record, key), &mut maps);
        looking.deeds.clear();
        maps.end_row();
        changed.push(record as u32);
    }
    verdict.set_each(path, Rows::Entries(&changed), |block| {
        maps.append(block);
    });
}

/// The first value of a key in a row's set.
pub fn value<'a>(column: &Attributes<'a>, row: usize, key: &str) -> Option<AnyValue<'a>> {
    column.entries(row).find(|(found, _)| *found == key).map(|(_, value)| value)
}
