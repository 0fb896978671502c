//! Write a Wasmill plugin in Rust.
//!
//! A plugin is a step of the gateway's pipeline. It says once which columns it needs, is shown these for thousands of rows at a
//! time, and answers with a decision: which rows stay, which values change, which route rows take. The rows themselves stay
//! in the host, so a decision costs nanoseconds a row.
//!
//! # A plugin in five minutes
//!
//! `cargo new --lib health`, then in `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]      # the plugin, and the library that `cargo test` runs
//!
//! [dependencies]
//! wasmill-sdk = { git = "…" }          # or path
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! and in `src/lib.rs`:
//!
//! ```
//! use wasmill_sdk::prelude::*;
//!
//! /// The stage's `config:` block.
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     drop_routes: Vec<String>,
//!     team: String,
//! }
//!
//! struct Health {
//!     config: Config,
//!     route: Column<str>,
//! }
//!
//! impl Plugin for Health {
//!     type Config = Config;
//!
//!     fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
//!         needs.signals([Signal::Traces]);
//!         let route = needs.column(r#"attributes["http.route"]"#);
//!         Ok(Health { config, route })
//!     }
//!
//!     fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
//!         // Asked once for each distinct route of the slice, whatever the number of rows.
//!         let health = slice.column(self.route).matches(|route| self.config.drop_routes.iter().any(|r| r == route));
//!         verdict.drop(&health);
//!         verdict.set(r#"attributes["team"]"#, Rows::All, &*self.config.team);
//!         Ok(())
//!     }
//! }
//!
//! wasmill_sdk::plugin!(Health);
//! # fn main() {}
//! ```
//!
//! Build it with `cargo build --release --target wasm32-unknown-unknown`, and name the file in the gateway's configuration:
//!
//! ```yaml
//! processors:
//!   wasm/health:
//!     plugin: target/wasm32-unknown-unknown/release/health.wasm
//!     config: { drop_routes: [/healthz], team: payments }
//! ```
//!
//! # Tests
//!
//! What a plugin decides is tested without WebAssembly, by `cargo test`: see [`testing::Harness`].
//!
//! # Speed
//!
//! - Ask for few columns, of the type you compare with: [`Column<str>`](Column) rather than [`Column<Dynamic>`](Dynamic).
//! - `matches` on text looks at each distinct value once. A look at each row costs a few nanoseconds more.
//! - One [`Verdict::set`] for many rows is cheaper than many for one.
//! - A plugin is dropped and made anew at any time, and several run at once: keep nothing from call to call but caches, and
//!   what `tick` and `flush` give; or say how it is kept: see [`state`].

#[cfg(feature = "arrow")]
pub mod arrow;
mod emission;
mod error;
pub mod groups;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
pub mod host;
pub mod lookup;
mod plugin;
mod requirements;
mod slice;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;

/// The data block: typed views of columns, builders of new ones, bitmaps.
pub use wasmill_columns as columns;

pub use emission::{Emission, Emissions, MetricType, Temporality};
pub use error::{Error, Result};
pub use groups::Groups;
pub use plugin::Plugin;
pub use requirements::{
    Attributes, Column, ColumnType, Dynamic, List, Requirements, RouteSet, Signal, TextForm, Use, attribute,
};
pub use slice::Slice;
pub use verdict::{Rows, Value, Verdict};

/// What a plugin's file starts with.
pub mod prelude {
    pub use crate::columns::{AnyValue, Bitmap};
    pub use crate::host::Level;
    pub use crate::lookup::Table;
    pub use crate::{
        Attributes, Column, Dynamic, Emission, Emissions, Error, List, MetricType, Plugin, Requirements, Result,
        RouteSet, Rows, Signal, Slice, Temporality, TextForm, Use, Verdict, attribute, host, log,
    };
}
