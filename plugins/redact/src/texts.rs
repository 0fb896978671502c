//! What the texts of a column say, each looked at once, and what they are masked as.

use std::cell::OnceCell;

use wasmill_sdk::columns::{Any, AnyBuilder, AnyPlace, AnyValue, Text};

use crate::rules::{Rules, TextRule};

/// The texts of an `any` column, by their number: that of the dictionary's value, or the place of a text that lies plain.
pub struct Texts<'a> {
    text: Option<Text<'a>>,
    rules: Vec<TextRule>,
    /// What a blocked text became, and what a text under a blocked key does. Made when first needed.
    blocked: Vec<OnceCell<Option<AnyPlace>>>,
    masked: Vec<OnceCell<AnyPlace>>,
    /// What is said of a value that is no text and is not looked at as one.
    pub other: TextRule,
}

impl<'a> Texts<'a> {
    pub fn new(rules: &Rules, column: &Any<'a>) -> Texts<'a> {
        let text = column.text();
        let each: Vec<TextRule> = match &text {
            None => Vec::new(),
            Some(Text::Plain(texts)) => texts.iter().map(|text| rules.text(text.unwrap_or_default())).collect(),
            Some(Text::Dictionary(texts)) => {
                texts.values().iter().map(|text| rules.text(text.unwrap_or_default())).collect()
            }
        };
        let (blocked, masked) = (Vec::new(), Vec::new());
        Texts { text, rules: each, blocked, masked, other: rules.text("") }
    }

    /// Whether no value needs a look.
    pub fn are_clean(&self) -> bool {
        self.other == TextRule::Clean && self.rules.iter().all(|rule| *rule == TextRule::Clean)
    }

    /// The number of the text at a place in the column's texts.
    pub fn number(&self, place: usize) -> usize {
        match &self.text {
            Some(Text::Dictionary(texts)) => texts.keys().raw(place) as usize,
            _ => place,
        }
    }

    pub fn rule(&self, number: usize) -> TextRule {
        self.rules.get(number).copied().unwrap_or(TextRule::Clean)
    }

    fn get(&self, number: usize) -> &'a str {
        match &self.text {
            Some(Text::Dictionary(texts)) => texts.values().raw(number),
            Some(Text::Plain(texts)) => texts.raw(number),
            None => "",
        }
    }

    /// What a blocked text becomes; `None`: it stays as it is after all.
    pub fn blocked(&mut self, rules: &Rules, number: usize, held: &mut AnyBuilder) -> Option<AnyPlace> {
        let text = self.get(number);
        let known = known(&mut self.blocked, self.rules.len(), number)?;
        *known.get_or_init(|| {
            let mut out = String::new();
            rules.write_blocked(text, &mut out).then(|| held.hold(AnyValue::Text(&out)))
        })
    }

    /// What a text under a blocked key becomes.
    pub fn masked(&mut self, rules: &Rules, number: usize, held: &mut AnyBuilder) -> Option<AnyPlace> {
        let text = self.get(number);
        let known = known(&mut self.masked, self.rules.len(), number)?;
        Some(*known.get_or_init(|| {
            let mut out = String::new();
            rules.write_masked(text, &mut out);
            held.hold(AnyValue::Text(&out))
        }))
    }
}

fn known<T>(cells: &mut Vec<OnceCell<T>>, texts: usize, number: usize) -> Option<&mut OnceCell<T>> {
    if cells.is_empty() {
        cells.resize_with(texts, OnceCell::new);
    }
    cells.get_mut(number)
}
