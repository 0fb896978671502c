//! What the parts do together: texts in, rows and edits out.

#[path = "../../../tests/ottl_cases.rs"]
mod cases;
mod collector;
mod conditions;
mod errors;
mod model;
mod paths;
mod statements;
mod telemetry;
mod text;
