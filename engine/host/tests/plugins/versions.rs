//! Plugins of the contract's first version run, and the contract only grows in ways in which they do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;
use wasmill_batch::{ROUTE_DEFAULT, Routes};
use wasmill_host::{MetricValue, Stage, StageSpec};
use wit_parser::{Function, Resolve, Type, TypeDefKind, TypeId, WorldItem};

use crate::support::{HOST, selected, spans, spec};

const TODAY: &str = include_str!("../../../../wit/plugin.wit");

/// A plugin that was built from the first contract alone is loaded, started, asked and dropped; what it decides applies, and what it calls is
/// answered.
#[tokio::test]
async fn a_plugin_of_the_first_version_runs() {
    let plugin = HOST.load("frozen", wasmill_fixtures::frozen()).await.unwrap();
    let spec = StageSpec { name: "wasm/frozen".to_owned(), ..spec(r#"{"frozen": true}"#) };
    let stage = Stage::build(&HOST, plugin, spec).await.unwrap();
    let mut batch = spans(14);
    stage.process(&mut batch, 10).await.unwrap();
    assert_eq!(selected(&batch), [0, 2, 4, 6, 8, 10, 12]);
    let routes: Vec<u16> = (0..14).map(|row| if row % 10 == 3 { 10 } else { ROUTE_DEFAULT }).collect();
    assert_eq!(batch.routes, Routes::Rows(routes.into()));
    let bytes = batch.encode();
    assert_eq!(bytes.windows(9).filter(|window| window == b"as it was").count(), 7);
    let samples = HOST.metrics().samples();
    let calls = samples.iter().find(|sample| sample.stage == "wasm/frozen" && sample.name == "frozen_calls");
    assert_eq!(calls.map(|sample| &sample.value), Some(&MetricValue::Number(1.0)));
}

/// Another config is refused by the plugin itself, in its words.
#[tokio::test]
async fn a_plugin_of_the_first_version_refuses() {
    let plugin = HOST.load("frozen", wasmill_fixtures::frozen()).await.unwrap();
    let refused = Stage::build(&HOST, plugin, spec(&json!({"frozen": 1}).to_string())).await.err();
    let shown = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(shown.contains("`frozen`: expected true, found"), "{shown}");
}

/// What the first version declares is there today with the same types. Where it is not, plugins that are built and deployed no longer start:
/// then it is a new version of the package, beside this one (`wit/README.md`).
#[test]
fn the_contract_takes_what_the_first_version_declared() {
    assert_eq!(broken(TODAY), Vec::<String>::new());
}

/// The comparison sees each kind of change that breaks a plugin, names what it is about, and lets pass what breaks none.
#[test]
fn changes_that_break_plugins_are_found() {
    for (from, to, found) in [
        ("tick-ms: u32,", "tick-ms: u64,", "stage.init"),
        ("record slice {", "record slice { more: u32,", "stage.process"),
        ("    unavailable,\n", "    unavailable,\n    later,\n", "host.log"),
        ("clock: func() -> result<u64, failure>;", "", "host.clock"),
        ("import lookup;", "", "import lookup"),
        ("flush: func()", "more: func();\n  flush: func()", "stage.more"),
        ("    boolean,\n    /// `values` has the numbers", "    /// `values` has the numbers", "columns.kind"),
        ("wasmill:plugin@0.1.0", "wasmill:plugin@0.2.0", "package"),
    ] {
        let changed = TODAY.replacen(from, to, 1);
        assert_ne!(changed, TODAY, "`{from}` is not in the contract any more");
        let broken = broken(&changed);
        assert!(broken.iter().any(|line| line.contains(found)), "`{to}`: {broken:?}");
    }
    for (from, to) in [
        ("    attributes,\n  }", "    attributes,\n    later,\n  }"),
        ("clock: func()", "later: func(key: string);\n  clock: func()"),
        ("interface stage {", "interface later { ask: func(); }\n\ninterface stage {"),
        ("import state;", "import state;\n  import later: interface { ask: func(); }"),
    ] {
        let changed = TODAY.replacen(from, to, 1);
        assert_ne!(changed, TODAY, "`{from}` is not in the contract any more");
        assert_eq!(broken(&changed), Vec::<String>::new(), "`{to}`");
    }
}

/// What plugins of the first version would miss, or find otherwise, in this contract.
fn broken(contract: &str) -> Vec<String> {
    let (first, today) = (Surface::of(wasmill_fixtures::FROZEN_CONTRACT), Surface::of(contract));
    let mut lines = Vec::new();
    if first.package != today.package {
        lines.push(format!("package `{}` is now `{}`", first.package, today.package));
    }
    for (name, declared) in &first.functions {
        match today.functions.get(name) {
            None => lines.push(format!("`{name}` is gone")),
            Some(found) if found != declared => lines.push(format!("`{name}` was {declared}, and is {found}")),
            Some(_) => {}
        }
    }
    for (name, declared) in &first.types {
        match today.types.get(name) {
            None => lines.push(format!("`{name}` is gone")),
            // An enum that no function names: cases come behind those that there are.
            Some(found) if first.numbers.contains(name) && found.starts_with(declared.trim_end_matches('}')) => {}
            Some(found) if found != declared => lines.push(format!("`{name}` was {declared}, and is {found}")),
            Some(_) => {}
        }
    }
    lines.extend(first.imports.difference(&today.imports).map(|name| format!("`import {name}` is gone")));
    // The host asks a plugin for each function of what it exports: one more is one that older plugins do not have.
    let exported = |surface: &Surface| -> BTreeSet<String> {
        let of_exports = |name: &&String| surface.exports.iter().any(|export| name.starts_with(&format!("{export}.")));
        surface.functions.keys().filter(of_exports).chain(&surface.exports).cloned().collect()
    };
    lines.extend(exported(&today).difference(&exported(&first)).map(|name| format!("`{name}` is demanded of plugins")));
    lines
}

/// What a contract declares, each type written out to its end, so that texts are equal where types are.
#[derive(Default)]
struct Surface {
    package: String,
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    /// By interface and name: `host.log`.
    functions: BTreeMap<String, String>,
    types: BTreeMap<String, String>,
    /// Types that no function names: what crosses of them is a number.
    numbers: BTreeSet<String>,
}

impl Surface {
    fn of(contract: &str) -> Surface {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("plugin.wit", contract).expect("a contract");
        let world = resolve.select_world(&[package], Some("plugin")).expect("a world");
        let package = &resolve.packages[package];
        let mut surface = Surface { package: package.name.to_string(), ..Surface::default() };
        let world = &resolve.worlds[world];
        for (items, names) in [(&world.imports, &mut surface.imports), (&world.exports, &mut surface.exports)] {
            let interface = |item: &WorldItem| match item {
                WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone(),
                _ => None,
            };
            names.extend(items.values().filter_map(interface));
        }
        let mut named = BTreeSet::new();
        for (interface, &id) in &package.interfaces {
            for (name, function) in &resolve.interfaces[id].functions {
                let shown = signature(&resolve, function, &mut named);
                surface.functions.insert(format!("{interface}.{name}"), shown);
            }
        }
        for (interface, &id) in &package.interfaces {
            for (name, &id) in &resolve.interfaces[id].types {
                let name = format!("{interface}.{name}");
                if !named.contains(&id) && matches!(resolve.types[id].kind, TypeDefKind::Enum(_)) {
                    surface.numbers.insert(name.clone());
                }
                surface.types.insert(name, shown(&resolve, &Type::Id(id), &mut BTreeSet::new()));
            }
        }
        surface
    }
}

fn signature(resolve: &Resolve, function: &Function, named: &mut BTreeSet<TypeId>) -> String {
    let mut text = String::from("func(");
    for param in &function.params {
        let _ = write!(text, "{}: {}, ", param.name, shown(resolve, &param.ty, named));
    }
    let result = function.result.as_ref().map(|result| shown(resolve, result, named));
    text + ") -> " + result.as_deref().unwrap_or("nothing")
}

/// The type, written out. Types that it names on the way are added to `named`.
fn shown(resolve: &Resolve, of: &Type, named: &mut BTreeSet<TypeId>) -> String {
    let Type::Id(id) = of else { return format!("{of:?}") };
    named.insert(*id);
    let mut inner = |of: &Type| shown(resolve, of, named);
    let optional = |of: Option<String>| of.unwrap_or_else(|| "_".to_owned());
    match &resolve.types[*id].kind {
        TypeDefKind::Type(of) => inner(of),
        TypeDefKind::List(of) => format!("list<{}>", inner(of)),
        TypeDefKind::Option(of) => format!("option<{}>", inner(of)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Result(result) => {
            let ok = optional(result.ok.as_ref().map(&mut inner));
            format!("result<{ok}, {}>", optional(result.err.as_ref().map(&mut inner)))
        }
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, inner(&field.ty)));
            format!("record {{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| {
                let payload = optional(case.ty.as_ref().map(&mut inner));
                format!("{}({payload})", case.name)
            });
            format!("variant {{{}}}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Enum(of) => {
            let cases: Vec<&str> = of.cases.iter().map(|case| case.name.as_str()).collect();
            format!("enum {{{}}}", cases.join(", "))
        }
        TypeDefKind::Flags(flags) => {
            let names: Vec<&str> = flags.flags.iter().map(|flag| flag.name.as_str()).collect();
            format!("flags {{{}}}", names.join(", "))
        }
        other => panic!("the contract has none of these: {other:?}"),
    }
}
