//! Files that are no plugins are refused in words that name what is wrong; what a plugin is can be looked at.

use wasmill_fixtures::FILES;
use wasmill_host::{Host, HostConfig, LoadError};

use crate::support::{HOST, host};

/// Each file that is no plugin: loading says why.
#[tokio::test]
async fn files_that_are_no_plugins_are_refused_in_words() {
    for file in &FILES {
        let is_text = file.content.starts_with(b";;") || file.content.starts_with(b"(");
        let bytes = if is_text { wat::parse_bytes(file.content).unwrap().into_owned() } else { file.content.to_vec() };
        let error = HOST.load(file.name, &bytes).await.map(drop).expect_err(file.name);
        assert!(error.to_string().contains(file.why), "{}: {error}", file.name);
        let inspection = HOST.inspect(&bytes, None).await;
        assert!(inspection.refusals.iter().any(|refusal| refusal.contains(file.why)), "{inspection:?}");
    }
}

/// A file that is being written: cut at any place it is refused, and never taken.
#[tokio::test]
async fn a_file_cut_anywhere_is_refused() {
    let whole = wasmill_fixtures::hostile();
    for cut in (1..whole.len()).step_by(whole.len() / 97) {
        let error = HOST.load("cut", &whole[..cut]).await.map(drop).expect_err("cut");
        let named =
            matches!(error, LoadError::Truncated { .. } | LoadError::NoComponentType | LoadError::MissingExport { .. });
        assert!(named, "cut at {cut} of {}: {error}", whole.len());
    }
}

/// An import that no plugin may have is named.
#[tokio::test]
async fn a_forbidden_import_is_named() {
    let error = HOST.load("forbidden", wasmill_fixtures::forbidden()).await.map(drop).expect_err("forbidden");
    assert!(
        matches!(&error, LoadError::ForbiddenImport { import, .. } if import == "evil:host/shell@1.0.0"),
        "{error}"
    );
}

/// A file that imports from thousands of modules, each of which would be compared with all before it: it is refused early.
#[tokio::test]
async fn a_file_with_too_many_imports_is_refused() {
    let imports: String = (0..1_001).map(|number| format!(r#"(import "m{number}" "f" (func))"#)).collect();
    let bytes = wat::parse_str(format!("(module {imports})")).unwrap();
    let error = HOST.load("many", &bytes).await.map(drop).expect_err("many");
    assert!(matches!(error, LoadError::TooMany { what: "imports", max: 1_000 }), "{error}");
}

/// A file above the limit is not looked at.
#[tokio::test]
async fn a_file_above_the_limit_is_refused() {
    let config = HostConfig { plugin_bytes_max: 1000, ..HostConfig::default() };
    let error = Host::new(config).unwrap().load("large", &[0; 1001]).await.map(drop).expect_err("large");
    assert!(matches!(error, LoadError::TooLarge { bytes: 1001, max: 1000 }), "{error}");
}

/// Loaded again it comes from the cache, and damage there is mended by compiling.
#[tokio::test]
async fn a_plugin_is_compiled_once() {
    let host = host();
    let first = host.load("first", wasmill_fixtures::hostile()).await.unwrap();
    assert!(first.compiled_in.is_some());
    let again = host.load("again", wasmill_fixtures::hostile()).await.unwrap();
    assert!(again.compiled_in.is_none());
    assert_eq!(first.hash, again.hash);
    let other = host.load("other", &wasmill_fixtures::stamped(1)).await.unwrap();
    assert!(other.compiled_in.is_some() && other.hash != first.hash);
}

/// `wasmill plugin inspect` says what a plugin is and wants.
#[tokio::test]
async fn an_inspection_says_what_a_plugin_wants() {
    let config = serde_json::json!({"do": "trap-on-poison"});
    let inspection = HOST.inspect(wasmill_fixtures::hostile(), Some(&config)).await;
    assert_eq!(inspection.refusals, [""; 0]);
    assert_eq!((inspection.form, inspection.contract_version.as_deref()), (Some("core module"), Some("0.1.0")));
    let wants = inspection.wants.unwrap();
    assert_eq!(wants.uses, ["keep", "routes", "edits"]);
    let traces = wants.signals.iter().find(|signal| signal.signal == "traces").unwrap();
    assert_eq!((traces.columns[0].path.as_str(), traces.columns[0].kind.as_str()), ("attributes[\"poison\"]", "text"));

    let inspection = HOST.inspect(wasmill_fixtures::hostile(), None).await;
    assert!(inspection.wants.is_none());
    assert!(inspection.refusals[0].contains("no configuration was given"), "{:?}", inspection.refusals);
}
