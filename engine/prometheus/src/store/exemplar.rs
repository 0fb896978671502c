//! Exemplars: a trace that a value came from.

use wasmill_wire::{attribute, fields};

use crate::translate::Translation;
use crate::wire;

/// Characters of an exemplar's labels together, OpenMetrics' limit: what does not fit beside the ids is left out.
const LABELS_CHARS_MAX: usize = 128;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exemplar {
    /// Fields `LabelPair`, of number 1.
    pub labels: Vec<u8>,
    pub value: f64,
    /// Nanoseconds since 1970; 0: not said.
    pub time: u64,
}

impl Exemplar {
    /// Of a message `Exemplar`. `None`: it has no labels, and leads nowhere.
    pub fn read(translation: &Translation, message: &[u8]) -> Option<Exemplar> {
        let mut exemplar = Exemplar::default();
        let (mut trace, mut span) = (&[][..], &[][..]);
        for field in fields(message) {
            match field.number {
                2 => exemplar.time = field.fixed64(),
                3 => exemplar.value = f64::from_bits(field.fixed64()),
                4 => span = field.payload(),
                5 => trace = field.payload(),
                6 => exemplar.value = field.fixed64().cast_signed() as f64,
                _ => {}
            }
        }
        let mut chars = 0;
        for (name, id, len) in [("trace_id", trace, 16), ("span_id", span, 8)] {
            if id.len() == len && id.iter().any(|byte| *byte != 0) {
                let mut hex = [0; 32];
                let hex = put_hex(id, &mut hex);
                chars += name.len() + hex.len();
                wire::put_label(&mut exemplar.labels, 1, name.as_bytes(), hex);
            }
        }
        let mut text = Vec::new();
        for field in fields(message).filter(|field| field.number == 7) {
            let (key, value) = attribute(field.payload());
            text.clear();
            // A text is looked at before it is copied.
            if matches!(value, wasmill_wire::Any::Text(text) if text.len() > 4 * LABELS_CHARS_MAX) {
                continue;
            }
            value.put_text(&mut text);
            let name = translation.label_name(key);
            let len = name.chars().count() + String::from_utf8_lossy(&text).chars().count();
            if text.is_empty() || chars + len > LABELS_CHARS_MAX || name == "trace_id" || name == "span_id" {
                continue;
            }
            // Names are unique; of two the first stays.
            if wire::labels(&exemplar.labels).any(|(own, _)| own == name.as_bytes()) {
                continue;
            }
            chars += len;
            wire::put_label(&mut exemplar.labels, 1, name.as_bytes(), &text);
        }
        (!exemplar.labels.is_empty()).then_some(exemplar)
    }
}

fn put_hex<'b>(id: &[u8], out: &'b mut [u8; 32]) -> &'b [u8] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for (byte, pair) in id.iter().zip(out.as_chunks_mut::<2>().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    out.get(..2 * id.len()).unwrap_or_default()
}
