//! What the parts do together: texts in, rows and edits out.

#[path = "../../../tests/ottl_cases.rs"]
mod cases;
mod collector;
mod conditions;
mod model;
mod telemetry;
