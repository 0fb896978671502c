//! What plugin authors work with, behind `wasmill plugin new`, `build`, `test` and `bench`.
//!
//! ```text
//!  templates, SDKs ──create──► a project ──build──► plugin.wasm ──run──► verdicts on cases
//!   (in this binary)            (a folder)   the language's own      (the gateway's own host)
//!                                            compiler, then a
//!                                            component
//! ```
//!
//! A project is whole: it carries the SDK and the contract as this binary knows them, so that it builds without this
//! repository. What language it is in shows in its files; there is no manifest of our own.

pub mod bench;
pub mod build;
pub mod case;
mod embedded;
mod language;
pub mod project;
pub mod report;
pub mod tables;
pub mod template;

pub use language::Language;
