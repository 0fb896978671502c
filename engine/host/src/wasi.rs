//! An empty system, for guests whose runtime imports WASI (0.2; the first version is in `preview1`).
//!
//! It has no files, no environment, no arguments and no sockets. Standard output and error go to the guest's log, within
//! its budget, line by line; clocks go and random numbers are random. What is not here (opening a file, exiting) traps with
//! its name.
//!
//! Functions are defined by what the component itself says of their types, so that any 0.2 version fits.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::guest::Guest;

/// The interfaces that are there, of any 0.2 version.
const INTERFACES: [&str; 25] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/tcp",
    "wasi:sockets/udp",
];

/// What a stream takes at once: a line or two of a log.
const STREAM_WRITE_BYTES_MAX: u64 = 4096;

/// What a guest may ask of random bytes at once: enough to seed anything.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Every resource of WASI here: nothing is behind one but its number.
struct Nothing;

const STDIN: u32 = 0;
const STDOUT: u32 = crate::output::STDOUT;
const STDERR: u32 = crate::output::STDERR;
const POLLABLE: u32 = 3;

/// Whether an import is one of this system's.
pub(crate) fn may_import(import: &str) -> bool {
    import.split_once('@').is_some_and(|(name, version)| version.starts_with("0.2.") && INTERFACES.contains(&name))
}

/// Defines what the component imports of this system.
pub(crate) fn define(linker: &mut Linker<Guest>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    let types = component.component_type();
    for (import, item) in types.imports(engine).filter(|(import, _)| may_import(import)) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let interface = import.split_once('@').map_or(import, |(name, _)| name);
        let mut defined = linker.instance(import)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let (interface, function) = (interface.to_owned(), name.to_owned());
                    defined.func_new(name, move |store, _: ComponentFunc, args, results| {
                        call(store, &interface, &function, args, results)
                    })?;
                }
                ComponentItem::Resource(_) => {
                    defined.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn call(
    store: StoreContextMut<'_, Guest>,
    interface: &str,
    function: &str,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let value = match interface.strip_prefix("wasi:").unwrap_or(interface) {
        "cli/environment" | "filesystem/preopens" if function.starts_with("get-") => Some(Val::List(Vec::new())),
        "cli/environment" | "cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr" => {
            Some(Val::Option(None))
        }
        "filesystem/types" if function == "filesystem-error-code" => Some(Val::Option(None)),
        "cli/stdin" => Some(resource(store, STDIN)?),
        "cli/stdout" => Some(resource(store, STDOUT)?),
        "cli/stderr" => Some(resource(store, STDERR)?),
        "clocks/monotonic-clock" if function.starts_with("subscribe") => Some(resource(store, POLLABLE)?),
        "clocks/monotonic-clock" | "clocks/wall-clock" => Some(clock(store.data(), interface, function)),
        "random/random" | "random/insecure" | "random/insecure-seed" => Some(random(function, args)?),
        "io/poll" => poll(function, args)?,
        "io/streams" => stream(store, function, args)?,
        _ => return Err(absent(interface, function)),
    };
    match (results, value) {
        ([result], Some(value)) => *result = value,
        ([], None) => {}
        _ => return Err(absent(interface, function)),
    }
    Ok(())
}

fn absent(interface: &str, function: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("a plugin's system has no `{function}` of `{interface}`"))
        .context(wasmtime::Trap::UnreachableCodeReached)
}

fn resource(store: StoreContextMut<'_, Guest>, number: u32) -> wasmtime::Result<Val> {
    Ok(Val::Resource(ResourceAny::try_from_resource(Resource::<Nothing>::new_own(number), store)?))
}

fn clock(guest: &Guest, interface: &str, function: &str) -> Val {
    let (seconds, nanoseconds) = match (interface, function) {
        (_, "resolution") => (0, 1),
        ("wasi:clocks/monotonic-clock", _) => {
            let since = Instant::now().saturating_duration_since(guest.born);
            (since.as_secs(), since.subsec_nanos())
        }
        _ => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_secs(), since.subsec_nanos())
        }
    };
    match interface {
        "wasi:clocks/monotonic-clock" => {
            Val::U64(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.into()))
        }
        _ => Val::Record(vec![
            ("seconds".to_owned(), Val::U64(seconds)),
            ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
        ]),
    }
}

fn random(function: &str, args: &[Val]) -> wasmtime::Result<Val> {
    Ok(match (function, args) {
        ("insecure-seed", _) => Val::Tuple(vec![Val::U64(random_number()?), Val::U64(random_number()?)]),
        (_, [Val::U64(bytes)]) if *bytes <= RANDOM_BYTES_MAX => {
            let words = std::iter::repeat_with(random_number).take(bytes.div_ceil(8) as usize);
            let words = words.collect::<wasmtime::Result<Vec<u64>>>()?;
            Val::List(words.iter().flat_map(|word| word.to_le_bytes()).take(*bytes as usize).map(Val::U8).collect())
        }
        (_, [Val::U64(bytes)]) => {
            return Err(wasmtime::Error::msg(format!("{bytes} random bytes at once; at most {RANDOM_BYTES_MAX}"))
                .context(wasmtime::Trap::UnreachableCodeReached));
        }
        _ => Val::U64(random_number()?),
    })
}

fn random_number() -> wasmtime::Result<u64> {
    let mut bytes = [0; 8];
    // SAFETY: writes at most as many bytes as there are.
    let written = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if written != 8 {
        return Err(
            wasmtime::Error::msg("the system has no random numbers").context(wasmtime::Trap::UnreachableCodeReached)
        );
    }
    Ok(u64::from_le_bytes(bytes))
}

/// Whatever a guest waits for is ready.
fn poll(function: &str, args: &[Val]) -> wasmtime::Result<Option<Val>> {
    Ok(match (function, args) {
        ("[method]pollable.ready", _) => Some(Val::Bool(true)),
        ("[method]pollable.block", _) => None,
        (_, [Val::List(pollables)]) => Some(Val::List((0..pollables.len() as u32).map(Val::U32).collect())),
        _ => return Err(absent("wasi:io/poll", function)),
    })
}

fn stream(mut store: StoreContextMut<'_, Guest>, function: &str, args: &[Val]) -> wasmtime::Result<Option<Val>> {
    let done = Val::Result(Ok(None));
    let method = function.split_once('.').map_or(function, |(_, method)| method);
    Ok(Some(match (method, args) {
        ("subscribe", _) => resource(store, POLLABLE)?,
        ("check-write", _) => Val::Result(Ok(Some(Box::new(Val::U64(STREAM_WRITE_BYTES_MAX))))),
        ("write" | "blocking-write-and-flush", [Val::Resource(stream), Val::List(bytes)]) => {
            let number = stream.try_into_resource::<Nothing>(&mut store)?.rep();
            let bytes = bytes.iter().map(|byte| if let Val::U8(byte) = byte { *byte } else { b'?' });
            let text: Vec<u8> = bytes.take(STREAM_WRITE_BYTES_MAX as usize).collect();
            store.data_mut().output.write(number, &text);
            done
        }
        ("flush" | "blocking-flush" | "write-zeroes" | "blocking-write-zeroes-and-flush", _) => done,
        ("read" | "blocking-read" | "skip" | "blocking-skip", _) => {
            Val::Result(Err(Some(Box::new(Val::Variant("closed".to_owned(), None)))))
        }
        _ => return Err(absent("wasi:io/streams", function)),
    }))
}
