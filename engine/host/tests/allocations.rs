//! A call allocates as often for 8,000 rows as for 1,000.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use wasmill_host::{Limits, OnFault, Stage, StageSpec, StateSettings};
use wasmill_wire::Signal;

#[path = "plugins/support.rs"]
#[expect(dead_code, reason = "shared with the tests of plugins")]
mod support;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The second batch of a size: the first makes room for it. All rows, and every second row, of which the guest keeps some.
#[tokio::test(flavor = "current_thread")]
async fn allocations_do_not_grow_with_the_rows() {
    let plugin = support::HOST.load("three-columns", wasmill_fixtures::three_columns()).await.unwrap();
    let spec = StageSpec {
        name: "wasm/counted".to_owned(),
        config: Value::Null,
        limits: Limits { call_deadline_ms: 30_000.try_into().unwrap(), ..Limits::default() },
        on_fault: OnFault::Reject,
        breaker: None,
        content_faults_max: None,
        quiet: false,
        routes: None,
        group_by: None,
        tables: None,
        state: StateSettings::default(),
    };
    let stage = Stage::build(&support::HOST, Arc::clone(&plugin), spec).await.unwrap();
    let small = allocations(&stage, 1_000).await;
    let large = allocations(&stage, 8_000).await;
    assert_eq!(small, large);
    assert!(small < 64, "{small} allocations for a call");
}

async fn allocations(stage: &Stage, rows: usize) -> u64 {
    let columns = stage.columns(Signal::Traces).unwrap();
    let mut fewest = u64::MAX;
    // A call that lasts over a tick of the deadline's clock allocates to give way; the fewest of a few calls did not.
    for _ in 0..10 {
        let mut batch = support::spans(rows);
        batch.columns(columns);
        let before = ALLOCATIONS.load(Relaxed);
        stage.process(&mut batch, 0).await.unwrap();
        fewest = fewest.min(ALLOCATIONS.load(Relaxed) - before);
        assert!(!batch.selection().is_empty() && !batch.selection().is_all());
    }
    fewest
}
