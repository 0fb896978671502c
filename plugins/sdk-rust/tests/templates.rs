//! The plugins that projects start as, with the tests that they have.

use std::fs;
use std::path::Path;

#[path = "../template-enrich/src/lib.rs"]
mod enrich;
#[path = "../template-filter/src/lib.rs"]
mod filter;
#[path = "../template-group/src/lib.rs"]
mod group;
#[path = "../template-redact/src/lib.rs"]
mod redact;
#[path = "../template-route/src/lib.rs"]
mod route;

/// A project has copies of the SDK's crates, without the workspace that they are in.
/// What they take from the repository's `Cargo.toml` is in `project/Cargo.toml`, and is the same.
#[test]
fn a_project_has_what_the_sdk_takes_from_its_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (repository, project) = (read("../../Cargo.toml"), read("project/Cargo.toml"));
    let line = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.split(" = ").next() == Some(key));
        line.unwrap_or_else(|| panic!("no `{key}`")).to_owned()
    };
    let mut keys = 0;
    for manifest in ["Cargo.toml", "../columns/Cargo.toml"] {
        for inherited in read(manifest).lines().filter(|line| line.contains("workspace = true")) {
            let key = inherited.split([' ', '.']).next().unwrap_or_default();
            assert_eq!(line(&project, key), line(&repository, key), "taken by `{manifest}`");
            keys += 1;
        }
    }
    assert!(keys > 0, "the manifests say it in another way now");
}
