//! A list of structs for each row: events, links, exemplars, quantiles.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_schema::{ArrowError, Fields};

use super::text::offsets;
use crate::schema::element_field;

/// What a list has, a column for each of its fields.
pub trait Element: Default {
    fn fields() -> Fields;

    /// Appends what a message says.
    fn push(&mut self, message: &[u8]);

    /// The columns so far, in the order of the fields; the next batch begins with none.
    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError>;
}

pub struct Lists<E> {
    ends: Vec<i32>,
    count: i32,
    elements: E,
}

impl<E: Element> Default for Lists<E> {
    fn default() -> Self {
        Lists { ends: vec![0], count: 0, elements: E::default() }
    }
}

impl<E: Element> Lists<E> {
    pub fn push(&mut self, message: &[u8]) {
        self.elements.push(message);
        self.count += 1;
    }

    /// Of a row.
    pub fn end(&mut self) {
        self.ends.push(self.count);
    }

    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.count = 0;
        let structs = StructArray::try_new(E::fields(), self.elements.finish()?, None)?;
        let element = element_field(structs.data_type().clone());
        Ok(Arc::new(ListArray::try_new(element, offsets(&mut self.ends), Arc::new(structs), None)?))
    }
}
