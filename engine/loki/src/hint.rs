//! Attributes with which a sender or a processor says how a record is to be written: those of the Collector's `lokiexporter`.
//!
//! Each names other attributes, or a format, and is itself left out.

use wasmill_wire::{Any, Message, attribute};

use crate::options::LineFormat;

/// The record's attributes that become labels. In a record.
pub(crate) const ATTRIBUTE_LABELS: &str = "loki.attribute.labels";
/// The resource's attributes that do. In a resource or a record.
pub(crate) const RESOURCE_LABELS: &str = "loki.resource.labels";
/// The attribute that holds the tenant, of the same resource or record as the hint; a resource's goes before.
pub(crate) const TENANT: &str = "loki.tenant";
/// `json`, `logfmt` or `raw`. In a resource or a record; a record's goes before.
pub(crate) const FORMAT: &str = "loki.format";

/// The attribute whose value is the label `level`, where a record has it.
pub(crate) const LEVEL: &str = "level";

/// Names of one hint that are looked at. No stream may have as many labels.
const NAMES_MAX: usize = 64;
/// How deep an attribute is looked for in maps.
const DEPTH_MAX: usize = 16;

pub(crate) fn is_hint(key: &str) -> bool {
    key.starts_with("loki.") && [ATTRIBUTE_LABELS, RESOURCE_LABELS, TENANT, FORMAT].contains(&key)
}

/// The key of an attribute, without a look at its value.
#[inline]
pub(crate) fn key_of(entry: &[u8]) -> &[u8] {
    Message::new(entry).fields().find(|field| field.number == 1).map_or(&[], |field| field.payload())
}

/// The format that a hint names; `None`: it names none that there is.
pub(crate) fn format(value: &Any<'_>) -> Option<LineFormat> {
    let Any::Text(text) = value else { return None };
    match text.trim() {
        "raw" => Some(LineFormat::Raw),
        "json" => Some(LineFormat::Json),
        "logfmt" => Some(LineFormat::Logfmt),
        _ => None,
    }
}

/// Calls `each` with every name that a hint has: a list, or a text with commas.
pub(crate) fn names<'a>(value: &Any<'a>, mut each: impl FnMut(&'a str)) {
    let mut each = |name: &'a str| Some(name.trim()).filter(|name| !name.is_empty()).into_iter().for_each(&mut each);
    match value {
        Any::Text(text) => text.split(',').take(NAMES_MAX).for_each(each),
        Any::List(list) => list.elements().take(NAMES_MAX).for_each(|element| {
            if let Any::Text(text) = element {
                each(text);
            }
        }),
        _ => {}
    }
}

/// The hints among some attributes, and `level`, found in one walk; the first of each key.
#[derive(Debug, Default)]
pub(crate) struct Hints<'a> {
    pub attribute_labels: Option<Any<'a>>,
    pub resource_labels: Option<Any<'a>>,
    pub tenant: Option<Any<'a>>,
    pub format: Option<LineFormat>,
    pub level: bool,
}

/// The attributes of a resource or a record: the fields `number` of its message.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'m, 'a> {
    pub message: Option<&'m Message<'a>>,
    pub number: u32,
}

impl<'m, 'a> Attributes<'m, 'a> {
    /// Each, as the bytes of its key and of all of it.
    fn entries(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let fields = self.message.into_iter().flat_map(|message| message.fields());
        fields.filter(move |field| field.number == self.number).map(|field| (key_of(field.payload()), field.payload()))
    }

    pub fn hints(self) -> Hints<'a> {
        let mut hints = Hints::default();
        for (key, entry) in self.entries() {
            let place = match key {
                b"level" => {
                    hints.level = true;
                    continue;
                }
                _ if !key.starts_with(b"loki.") => continue,
                key if key == ATTRIBUTE_LABELS.as_bytes() => &mut hints.attribute_labels,
                key if key == RESOURCE_LABELS.as_bytes() => &mut hints.resource_labels,
                key if key == TENANT.as_bytes() => &mut hints.tenant,
                key if key == FORMAT.as_bytes() => {
                    hints.format = hints.format.or_else(|| format(&attribute(entry).1));
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert_with(|| attribute(entry).1);
        }
        hints
    }

    /// The first of this key.
    pub fn get(self, key: &str) -> Option<(&'a str, Any<'a>)> {
        let (_, entry) = self.entries().find(|(other, _)| *other == key.as_bytes())?;
        Some(attribute(entry))
    }

    /// Of this key; or else what a path of keys with dots between leads to, through maps. The key is that of the attribute itself.
    pub fn find(self, path: &str) -> Option<(Option<&'a str>, Any<'a>)> {
        if let Some((key, value)) = self.get(path) {
            return Some((Some(key), value));
        }
        let (first, rest) = path.split_once('.')?;
        let (_, mut value) = self.get(first)?;
        for key in rest.split('.').take(DEPTH_MAX) {
            let Any::Map(map) = value else { return None };
            value = map.attributes(1).find(|(other, _)| *other == key)?.1;
        }
        Some((None, value))
    }
}
