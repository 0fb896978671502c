//! Compiling in a child: this test is a program that starts itself as the child, as the gateway does.

use std::path::PathBuf;
use std::process::exit;
use std::time::Duration;

use wasmill_host::{Compile, CompileCommand, CompileError, Host, HostConfig, LoadError, compile_child_main};

fn main() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "__compile") {
        exit(compile_child_main(args));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        a_child_compiles_into_the_cache().await;
        a_child_short_of_memory_is_ended().await;
        a_child_that_takes_too_long_is_ended().await;
        a_compiler_that_is_not_there_is_named().await;
        what_the_compiler_refuses_comes_with_its_reason().await;
    });
    println!("5 tests passed");
}

fn host(command: CompileCommand, cache_dir: Option<PathBuf>) -> Host {
    Host::new(HostConfig { compile: Compile::Child(command), cache_dir, ..HostConfig::default() }).unwrap()
}

async fn refused(command: CompileCommand) -> CompileError {
    let error = host(command, None).load("hostile", wasmill_fixtures::hostile()).await.map(drop).unwrap_err();
    match error {
        LoadError::Compile(error) => error,
        error => panic!("{error}"),
    }
}

/// A gateway starts for the first time, and again: the child compiles, the second start finds it in the cache.
async fn a_child_compiles_into_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let load = async || {
        let host = host(CompileCommand::default(), Some(dir.path().to_owned()));
        host.load("hostile", wasmill_fixtures::hostile()).await.unwrap().compiled_in
    };
    assert!(load().await.is_some());
    assert!(load().await.is_none());
    let names: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no drafts are left: {names:?}");
}

/// The compiler needs more memory than it may have: it ends, this process does not, and the reason says so.
async fn a_child_short_of_memory_is_ended() {
    let error = refused(CompileCommand { memory_bytes_max: 8 << 20, ..CompileCommand::default() }).await;
    assert!(matches!(error, CompileError::Killed { memory_mib: 8, .. } | CompileError::Refused { .. }), "{error}");
}

async fn a_child_that_takes_too_long_is_ended() {
    let command = CompileCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), "exec sleep 100".into()],
        timeout: Duration::from_millis(50),
        ..CompileCommand::default()
    };
    let error = refused(command).await;
    assert!(matches!(error, CompileError::Timeout { .. }), "{error}");
}

async fn a_compiler_that_is_not_there_is_named() {
    let error = refused(CompileCommand { program: "/no/such/program".into(), ..CompileCommand::default() }).await;
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

/// A plugin is right outside and wrong inside: the child says where.
async fn what_the_compiler_refuses_comes_with_its_reason() {
    let mut bytes = wasmill_fixtures::hostile().to_vec();
    // Somewhere in the middle of the code section.
    let middle = bytes.len() / 4;
    bytes[middle..middle + 64].fill(0xff);
    let error = host(CompileCommand::default(), None).load("wrong", &bytes).await.map(drop).unwrap_err();
    let LoadError::Compile(CompileError::Refused { reason }) = error else { panic!("{error}") };
    assert!(reason.contains("offset") || reason.contains("invalid"), "{reason}");
}
