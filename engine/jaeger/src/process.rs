//! Resources as processes.

use std::collections::HashMap;

use wasmill_wire::{Index, Message, Selection};

use crate::tag::Tags;
use crate::thrift;

const SERVICE_NAME: &str = "service.name";

/// What the specification's default resource has: Jaeger finds spans by their service, so that each needs a name.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The processes of a request's rows, and which rows are whose.
pub(crate) struct Processes {
    /// Each a `Process` in Thrift, with its end.
    pub encoded: Vec<Vec<u8>>,
    /// A process and a row of it, by process, and in the order of the request within it.
    pub rows: Vec<(u32, u32)>,
}

impl Processes {
    pub(crate) fn of(index: &Index, selection: &Selection) -> Processes {
        let mut encoded = Vec::new();
        let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut of_resource: Vec<Option<u32>> = vec![None; index.resources.len()];
        let mut number_of = |resource: usize| {
            if let Some(&Some(number)) = of_resource.get(resource) {
                return number;
            }
            let mut process = Vec::new();
            put_process(&mut process, index.resources.get(resource).and_then(|parent| index.parent(parent).message(1)));
            let number = *numbers.entry(process.clone()).or_insert_with(|| {
                encoded.push(process);
                encoded.len() as u32 - 1
            });
            if let Some(known) = of_resource.get_mut(resource) {
                *known = Some(number);
            }
            number
        };
        let mut rows: Vec<(u32, u32)> = Vec::with_capacity(selection.count());
        for row in selection.rows() {
            let Some(record) = index.records.get(row) else { continue };
            let Some(scope) = index.scopes.get(record.parent as usize) else { continue };
            rows.push((number_of(scope.parent as usize), row as u32));
        }
        if encoded.len() > 1 {
            rows.sort_by_key(|(process, _)| *process);
        }
        Processes { encoded, rows }
    }
}

/// `Process` of a `Resource`: its service by name, its other attributes as tags. Where the name is there twice, the first counts, and
/// the others are tags.
fn put_process(out: &mut Vec<u8>, resource: Option<Message<'_>>) {
    let mut name = Vec::new();
    if let Some((_, value)) =
        resource.iter().flat_map(|resource| resource.attributes(1)).find(|(key, _)| *key == SERVICE_NAME)
    {
        value.put_text(&mut name);
    }
    let is_named = !name.is_empty();
    thrift::put_text(out, 1, if is_named { &name } else { UNKNOWN_SERVICE.as_bytes() });
    let list = thrift::begin_list(out, 2);
    let mut tags = Tags { out, count: 0 };
    if let Some(resource) = &resource {
        let mut skipped = false;
        for (key, value) in resource.attributes(1) {
            if key == SERVICE_NAME && !std::mem::replace(&mut skipped, true) {
                continue;
            }
            tags.value(key, &value);
        }
        let dropped =
            resource.fields().filter(|field| field.number == 2).last().map_or(0, |field| field.varint() as u32);
        tags.dropped("otel.dropped_attributes_count", dropped);
    }
    let count = tags.count;
    list.end(out, count);
    thrift::end_struct(out);
}
