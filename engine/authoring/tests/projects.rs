//! What `wasmill plugin new` writes.

use std::fs;
use std::path::Path;

use wasmill_authoring::Language;
use wasmill_authoring::build::{BuildError, Install, build};
use wasmill_authoring::case::{FOLDER, find};
use wasmill_authoring::project::{Kind, NewError, create};
use wasmill_host::{Compile, Host, HostConfig};

/// Every language and kind: the project is of that language, has cases, a configuration that is valid but for the plugin that is not
/// built yet, and no placeholder that was left standing.
#[test]
fn every_project_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    for language in Language::ALL {
        for kind in Kind::ALL {
            let dir = folder.path().join(format!("{}-{}", language.id(), kind.id()));
            let files = create(&dir, "my-plugin", language, kind).expect("a project");
            assert_eq!(Language::of(&dir), Some(language));
            assert!(find(&dir.join(FOLDER)).expect("cases").len() >= 3, "{language} {kind:?}");
            for file in ["README.md", "gateway.yaml", ".gitignore", "wasmill/README.md", "wasmill/wit/plugin.wit"] {
                assert!(files.iter().any(|written| written == Path::new(file)), "no {file} for {language}");
            }
            for file in files {
                let text = fs::read_to_string(dir.join(&file)).expect("text");
                let left = ["name", "kind", "language", "source", "unit-tests", "about"];
                let left = left.iter().find(|mark| text.contains(&format!("{{{{{mark}}}}}")));
                assert_eq!(left, None, "in {}", file.display());
            }
            let yaml = fs::read_to_string(dir.join("gateway.yaml")).expect("a configuration");
            fs::write(dir.join("plugin.wasm"), b"").expect("a file");
            let plugin = dir.join("plugin.wasm").display().to_string();
            let yaml = yaml.replace("plugin: plugin.wasm", &format!("plugin: {plugin}"));
            let loaded = wasmill_config::load_texts(vec![("gateway.yaml".into(), yaml)], &|_| None);
            let loaded = loaded.unwrap_or_else(|errors| panic!("{language} {kind:?}: {}", errors.render()));
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        }
    }
}

/// What is there is not overwritten, and names are those that all languages take.
#[test]
fn what_is_there_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("p");
    for name in ["", "P", "1st", "-a", "a b", "a/b", "a.b", "ä", "a".repeat(41).as_str()] {
        let refused = create(&dir, name, Language::Go, Kind::Filter);
        assert!(matches!(refused, Err(NewError::Name { .. })), "{name}");
    }
    create(&dir, "p", Language::Go, Kind::Filter).expect("a project");
    fs::write(dir.join("plugin.go"), "mine").expect("a file");
    assert!(matches!(create(&dir, "p", Language::Go, Kind::Filter), Err(NewError::Taken { .. })));
    assert_eq!(fs::read_to_string(dir.join("plugin.go")).expect("a file"), "mine");
    fs::write(folder.path().join("file"), "").expect("a file");
    assert!(matches!(
        create(&folder.path().join("file"), "p", Language::Go, Kind::Filter),
        Err(NewError::Taken { .. })
    ));
}

/// A folder that is no project, and a project whose tool is not there, are told what to do.
#[test]
fn what_cannot_be_built_says_what_is_missing() {
    let host = Host::new(HostConfig { compile: Compile::InProcess, ..HostConfig::default() }).expect("a host");
    let folder = tempfile::tempdir().expect("a folder");
    let error = build(&host, folder.path(), Install::No).expect_err("no project");
    assert!(error.to_string().contains("wasmill plugin new"), "{error}");
    let dir = folder.path().join("p");
    create(&dir, "p", Language::TypeScript, Kind::Filter).expect("a project");
    let error = build(&host, &dir, Install::No).expect_err("no tools");
    assert!(matches!(error, BuildError::ToolMissing { .. }), "{error}");
    assert!(error.to_string().contains("npm install") || error.to_string().contains("nodejs.org"), "{error}");
    assert_eq!(fs::read_dir(dir.join(".wasmill")).expect("a folder").count(), 0, "nothing is left of it");
    let ignored = fs::read_to_string(dir.join(".gitignore")).expect("a file");
    assert!(ignored.lines().any(|line| line == "/.wasmill/"), "{ignored}");
}
