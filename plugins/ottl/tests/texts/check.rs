//! What must hold of any text as a condition and as a statement.

use wasmill_ottl::{Condition, ErrorMode, ParseError, Program, Signal, Statement};

/// Says how many programs it made.
pub fn check(text: &str) -> usize {
    refused_within(text, Condition::parse(text).err());
    refused_within(text, Statement::parse(text).err());
    let mut programs = 0;
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let made = [
            Program::conditions(signal, &[text], ErrorMode::Ignore),
            Program::statements(signal, &[text], ErrorMode::Propagate),
        ];
        for program in made {
            match program {
                Ok(program) => {
                    programs += 1;
                    let mut paths: Vec<String> = program.columns().iter().map(|column| format!("{column:?}")).collect();
                    paths.sort();
                    let count = paths.len();
                    paths.dedup();
                    assert_eq!(paths.len(), count, "a column is asked for twice: {text}");
                }
                Err(errors) => {
                    assert!(!errors.is_empty(), "refused for no reason: {text}");
                    errors.into_iter().for_each(|error| refused_within(text, Some(error)));
                }
            }
        }
    }
    programs
}

fn refused_within(text: &str, error: Option<ParseError>) {
    if let Some(error) = error {
        assert!(error.position <= text.chars().count(), "{error}");
        assert!(!error.reason.is_empty() && !error.to_string().is_empty());
    }
}
