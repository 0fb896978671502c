//! `wasmill components`: what the binary says that it has.

use std::process::Command;

fn components(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wasmill")).arg("components").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// As text, of all or of one; a name that there is not is a mistake that lists those that there are.
#[test]
fn components_are_shown_as_text() {
    let (code, all, _) = components(&[]);
    assert_eq!(code, Some(0));
    for line in
        ["receivers: otlp", "processors: wasm", "exporters: otlp_grpc or otlp", "connectors: routing", "service"]
    {
        assert!(all.lines().any(|found| found == line), "{line}:\n{all}");
    }
    assert!(all.contains("builtin:filter"), "{all}");
    let (code, one, _) = components(&["health_check"]);
    assert_eq!(code, Some(0));
    assert!(one.contains("endpoint: address, default localhost:13133") && !one.contains("otlp_grpc"), "{one}");
    let (code, _, error) = components(&["helth_check"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("`helth_check`") && error.contains("health_check"), "{error}");
}

/// As JSON with every key, and as the schema that `wasmill-config` tests against every configuration there is.
#[test]
fn components_are_shown_as_json_and_as_a_schema() {
    let (code, text, _) = components(&["--output", "json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let components_of = json["components"].as_array().unwrap();
    let batch = components_of.iter().find(|component| component["types"][0] == "batch").expect("`batch` is served");
    let timeout = &batch["keys"][0];
    assert_eq!(
        (&timeout["key"], &timeout["type"], &timeout["default"]),
        (&"timeout".into(), &"duration".into(), &"200ms".into())
    );
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));

    let (code, text, _) = components(&["--output", "json-schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema, wasmill_config::json_schema());
    assert_eq!(components(&["otlp", "--output", "json-schema"]).0, Some(2));
}
