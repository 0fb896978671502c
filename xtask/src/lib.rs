//! What the project does with itself. The library part is what the tests with real peers share with the commands: where
//! things are, and how a process is started, waited for and ended.

pub mod places;
pub mod process;
