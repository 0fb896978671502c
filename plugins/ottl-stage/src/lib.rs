//! Conditions and statements as a plugin's work: what `filter` and `enrich` share.
//!
//! A plugin gives its texts once, when it starts. They are read for each signal, and the plugin can be used on those that have
//! all the fields they name: `severity_number > 9` is for logs, `attributes["a"] == "b"` for all three. Each such signal's
//! columns are asked for. Texts that no signal takes are refused, with the character at which that shows.

mod contexts;

use serde::Deserialize;
use wasmill_ottl::{Change, EvalError, Failure, ParseError, Program, Target};
use wasmill_sdk::TextForm;
use wasmill_sdk::prelude::*;

/// The key `error_mode`: what happens where a text cannot be evaluated for a row.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMode {
    /// It counts as not matched, or does nothing, for that row; it is logged and counted.
    Ignore,
    /// As `ignore`, without a word.
    Silent,
    /// The slice is refused, and the stage's `on_fault` applies. The Collector's default, and ours.
    #[default]
    Propagate,
}

/// A signal as configurations name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalName {
    Traces,
    Metrics,
    Logs,
}

pub use contexts::{Conditions, Entry, Keyed};

/// The texts of one key, for each signal that takes them.
#[derive(Debug)]
pub struct Programs(Vec<(Signal, Program)>);

impl Programs {
    /// Reads the conditions under a key of the config, and asks for what they need.
    pub fn conditions(key: &str, texts: &[String], errors: ErrorMode, needs: &mut Requirements) -> Result<Programs> {
        Programs::read(key, needs, |signal| Program::conditions(ottl(signal), texts, errors.into()))
    }

    /// As [`conditions`](Programs::conditions), where each signal has texts of its own, each with its context, or none. The
    /// plugin can be used on a signal that has none, too: nothing matches there.
    pub fn conditions_of<'t>(
        key: &str,
        errors: ErrorMode,
        needs: &mut Requirements,
        texts: impl Fn(Signal) -> Vec<(Option<&'t str>, &'t str)>,
    ) -> Result<Programs> {
        Programs::read(key, needs, |signal| {
            let context = |name: Option<&str>| name.and_then(|name| contexts::named(signal, name)).unwrap_or_default();
            let texts: Vec<_> =
                texts(signal).into_iter().map(|(name, text)| (context(name), text, errors.into())).collect();
            Program::conditions_in(ottl(signal), &texts)
        })
    }

    /// Reads the statements under a key of the config, and asks for what they need.
    pub fn statements(key: &str, texts: &[String], errors: ErrorMode, needs: &mut Requirements) -> Result<Programs> {
        Programs::read(key, needs, |signal| Program::statements(ottl(signal), texts, errors.into()))
    }

    fn read(
        key: &str,
        needs: &mut Requirements,
        read: impl Fn(Signal) -> Result<Program, Vec<ParseError>>,
    ) -> Result<Programs> {
        let (mut programs, mut refusals) = (Vec::new(), Vec::new());
        for signal in Signal::ALL {
            match read(signal) {
                Ok(program) => programs.push((signal, program)),
                Err(errors) => refusals.push((signal, errors)),
            }
        }
        if programs.is_empty() {
            return Err(refusal(key, &refusals));
        }
        Ok(Programs::of_signals(programs, needs))
    }

    /// Asks for what the programs need.
    fn of_signals(programs: Vec<(Signal, Program)>, needs: &mut Requirements) -> Programs {
        for (signal, program) in &programs {
            needs.signals([*signal]);
            for wanted in program.columns() {
                needs.column_of(&wanted.path, wanted.kind, text_form(wanted.text));
            }
        }
        Programs(programs)
    }

    /// The rows that a condition is true for.
    pub fn matches(&mut self, slice: &Slice<'_>) -> Result<Bitmap> {
        if self.0.is_empty() {
            return Ok(Bitmap::none(slice.rows()));
        }
        let matched = self.of(slice)?.matches(slice.block(), slice.rows()).map_err(refused)?;
        report(&matched.failures);
        Ok(matched.rows)
    }

    /// For each condition, in order, the rows that it is the first to be true for.
    pub fn first_matches(&mut self, slice: &Slice<'_>, first: impl FnMut(usize, &Bitmap)) -> Result<()> {
        let failures = self.of(slice)?.first_matches(slice.block(), slice.rows(), first).map_err(refused)?;
        report(&failures);
        Ok(())
    }

    /// Runs the statements.
    pub fn edit(&mut self, slice: &Slice<'_>, verdict: &mut Verdict) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let edited = self.of(slice)?.edits(slice.block(), slice.rows()).map_err(refused)?;
        report(&edited.failures);
        for edit in edited.edits {
            let rows = match &edit.target {
                Target::All => Rows::All,
                Target::Rows(rows) => Rows::Bitmap(rows),
                Target::Entries(places) => Rows::Entries(places),
            };
            match edit.change {
                Change::Remove => verdict.remove(&edit.path, rows),
                Change::Set(block) => verdict.set_block(&edit.path, rows, block),
                Change::Merge(block) => verdict.merge_block(&edit.path, rows, block),
            }
        }
        Ok(())
    }

    fn of(&mut self, slice: &Slice<'_>) -> Result<&mut Program> {
        let signal = slice.signal();
        let program = self.0.iter_mut().find(|(of, _)| *of == signal).map(|(_, program)| program);
        program.ok_or_else(|| Error::new(format!("{} were not asked for", ottl(signal).name())))
    }
}

/// Whether a signal has a context of that name, as the Collector's configurations write it.
pub fn has_context(signal: Signal, name: &str) -> bool {
    contexts::named(signal, name).is_some()
}

impl SignalName {
    pub fn signal(self) -> Signal {
        match self {
            SignalName::Traces => Signal::Traces,
            SignalName::Metrics => Signal::Metrics,
            SignalName::Logs => Signal::Logs,
        }
    }
}

impl From<ErrorMode> for wasmill_ottl::ErrorMode {
    fn from(mode: ErrorMode) -> Self {
        match mode {
            ErrorMode::Ignore => wasmill_ottl::ErrorMode::Ignore,
            ErrorMode::Silent => wasmill_ottl::ErrorMode::Silent,
            ErrorMode::Propagate => wasmill_ottl::ErrorMode::Propagate,
        }
    }
}

fn ottl(signal: Signal) -> wasmill_ottl::Signal {
    match signal {
        Signal::Traces => wasmill_ottl::Signal::Traces,
        Signal::Metrics => wasmill_ottl::Signal::Metrics,
        Signal::Logs => wasmill_ottl::Signal::Logs,
    }
}

fn text_form(form: wasmill_ottl::TextForm) -> TextForm {
    match form {
        wasmill_ottl::TextForm::Plain => TextForm::Plain,
        wasmill_ottl::TextForm::Dictionary => TextForm::Dictionary,
        wasmill_ottl::TextForm::Either => TextForm::Either,
    }
}

/// What the operator reads: all that is wrong for the signal that is nearest to taking the texts.
fn refusal(key: &str, refusals: &[(Signal, Vec<ParseError>)]) -> Error {
    let Some((signal, errors)) = refusals.iter().min_by_key(|(_, errors)| errors.len()) else {
        return Error::new(format!("`{key}` is for no signal"));
    };
    let lines: Vec<String> = errors.iter().map(ParseError::to_string).collect();
    let lines = lines.join("; ");
    // What is wrong for all signals alike is not a matter of the signal.
    if refusals.iter().all(|(_, others)| others == errors) {
        return Error::new(format!("`{key}`: {lines}"));
    }
    Error::new(format!("`{key}`: no signal has all of these fields, nearest are {}: {lines}", ottl(*signal).name()))
}

fn refused(error: EvalError) -> Error {
    Error::new(error.to_string())
}

/// A line in the log and a count for each text that failed. The host bounds both.
fn report(failures: &[Failure]) {
    for Failure { expression, rows, first_row, reason } in failures {
        let number = expression.to_string();
        log!(
            Level::Warn,
            "expression {number} could not be evaluated for {rows} rows, first of row {first_row}: {reason}"
        );
        // No counter is no reason to refuse rows.
        let _ = host::counter("ottl_failures", &[("expression", &number)], *rows as f64);
    }
}
