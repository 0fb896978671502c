//! Real plugins, good and hostile, through the whole host: load, build, process.

#[path = "plugins/emissions.rs"]
mod emissions;
#[path = "plugins/faults.rs"]
mod faults;
#[path = "plugins/files.rs"]
mod files;
#[path = "plugins/flush.rs"]
mod flush;
#[path = "plugins/groups.rs"]
mod groups;
#[path = "plugins/keeping.rs"]
mod keeping;
#[path = "plugins/preview1.rs"]
mod preview1;
#[path = "plugins/serving.rs"]
mod serving;
#[path = "plugins/state.rs"]
mod state;
#[path = "plugins/support.rs"]
mod support;
#[path = "plugins/tables.rs"]
mod tables;
#[path = "plugins/ticks.rs"]
mod ticks;
#[path = "plugins/versions.rs"]
mod versions;
