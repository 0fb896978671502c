//! What the parts do together: texts in, rows and edits out.

mod conditions;
mod model;
