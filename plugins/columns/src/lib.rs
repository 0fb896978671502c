//! The data block of the plugin contract: how columns lie in a `list<u8>`, for guests and for the host.
//!
//! One block holds any number of columns, each a small tree of nodes over Arrow's physical buffers, with the descriptors
//! at its head. `wit/plugin.wit`, interface `columns`, is the specification; this crate is its one implementation in Rust.
//!
//! ```text
//!  0        8             8 + 24 · nodes        a multiple of 8
//!  ┌────────┬──────┬──────┬─────┬───────────────┬──────────────┬──
//!  │ header │ node │ node │  …  │ part: values  │ part: offsets│ …
//!  └────────┴──────┴──────┴─────┴───────────────┴──────────────┴──
//! ```
//!
//! - [`Block::check`] reads a block that somebody else made: everything is checked once, and what then comes out of the
//!   views ([`Column`], [`Text`], [`Any`], …) needs no further checks. The host does this with all that a guest returns.
//! - [`Block::trusted`] reads a block that the host made: its nodes are checked, its rows are not.
//! - [`BlockBuilder`] writes one, in one buffer, parts in place.
//!
//! Numbers are read byte-wise, little-endian, so a block may start at any address. Nothing here panics on any content of a
//! block, and nothing is allocated for each row.

mod any;
mod bitmap;
mod block;
mod build;
mod check;
mod column;
mod error;
mod kind;
mod nested;
mod text;
mod values;

pub use any::{Any, AnyValue};
pub use bitmap::{Bitmap, Bits};
pub use block::{BLOCK_BYTES_MAX, Block, DEPTH_MAX, NODES_MAX};
pub use build::{AnyBuilder, AnyPlace, AttributesBuilder, BlockBuilder, BlockTooLarge, NodeId, TextBuilder};
pub use column::Column;
pub use error::{BlockError, Part};
pub use kind::{AnyKind, Kind};
pub use nested::{Attributes, Sequence};
pub use text::{Binary, Dictionary, Mapped, PlainText, Text};
pub use values::{Boolean, Fixed, Values};
