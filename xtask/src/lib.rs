//! What the project does with itself. The library part is what the tests with real peers share with the commands: where
//! things are, how a process is started, waited for and ended, and how servers are asked what they have.

pub mod backends;
pub mod http;
pub mod panels;
pub mod places;
pub mod process;
