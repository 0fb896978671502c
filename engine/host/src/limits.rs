//! Every limit on a guest, with its default and its reason.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

/// Limits of one stage. The defaults suit guests in all five languages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Processor time of one `process`; on the clock it may take 4 times that. The default is 25 times what the slowest
    /// measured guest (whole attribute maps in Python, 10 ms for 8,192 rows) needs.
    pub call_deadline_ms: NonZeroU64,
    /// The same for instantiating and `init` together: interpreters import their libraries then.
    pub init_deadline_ms: NonZeroU64,
    /// Linear memory of one instance. A CPython guest needs 12 MiB before it does anything.
    pub memory_bytes_max: NonZeroUsize,
    /// An instance with more linear memory than this after a call is replaced: linear memory never shrinks.
    pub memory_bytes_retire: NonZeroUsize,
    /// Rows in one slice.
    pub rows_max: NonZeroU32,
    /// Bytes of the columns of one slice. A row that has more alone crosses alone.
    pub column_bytes_max: NonZeroUsize,
    /// Bytes that one call may return, and one call of a host function may pass: enforced before the host allocates.
    pub verdict_bytes_max: NonZeroUsize,
    /// Instances of the stage, and with it calls in parallel.
    pub instances_max: NonZeroUsize,
    /// How long a batch waits for a free instance before it is refused as retryable.
    pub instance_wait_ms: NonZeroU64,
}

/// The smallest `rows_max`, `memory_bytes_max` and so on are any non-zero number; the largest are these, so that 32-bit
/// offsets in a block and the pool's memory slots hold.
pub const ROWS_MAX: u32 = 1 << 20;
/// 1 GiB, a quarter of what a slot of the pool reserves.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// 256 MiB: far from the end of 32-bit offsets, even when a single row doubles it.
pub const COLUMN_BYTES_MAX: usize = 256 << 20;

macro_rules! non_zero {
    ($type:ident, $value:expr) => {{
        const VALUE: $type = $type::new($value).unwrap();
        VALUE
    }};
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            call_deadline_ms: non_zero!(NonZeroU64, 250),
            init_deadline_ms: non_zero!(NonZeroU64, 5_000),
            memory_bytes_max: non_zero!(NonZeroUsize, 64 << 20),
            memory_bytes_retire: non_zero!(NonZeroUsize, 48 << 20),
            rows_max: non_zero!(NonZeroU32, 8_192),
            column_bytes_max: non_zero!(NonZeroUsize, 8 << 20),
            verdict_bytes_max: non_zero!(NonZeroUsize, 16 << 20),
            instances_max: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            instance_wait_ms: non_zero!(NonZeroU64, 1_000),
        }
    }
}

impl Limits {
    /// As set, but none above what the host can keep.
    pub(crate) fn bounded(self) -> Limits {
        Limits {
            rows_max: self.rows_max.min(non_zero!(NonZeroU32, ROWS_MAX)),
            memory_bytes_max: self.memory_bytes_max.min(non_zero!(NonZeroUsize, MEMORY_BYTES_MAX)),
            column_bytes_max: self.column_bytes_max.min(non_zero!(NonZeroUsize, COLUMN_BYTES_MAX)),
            ..self
        }
    }
}
