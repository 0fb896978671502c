//! What a stage of a plugin comes to.

use std::num::NonZeroUsize;
use std::time::Duration;

use wasmill_config::{CellType, OnLostState, PluginSource, PluginState, RouteTarget, Swap, TableFormat};

use crate::{id, stage};

/// Scenario: a plugin's configuration with all that YAML has.
/// Guarantee: as JSON it has the same values, keys in their order, integers exact.
#[test]
fn a_plugins_configuration_is_exact() {
    let config = "{plugin: 'builtin:filter', config: {zebra: 9007199254740993, ant: 18446744073709551615, f: 1.5, t: on, b: true,
        n: null, l: [1, x, {y: []}], 1: one, s: '007', when: 2026-01-01}}";
    let expected = r#"{"zebra":9007199254740993,"ant":18446744073709551615,"f":1.5,"t":"on","b":true,"n":null,"l":[1,"x",{"y":[]}],"1":"one","s":"007","when":"2026-01-01"}"#;
    assert_eq!(stage(config, &[]).config.expose(), expected);
    assert_eq!(stage("{plugin: 'builtin:filter'}", &[]).config.expose(), "{}");
}

/// Scenario: a stage that decides about groups, with nothing else said, and with everything.
/// Guarantee: the defaults are those that the documentation has; a group is never larger than a call.
#[test]
fn a_stage_groups_rows() {
    let plain = stage("{plugin: 'builtin:noop'}", &[]);
    assert_eq!(plain.group, None);
    let limited = stage("{plugin: 'builtin:noop', group_by: trace_id, limits: {rows_max: 50}}", &[]).group.unwrap();
    assert_eq!((&*limited.by, limited.wait.as_secs(), limited.rows_max.get()), ("trace_id", 10, 50));
    assert_eq!((limited.groups_max.get(), limited.bytes_max, limited.decisions_max), (50_000, 256 << 20, 100_000));
    let all = "{plugin: 'builtin:noop', group_by: name, groups: {wait: 5m, groups_max: 7, rows_max: 9, bytes_max: 2MiB, \
               decisions_max: 0, metadata_keys: [X-Tenant]}}";
    let all = stage(all, &[]).group.unwrap();
    assert_eq!((all.wait.as_secs(), all.groups_max.get(), all.rows_max.get(), all.bytes_max), (300, 7, 9, 2 << 20));
    assert_eq!((all.decisions_max, &*all.metadata_keys), (0, &["x-tenant".into()][..]));
}

/// Scenario: a route to an exporter that is not among the pipeline's.
/// Guarantee: the exporter runs, the route leads to it.
#[test]
fn a_route_leads_beyond_the_pipelines_exporters() {
    let stage = stage("{plugin: 'builtin:filter', routes: {rare: [debug, otlp]}}", &[]);
    assert_eq!(
        stage.routes.get("rare").unwrap(),
        &[RouteTarget::Exporter(id("debug")), RouteTarget::Exporter(id("otlp"))]
    );
    assert_eq!(stage.plugin, PluginSource::Builtin("filter".into()));
}

/// Tables are read by their files' endings or as they say; nothing more than a file and a key is needed.
#[test]
fn lookup_tables_have_a_format_and_settings() {
    let file = "tests/load.rs";
    let settings = format!(
        "{{plugin: 'builtin:filter', tables: {{
            a: {{file: {file}, format: csv, key: host}},
            b: {{file: {file}, format: TSV, key: host, types: {{port: int64, weight: double, internal: boolean, name: text}}}},
            c: {{file: {file}, format: csv, key: host, delimiter: ';', max_bytes: 1MiB}},
            d: {{file: {file}, format: mmdb}}}}}}"
    );
    let stage = stage(&settings, &[]);
    let delimiter = |name: &str| match &stage.tables[name].format {
        TableFormat::Csv { key, delimiter, .. } if key == "host" => Some(char::from(*delimiter)),
        _ => None,
    };
    assert_eq!(["a", "b", "c", "d"].map(delimiter), [Some(','), Some('\t'), Some(';'), None]);
    assert_eq!(["a", "c"].map(|name| stage.tables[name].bytes_max), [1 << 30, 1 << 20]);
    let TableFormat::Csv { types, .. } = &stage.tables["b"].format else { panic!("another format") };
    let types: Vec<_> = types.iter().map(|(name, cell)| (name.as_str(), *cell)).collect();
    let expected = [
        ("internal", CellType::Boolean),
        ("name", CellType::Text),
        ("port", CellType::Int64),
        ("weight", CellType::Double),
    ];
    assert_eq!(types, expected);
}

/// What is kept for a plugin is bounded by what is written, or by the defaults; so is what a swap may lose.
#[test]
fn state_has_bounds() {
    let written = stage(
        "{plugin: 'builtin:filter', state: {bytes_max: 1MiB, keys_max: 10, shards: 3, snapshot_interval: 10s}, swap: {on_lost_state: accept}}",
        &[],
    );
    let (keys_max, shards) = (NonZeroUsize::new(10).unwrap(), NonZeroUsize::new(3));
    assert_eq!(
        written.state,
        PluginState { bytes_max: 1 << 20, keys_max, shards, snapshot_interval: Some(Duration::from_secs(10)) }
    );
    assert_eq!(written.swap.on_lost_state, OnLostState::Accept);
    let default = stage("{plugin: 'builtin:filter', state: {}}", &[]);
    assert_eq!((default.state, default.swap), (PluginState::default(), Swap::default()));
}
