//! What a plugin keeps, in a test without WebAssembly as in a gateway.

use std::time::Duration;

use wasmill_sdk::columns::{Block, BlockBuilder, Column as View};
use wasmill_sdk::host::Failure;
use wasmill_sdk::prelude::*;
use wasmill_sdk::state::{self, Entry, Keys};
use wasmill_sdk::testing::{self, Harness};

fn keys(keys: &[&str]) -> Keys {
    Keys::new(keys.iter().map(Some))
}

/// Values are put, counted, forgotten and over, each by its own key; a row without a key is left alone.
#[test]
fn values_last_as_long_as_they_are_to() {
    let (abc, second) = (keys(&["a", "b", "c"]), Some(Duration::from_secs(1)));
    state::put(&abc, [Some("1"), None, Some("3")], None).unwrap();
    assert_eq!(state::get(&abc).unwrap(), [Some(b"1".to_vec()), None, Some(b"3".to_vec())]);
    state::put(&keys(&["a", "c"]), [None::<&str>], None).unwrap();
    assert_eq!(state::get(&abc).unwrap(), [None, None, None]);
    assert_eq!(state::add(&keys(&["n", "m", "n"]), 2, second).unwrap(), [Some(2), Some(2), Some(4)]);
    testing::pass(Duration::from_millis(999));
    assert_eq!(state::add_each(&keys(&["n", "m"]), [-1, 10], second).unwrap(), [Some(3), Some(12)]);
    testing::pass(Duration::from_millis(1));
    assert_eq!(state::add(&keys(&["n"]), 1, None).unwrap(), [Some(1)], "an addition does not prolong");
    state::put(&keys(&["text"]), [Some("seven")], None).unwrap();
    let some = Keys::new([Some("text"), None, Some("n")]);
    assert_eq!(state::add(&some, 1, None).unwrap(), [None, None, Some(2)]);
    assert_eq!(state::put(&abc, ["1", "2"].map(Some), None), Err(Failure::Invalid));
    testing::forget_state();
    assert_eq!(state::get(&some).unwrap(), [None, None, None]);
}

/// Keys of a column are the same whichever form its text has.
#[test]
fn a_dictionary_has_the_keys_of_its_text() {
    let mut block = BlockBuilder::new();
    block.text(["a", "b", "a"]);
    block.dictionary([1, 0, 1], ["b", "a"]);
    let bytes = block.finish().unwrap();
    let block = Block::check(&bytes).unwrap();
    for column in block.columns() {
        let View::Text(text) = column else { panic!("{column:?}") };
        let keys = Keys::of_text(&text);
        assert_eq!((keys.len(), keys.is_empty()), (3, false));
        assert_eq!(state::add(&keys, 1, None).unwrap(), [Some(1), Some(1), Some(2)]);
        testing::forget_state();
    }
}

struct Counting(i64);

impl Plugin for Counting {
    type Config = ();

    fn init(_: (), needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Traces]);
        needs.single();
        needs.hands_over();
        Ok(Counting(0))
    }

    fn process(&mut self, slice: &Slice, _: &mut Verdict) -> Result<()> {
        self.0 += slice.rows() as i64;
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<Entry>> {
        Ok(vec![Entry { key: Vec::new(), value: self.0.to_le_bytes().to_vec() }])
    }

    fn restore(&mut self, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            self.0 += i64::from_le_bytes(entry.value.try_into().map_err(|_| Error::new("a count has 8 bytes"))?);
        }
        Ok(())
    }
}

/// One instance goes on where another was, and says at `init` that it does.
#[test]
fn an_instance_takes_over_what_another_gave() {
    let mut first = Harness::<Counting>::start("null").unwrap();
    assert_eq!(first.uses(), [Use::Keep, Use::Edits, Use::Snapshot]);
    first.slice(Signal::Traces, 5).process().unwrap();
    let mut second = Harness::<Counting>::start("null").unwrap();
    second.restore(first.snapshot().unwrap()).unwrap();
    second.slice(Signal::Traces, 2).process().unwrap();
    assert_eq!(second.snapshot().unwrap()[0].value, 7_i64.to_le_bytes());
    let error = second.restore(vec![Entry { key: Vec::new(), value: b"seven".to_vec() }]).unwrap_err();
    assert_eq!(error.message(), "a count has 8 bytes");
}
