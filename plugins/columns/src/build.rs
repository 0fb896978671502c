//! Writing a block.
//!
//! Nodes are opened in the order of the contract, parents before their children, and parts are written behind one another
//! straight into the block. The nodes' place at the head is reserved; should it not do, the parts are moved once, at the end.

mod any;
mod block;
mod text;

pub use any::{AnyBuilder, AnyPlace, AttributesBuilder};
pub use block::{BlockBuilder, BlockTooLarge, NodeId};
pub use text::TextBuilder;
