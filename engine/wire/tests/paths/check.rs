//! What must hold of any text as a path.

use wasmill_wire::{Path, Signal};

/// Says for how many signals it is one.
pub fn check(text: &str) -> usize {
    let mut taken = 0;
    for signal in Signal::ALL {
        match Path::parse(signal, text) {
            Err(error) => {
                assert!(error.at <= text.chars().count() && !error.reason.is_empty(), "{error}");
            }
            Ok(path) => {
                taken += 1;
                assert!(path.accepts(&path.column_type()), "{path}");
                let written = path.to_string();
                let again = Path::parse(signal, &written).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(again, path, "{written}");
            }
        }
    }
    taken
}
