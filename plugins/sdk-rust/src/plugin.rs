//! What a plugin is.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::state::Entry;
use crate::{Emissions, Error, Requirements, Result, Slice, Verdict};

/// A plugin. [`plugin!`](crate::plugin) makes it a component's export.
pub trait Plugin: Sized + 'static {
    /// The stage's `config:` block. Deny unknown fields, so that a typing error is found when the gateway starts. `()` for none: then an empty block is taken, and no
    /// other.
    type Config: DeserializeOwned;

    /// Called once for each instance, with a config that could be read. Says in `needs` on which signals the plugin can be used
    /// and which columns it is to be shown. All instances of one config must say the same.
    fn init(config: Self::Config, needs: &mut Requirements) -> Result<Self>;

    /// Decides about a slice of at least one row. A verdict that nothing is done to keeps all rows as they are. An error
    /// refuses the slice as a whole; the instance goes on.
    fn process(&mut self, slice: &Slice<'_>, verdict: &mut Verdict) -> Result<()>;

    /// Called at the interval that the plugin [asked for](Requirements::ticks), whether or not rows come; `now` is in nanoseconds since
    /// 1970. Each instance has memory of its own, and so a tick of its own: what several of them make of what they saw is to be added
    /// up behind. An error is logged and counted.
    fn tick(&mut self, now: u64, emit: &mut Emissions) -> Result<()> {
        let _ = (now, emit);
        Ok(())
    }

    /// The instance is about to go, after its last slice: the moment to count, log or [emit](Emissions::push) what it gathered. Called once,
    /// where the plugin said that it [uses](Requirements::uses) [`Use::Flush`](crate::Use::Flush), and not after a fault. An error is
    /// logged and counted.
    fn flush(&mut self, emit: &mut Emissions) -> Result<()> {
        let _ = emit;
        Ok(())
    }

    /// What this instance holds, for the one that follows it: by a swap, or because its memory grew. Called where the plugin said that it
    /// [hands it over](Requirements::hands_over). The instance may go on after it, so leave it as it is. An error: it is lost, or the swap
    /// refused, as the operator configured.
    fn snapshot(&mut self) -> Result<Vec<Entry>> {
        Ok(Vec::new())
    }

    /// What the one before held, of this instance's share: once, between [`init`](Plugin::init) and the first slice, and only where there is
    /// something. It may be of an older build of this plugin, or of another plugin: an error refuses the swap, and the old one serves on.
    fn restore(&mut self, _entries: Vec<Entry>) -> Result<()> {
        Err(Error::new("this plugin takes nothing over"))
    }
}

/// Starts a plugin: reads its config, and asks for its requirements.
///
/// A stage without a config block has an empty one, and it makes no difference to a plugin whether that is `{}` or `null`: a
/// struct with defaults takes the one, `()` and `Option` the other.
pub(crate) fn start<P: Plugin>(config: &str) -> Result<(P, Requirements)> {
    let config = serde_json::from_str(config)
        .or_else(|error| match config.trim() {
            "{}" => serde_json::from_str("null").map_err(|_| error),
            // Which key a block without any lacks says more than that there is none.
            "null" => serde_json::from_str("{}"),
            _ => Err(error),
        })
        .map_err(|error| refusal(config, &error))?;
    let mut requirements = Requirements::default();
    let plugin = P::init(config, &mut requirements)?;
    Ok((plugin, requirements))
}

/// What the operator reads of a config that could not be read: the key that it is about, and not where that is in the JSON
/// that the host made of what the operator wrote.
fn refusal(config: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let key = key_at(config, error).unwrap_or_else(|| "config".to_owned());
    Error::new(format!("`{key}`: {}", message.strip_suffix(&place).unwrap_or(&message)))
}

/// The key in whose value the error is; `None` where it is about the keys themselves.
fn key_at(config: &str, error: &serde_json::Error) -> Option<String> {
    let lines = config.split_inclusive('\n').take(error.line().checked_sub(1)?);
    let place = lines.map(str::len).sum::<usize>() + error.column();
    let values: BTreeMap<String, &RawValue> = serde_json::from_str(config).ok()?;
    let is_in = |value: &RawValue| {
        let start = value.get().as_ptr().addr() - config.as_ptr().addr();
        (start..=start + value.get().len()).contains(&place)
    };
    values.into_iter().find(|(_, value)| is_in(value)).map(|(key, _)| key)
}

/// Makes a [`Plugin`] the export of this crate: once, in the crate that is the plugin.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        // Without WebAssembly there is nothing to export, and the plugin is a library for its tests.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = $crate::testing::is_a_plugin::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::guest::{self, Emission, Requirements, Running, Slice, Verdict};

            // Components have one thread, and a caller at a time.
            thread_local! {
                static RUNNING: Running<$plugin> = const { Running::new() };
            }

            struct Export;

            impl guest::Guest for Export {
                fn init(config: String) -> Result<Requirements, String> {
                    RUNNING.with(|running| running.init(&config))
                }
                fn process(slice: Slice) -> Result<Verdict, String> {
                    RUNNING.with(|running| running.process(slice))
                }
                fn tick(now: u64) -> Result<Vec<Emission>, String> {
                    RUNNING.with(|running| running.tick(now))
                }
                fn flush() -> Result<Vec<Emission>, String> {
                    RUNNING.with(|running| running.flush())
                }
                fn snapshot() -> Result<Vec<u8>, String> {
                    RUNNING.with(|running| running.snapshot())
                }
                fn restore(entries: Vec<u8>) -> Result<(), String> {
                    RUNNING.with(|running| running.restore(&entries))
                }
            }

    $crate::guest::export!(Export with_types_in $crate::guest::bindings);
        };
    };
}
