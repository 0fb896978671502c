//! Every standard column of a signal, for exporters that want Arrow.
//!
//! One column for each field that the messages have, named by its path, in the order of the table of paths; attributes
//! are maps, inner records lists. Text is plain, except that what parents have is a dictionary with one value for each
//! parent, see [`ColumnType`](crate::ColumnType): laid out row by row it could outgrow the request without bound.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use crate::path::{Code, names};
use crate::{ColumnRequest, ColumnType, Index, Path, Selection, Signal, TextForm, project};

/// The selected rows with all standard columns, attributes as maps. The schema is the same for every batch of a signal.
pub fn record_batch(signal: Signal, index: &Index, selection: &Selection) -> RecordBatch {
    let wanted = standard(signal);
    let columns = match selection.is_all() {
        true => project::project(signal, index, &wanted),
        false => project::project(signal, &selected(index, selection), &wanted),
    };
    let field = |(request, column): (&ColumnRequest, &arrow_array::ArrayRef)| {
        Field::new(request.path.to_string(), column.data_type().clone(), true)
    };
    let schema: SchemaRef = Arc::new(Schema::new(wanted.iter().zip(&columns).map(field).collect::<Vec<_>>()));
    // Every column has a value for each record, so that they fit together.
    RecordBatch::try_new(Arc::clone(&schema), columns).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// The columns that a [`record_batch`] has: each field once, nothing derived. A number point's value is two columns, of
/// which one has a value.
fn standard(signal: Signal) -> Vec<ColumnRequest> {
    let paths = names(signal).filter_map(|name| Path::parse(signal, name).ok());
    let own = paths.filter(|path| {
        let entry = path.entry();
        !(entry.code == Code::Duration || entry.code == Code::Number && entry.inner.is_none())
    });
    own.map(|path| ColumnRequest { column: plain(path.column_type()), path }).collect()
}

fn plain(column: ColumnType) -> ColumnType {
    match column {
        ColumnType::Text(_) => ColumnType::Text(TextForm::Plain),
        ColumnType::Any(_) => ColumnType::Any(TextForm::Plain),
        ColumnType::Attributes(_) => ColumnType::Attributes(TextForm::Plain),
        ColumnType::Sequence(element) => ColumnType::Sequence(Box::new(plain(*element))),
        column => column,
    }
}

/// The index with the selected records alone.
fn selected(index: &Index, selection: &Selection) -> Index {
    let records = selection.rows().filter_map(|row| index.records.get(row).copied()).collect();
    Index {
        buffers: index.buffers.clone(),
        extents: index.extents.clone(),
        header: index.header,
        resources: index.resources.clone(),
        scopes: index.scopes.clone(),
        metrics: index.metrics.clone(),
        metric_data: index.metric_data.clone(),
        records,
    }
}
