//! The `wasm/NAME` processor: a plugin as a stage.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::FileProcessor;
use super::plugin_config::json;
use crate::id::ComponentId;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader, list};
use crate::running::{Endpoint, OnFault, PluginLimits, PluginSource};
use crate::schema::{Kind, Section, key, required};
use crate::secret::Secret;
use crate::values::{FromNode, Size, expected, text, words};

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "plugin",
            Kind::Text,
            "A `.wasm` file, or `builtin:NAME` for one that the binary carries. A relative path starts at the working \
             directory.",
        ),
        key("config", Kind::Any, "{}", "For the plugin, which checks it; handed over as JSON."),
        key("limits", Kind::Section(&LIMITS), "", "What the plugin may use."),
        key(
            "on_fault",
            Kind::Word(ON_FAULT),
            "reject",
            "What happens to rows whose call failed: the client is told to retry, they go on as they were, or they are dropped \
             and counted.",
        ),
        key(
            "routes",
            Kind::Routes,
            "{}",
            "For each route that the plugin names, the exporters and pipelines that its rows go to. A route that is not here is the \
             id of an exporter.",
        ),
    ],
};

static LIMITS: Section = Section {
    keys: &[
        key(
            "call_deadline",
            Kind::Duration,
            "250ms",
            "Processor time of one call of `process`, and a quarter of what it may take on the clock; 1ms to 1h.",
        ),
        key("init_deadline", Kind::Duration, "5s", "The same for instantiating and `init`."),
        key("memory", Kind::Size, "64MiB", "Memory of an instance; 64KiB to 1GiB."),
        key("rows_max", Kind::Integer, "8192", "Rows of a slice, which is what a call gets; 1 to 1048576."),
        key("column_bytes_max", Kind::Size, "8MiB", "Bytes of the columns of a slice; 64KiB to 256MiB."),
        key("verdict_bytes_max", Kind::Size, "16MiB", "Bytes that a call may return; 64KiB to 256MiB."),
        key("instances_max", Kind::Integer, "the number of CPUs", "Instances, and so calls at one time; 1 to 1024."),
    ],
};

words!(OnFault, ON_FAULT: "reject" => OnFault::Reject, "pass" => OnFault::Pass, "drop" => OnFault::Drop);

/// A stage before its references are resolved.
pub(crate) struct FileStage {
    pub plugin: Located<PluginSource>,
    /// JSON.
    pub config: Secret,
    pub limits: PluginLimits,
    pub on_fault: OnFault,
    pub routes: Vec<Route>,
    /// Whether its plugin is anybody's, which may route to any exporter by its id.
    pub may_route: bool,
}

pub(crate) struct Route {
    pub name: Arc<str>,
    pub to: Vec<Located<ComponentId>>,
}

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let plugin = reader.required("plugin", "a `.wasm` file or `builtin:NAME`");
    let config = read_config(reader);
    let limits = reader.section("limits", &LIMITS).map_or_else(PluginLimits::default, |limits| read_limits(&limits));
    let on_fault = reader.get_or("on_fault", OnFault::default());
    let routes = read_routes(reader);
    Some(FileProcessor::Stage(FileStage { plugin: plugin?, config, limits, on_fault, routes, may_route: true }))
}

impl FromNode for PluginSource {
    fn from_node(node: &Node) -> Result<PluginSource, Problem> {
        const EXPECTED: &str = "a `.wasm` file or `builtin:NAME`";
        let source = text(node, EXPECTED)?;
        match source.split_once(':') {
            Some(("builtin", name)) if is_plugin_name(name) => Ok(PluginSource::Builtin(name.into())),
            Some(("builtin", _)) => Err(expected("a name after `builtin:`, such as `builtin:filter`", node)),
            Some(("oci", _)) => Err(Problem::NotServedYet {
                what: "a plugin from a registry (`oci://`)".to_owned(),
                instead: "download it, and give the file's path".to_owned(),
            }),
            Some(("file", path)) => path_of(path.strip_prefix("//").unwrap_or(path), node),
            _ if source.contains("://") => Err(expected(EXPECTED, node)),
            _ => path_of(&source, node),
        }
    }
}

fn path_of(path: &str, node: &Node) -> Result<PluginSource, Problem> {
    if path.trim().is_empty() || path.contains('\0') {
        return Err(expected("the path of a `.wasm` file", node));
    }
    Ok(PluginSource::File(PathBuf::from(path)))
}

fn is_plugin_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn read_limits(reader: &Reader) -> PluginLimits {
    let default = PluginLimits::default();
    let deadline = |key: &str, default: Duration| {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(60 * 60));
        let valid = |value: &Duration| (least..=most).contains(value);
        reader.checked(key, "a duration, `1ms` to `1h`", valid).unwrap_or(default)
    };
    let size = |key: &str, most: u64, what: &str, default: usize| {
        let size = reader.checked(key, what, |size: &Size| ((64 << 10)..=most).contains(&size.0));
        size.and_then(|size| usize::try_from(size.0).ok()).unwrap_or(default)
    };
    let count = |key: &str, most: usize, default: NonZeroUsize| {
        let what = format!("a whole number, 1 to {most}");
        reader.checked(key, &what, |count: &NonZeroUsize| count.get() <= most).unwrap_or(default)
    };
    const BUFFER: &str = "a size, `64KiB` to `256MiB`";
    PluginLimits {
        call_deadline: deadline("call_deadline", default.call_deadline),
        init_deadline: deadline("init_deadline", default.init_deadline),
        memory_bytes_max: size("memory", 1 << 30, "a size, `64KiB` to `1GiB`", default.memory_bytes_max),
        slice_rows_max: count("rows_max", 1 << 20, default.slice_rows_max),
        column_bytes_max: size("column_bytes_max", 256 << 20, BUFFER, default.column_bytes_max),
        verdict_bytes_max: size("verdict_bytes_max", 256 << 20, BUFFER, default.verdict_bytes_max),
        instances_max: count("instances_max", 1_024, default.instances_max),
    }
}

fn read_routes(reader: &Reader) -> Vec<Route> {
    let mut routes = Vec::new();
    for (entry, place) in reader.named("routes") {
        let to = list::<ComponentId>(&entry.node, &place, reader.report);
        if matches!(&entry.node.value, Value::List(items) if items.is_empty()) {
            let problem = Problem::Invalid(format!(
                "the route `{}` leads nowhere: expected a list of exporters and pipelines",
                entry.key
            ));
            reader.report.error(&place, problem);
        }
        routes.push(Route { name: entry.key.as_str().into(), to });
    }
    routes
}

fn read_config(reader: &Reader) -> Secret {
    match reader.node("config") {
        Some(node) => Secret::new(json(node, &reader.place("config"), reader.report).to_string()),
        None => Secret::new("{}"),
    }
}
