//! What rows share: each text and each map once, and its number for each row.
//!
//! A request has a few resources and scopes and many records. Their attributes, laid out row by row, are most of what a file holds before
//! it is compressed; here a row costs four bytes for each entry of its maps, and the text stays where the parent put it.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, MapArray, StructArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use wasmill_wire::{Index, Message, Record, Signal};

use super::text::{Entries, offsets, put_any};
use crate::schema::{Layout, entries_field, entry_fields};

/// Texts that rows name by number.
#[derive(Default)]
pub struct SharedText {
    values: StringBuilder,
    count: i32,
    /// `None`: no text.
    rows: Vec<Option<i32>>,
}

impl SharedText {
    /// The number of a text, for rows of this batch; an empty text is none.
    pub fn put(&mut self, text: &str) -> Option<i32> {
        (!text.is_empty()).then(|| self.put_whole(text))
    }

    fn put_whole(&mut self, text: &str) -> i32 {
        self.values.append_value(text);
        self.count += 1;
        self.count - 1
    }

    pub fn row(&mut self, number: Option<i32>) {
        self.rows.push(number);
    }

    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let keys = Int32Array::from(std::mem::take(&mut self.rows));
        self.count = 0;
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(self.values.finish()))?))
    }
}

/// Maps that rows name by the numbers of their entries, with their letters.
pub struct SharedMap {
    entries: Entries,
    numbers: Vec<i32>,
    offsets: Vec<i32>,
    letters: SharedText,
}

/// A map, for rows of this batch.
#[derive(Clone, Copy, Default)]
pub struct MapNumber {
    first: i32,
    count: i32,
    letters: i32,
}

impl Default for SharedMap {
    fn default() -> Self {
        SharedMap { entries: Entries::default(), numbers: Vec::new(), offsets: vec![0], letters: SharedText::default() }
    }
}

impl SharedMap {
    /// The map of the attributes in fields `number`.
    pub fn put(&mut self, message: Option<&Message<'_>>, number: u32) -> MapNumber {
        let first = self.entries.len() as i32;
        self.entries.begin();
        if let Some(message) = message {
            message
                .fields()
                .filter(|field| field.number == number)
                .for_each(|field| self.entries.push(field.payload()));
        }
        let letters = self.letters.put_whole(&self.entries.letters);
        MapNumber { first, count: self.entries.len() as i32 - first, letters }
    }

    pub fn row(&mut self, map: MapNumber) {
        self.numbers.extend(map.first..map.first + map.count);
        self.offsets.push(self.numbers.len() as i32);
        self.letters.row(Some(map.letters));
    }

    /// The column of maps, and that of letters.
    pub fn finish(&mut self) -> Result<[ArrayRef; 2], ArrowError> {
        // A key and its value have the same number.
        let numbers = ScalarBuffer::from(std::mem::take(&mut self.numbers));
        let numbers = Int32Array::new(numbers, None);
        let keys: ArrayRef = Arc::new(self.entries.keys.finish());
        let values: ArrayRef = Arc::new(self.entries.values.finish());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(DictionaryArray::<Int32Type>::try_new(numbers.clone(), keys)?),
            Arc::new(DictionaryArray::<Int32Type>::try_new(numbers, values)?),
        ];
        let entries = StructArray::try_new(entry_fields(Layout::Shared), columns, None)?;
        let offsets = offsets(&mut self.offsets);
        let maps = MapArray::try_new(entries_field(Layout::Shared), offsets, entries, None, false)?;
        Ok([Arc::new(maps), self.letters.finish()?])
    }
}

#[derive(Clone, Copy)]
struct Resource {
    service: Option<i32>,
    attributes: MapNumber,
    dropped: u32,
    schema_url: Option<i32>,
}

#[derive(Clone, Copy)]
struct Scope {
    name: Option<i32>,
    version: Option<i32>,
    attributes: MapNumber,
    dropped: u32,
    schema_url: Option<i32>,
}

/// The columns of resource and scope.
#[derive(Default)]
pub struct Parents {
    service_name: SharedText,
    resource_attributes: SharedMap,
    resource_dropped: Vec<u32>,
    resource_schema_url: SharedText,
    scope_name: SharedText,
    scope_version: SharedText,
    scope_attributes: SharedMap,
    scope_dropped: Vec<u32>,
    scope_schema_url: SharedText,
    /// Of the request that is being read, those that rows of this batch have.
    resources: Vec<Option<Resource>>,
    scopes: Vec<Option<Scope>>,
    scratch: Vec<u8>,
}

impl Parents {
    /// Begins a request, or goes on with it in another batch.
    pub fn begin(&mut self, index: &Index) {
        self.resources.clear();
        self.resources.resize(index.resources.len(), None);
        self.scopes.clear();
        self.scopes.resize(index.scopes.len(), None);
    }

    /// The record's row. Gives the bytes that it takes.
    pub fn row(&mut self, signal: Signal, index: &Index, record: &Record) -> usize {
        let scope = match signal {
            Signal::Metrics => index.metrics.get(record.parent as usize).map_or(0, |metric| metric.parent),
            Signal::Traces | Signal::Logs => record.parent,
        };
        let resource = index.scopes.get(scope as usize).map_or(0, |scope| scope.parent);
        let (resource, resource_bytes) = self.resource(index, resource);
        let (scope, scope_bytes) = self.scope(index, scope);
        self.service_name.row(resource.service);
        self.resource_attributes.row(resource.attributes);
        self.resource_dropped.push(resource.dropped);
        self.resource_schema_url.row(resource.schema_url);
        self.scope_name.row(scope.name);
        self.scope_version.row(scope.version);
        self.scope_attributes.row(scope.attributes);
        self.scope_dropped.push(scope.dropped);
        self.scope_schema_url.row(scope.schema_url);
        resource_bytes + scope_bytes + 4 * (resource.attributes.count + scope.attributes.count) as usize
    }

    fn resource(&mut self, index: &Index, number: u32) -> (Resource, usize) {
        let place = number as usize;
        if let Some(Some(known)) = self.resources.get(place) {
            return (*known, 0);
        }
        let header = index.resources.get(place).map(|parent| index.parent(parent));
        let message = header.as_ref().and_then(|header| header.message(1));
        let service = message.as_ref().and_then(|message| self.service(message));
        let resource = Resource {
            service,
            attributes: self.resource_attributes.put(message.as_ref(), 1),
            dropped: last_u32(message.as_ref(), 2),
            schema_url: self.resource_schema_url.put(header.as_ref().map_or("", |header| header.text(3))),
        };
        if let Some(known) = self.resources.get_mut(place) {
            *known = Some(resource);
        }
        (resource, bytes(header.as_ref()))
    }

    /// The first attribute of that name; one that is no text as text.
    fn service(&mut self, resource: &Message<'_>) -> Option<i32> {
        let mut attributes = resource.attributes(1);
        let (_, value) = attributes.find(|(key, _)| *key == "service.name")?;
        let mut text = StringBuilder::new();
        put_any(&mut text, &value, &mut self.scratch);
        self.service_name.put(std::str::from_utf8(text.values_slice()).unwrap_or_default())
    }

    fn scope(&mut self, index: &Index, number: u32) -> (Scope, usize) {
        let place = number as usize;
        if let Some(Some(known)) = self.scopes.get(place) {
            return (*known, 0);
        }
        let header = index.scopes.get(place).map(|parent| index.parent(parent));
        let message = header.as_ref().and_then(|header| header.message(1));
        let text = |number: u32| message.as_ref().map_or("", |message| message.text(number));
        let scope = Scope {
            name: self.scope_name.put(text(1)),
            version: self.scope_version.put(text(2)),
            attributes: self.scope_attributes.put(message.as_ref(), 3),
            dropped: last_u32(message.as_ref(), 4),
            schema_url: self.scope_schema_url.put(header.as_ref().map_or("", |header| header.text(3))),
        };
        if let Some(known) = self.scopes.get_mut(place) {
            *known = Some(scope);
        }
        (scope, bytes(header.as_ref()))
    }

    pub fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        let counts = |counts: &mut Vec<u32>| Arc::new(UInt32Array::from(std::mem::take(counts))) as ArrayRef;
        columns.push(self.service_name.finish()?);
        columns.extend(self.resource_attributes.finish()?);
        columns.push(counts(&mut self.resource_dropped));
        columns.push(self.resource_schema_url.finish()?);
        columns.push(self.scope_name.finish()?);
        columns.push(self.scope_version.finish()?);
        columns.extend(self.scope_attributes.finish()?);
        columns.push(counts(&mut self.scope_dropped));
        columns.push(self.scope_schema_url.finish()?);
        Ok(())
    }
}

/// The number in a field; 0 where there is none.
pub fn last_u32(message: Option<&Message<'_>>, number: u32) -> u32 {
    let last = message.and_then(|message| message.fields().filter(|field| field.number == number).last());
    last.map_or(0, |field| field.varint() as u32)
}

/// Of a parent's message.
pub fn bytes(header: Option<&Message<'_>>) -> usize {
    header.map_or(0, |header| header.parts().map(<[u8]>::len).sum())
}
