//! Nothing is allocated for each row: a program that has run once allocates as often for eight times the rows.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wasmill_columns::{Block, BlockBuilder, Kind};
use wasmill_ottl::{ErrorMode, Program, Signal};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread asks the system's allocator for.
struct Counting;

// SAFETY: everything is the system allocator's, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Texts in dictionaries or plain, numbers, and attributes of two entries each.
fn block(program: &Program, rows: usize) -> Vec<u8> {
    let texts = ["GET /", "GET /health", "POST /pay"];
    let key = |row: usize| (row % texts.len()) as u32;
    let mut out = BlockBuilder::new();
    for wanted in program.columns() {
        match wanted.kind {
            Kind::Text => drop(out.text((0..rows).map(|row| texts[row % texts.len()]).collect::<Vec<_>>())),
            Kind::Int32 => drop(out.fixed((0..rows).map(|row| row as i32 % 3).collect::<Vec<_>>())),
            Kind::Any => {
                let node = out.open(Kind::Any, rows, 1);
                out.values(node, rows).fill(2);
                for (row, place) in out.offsets(node).chunks_exact_mut(4).enumerate() {
                    place.copy_from_slice(&(row as u32).to_le_bytes());
                }
                out.dictionary((0..rows).map(key), texts);
            }
            Kind::Attributes => {
                let mut builder = wasmill_columns::AttributesBuilder::new();
                for row in 0..rows {
                    builder.entry("http.route", texts[row % texts.len()].into());
                    builder.entry("number", (row as i64).into());
                    builder.end_row();
                }
                builder.append(&mut out);
            }
            kind => panic!("no program here has columns of {kind}"),
        }
    }
    out.finish().expect("a block of some thousand rows")
}

fn count(run: impl FnOnce()) -> usize {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

const WARM_UPS: usize = 4;
const FEW: usize = 1_000;
const MANY: usize = 8_000;

#[test]
fn conditions_allocate_the_same_for_few_and_many_rows() {
    let conditions = [
        r#"attributes["http.route"] == "GET /health" and status.code != 2"#,
        r#"IsMatch(name, "^PUT") or HasPrefix(attributes["http.route"], "PUT")"#,
        r#"not (kind == 1 or status.code == 2) and ConvertCase(attributes["a"], "upper") == "PUT""#,
        r#"Concat([name, attributes["a"]], "-") == "x" or attributes["a"] == attributes["http.route"]"#,
    ];
    for condition in conditions {
        let mut program = Program::conditions(Signal::Traces, &[condition], ErrorMode::Ignore).expect("a condition");
        let [few, many] = [FEW, MANY].map(|rows| {
            let bytes = block(&program, rows);
            let block = Block::check(&bytes).expect("a sound block");
            // A few times, so that each of the buffers that are kept from call to call has its size.
            for _ in 0..WARM_UPS {
                program.matches(&block, rows).expect("no failure that ends the call");
            }
            count(|| drop(program.matches(&block, rows)))
        });
        assert_eq!(few, many, "{condition}");
    }
}

/// Statements: apart from the few buffers that grow, each doubling once more or not.
#[test]
fn statements_allocate_for_buffers_and_not_for_rows() {
    let statements = [
        r#"set(attributes["team"], "payments") where name == "GET /health""#,
        r#"set(attributes["b"], Concat([name, attributes["http.route"]], " "))"#,
        r#"delete_matching_keys(attributes, "^http\\.")"#,
        r#"replace_pattern(name, "^GET", "PUT")"#,
        "truncate_all(attributes, 3)",
    ];
    /// The largest number of buffers that grow while a statement of these runs.
    const BUFFERS: usize = 12;
    /// How often a buffer doubles from few rows to many.
    const DOUBLINGS: usize = (MANY / FEW).ilog2() as usize;
    for statement in statements {
        let mut program = Program::statements(Signal::Traces, &[statement], ErrorMode::Ignore).expect("a statement");
        let [few, many] = [FEW, MANY].map(|rows| {
            let bytes = block(&program, rows);
            let block = Block::check(&bytes).expect("a sound block");
            program.edits(&block, rows).expect("no failure that ends the call");
            count(|| drop(program.edits(&block, rows)))
        });
        assert!(many <= few + BUFFERS * DOUBLINGS, "{statement}: {few} allocations for {FEW} rows, {many} for {MANY}");
    }
}
