//! The `wasm/NAME` processor: a plugin as a stage.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::plugin_config::json;
use super::tables::{self, FileTable};
use super::{FileProcessor, grouping};
use crate::id::ComponentId;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader, list};
use crate::running::{
    Breaker, Endpoint, Grouping, OnFault, OnLostState, PluginLimits, PluginSource, PluginState, Swap, WasmStage,
};
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
            "What happens to rows whose call failed: the client is told to retry, they go on as they were, they are dropped and \
             counted, or they leave the pipeline for where `divert_to` says. See [faults](faults.md).",
        ),
        key(
            "divert_to",
            Kind::Ids,
            "[]",
            "Exporters and pipelines for such rows; with `on_fault: divert`, and only then.",
        ),
        key(
            "group_by",
            Kind::Text,
            "",
            "A path, such as `trace_id`: rows with the same value wait for each other and are decided together, by a plugin that decides \
             about groups. Clients are answered when their rows wait. See [groups](groups.md).",
        ),
        key(
            "groups",
            Kind::Section(&grouping::SECTION),
            "",
            "How long they wait, and how much of them; with `group_by`.",
        ),
        key(
            "content_faults_max",
            Kind::Integer,
            "5",
            "With `on_fault: reject`: so many faults on the same request, and its client is told not to send it again. `0`: it is \
             told to retry each time.",
        ),
        key("breaker", Kind::Section(&BREAKER), "", "When a plugin that fails is not called for a while."),
        key("state", Kind::Section(&STATE), "", "What the gateway keeps for the plugin. See [plugins](plugins.md)."),
        key(
            "swap",
            Kind::Section(&SWAP),
            "",
            "How another plugin is put into the stage, when its file changes or by hand. See [operating](operate.md).",
        ),
        key(
            "routes",
            Kind::Routes,
            "{}",
            "For each route that the plugin names, the exporters and pipelines that its rows go to. A route that is not here is the \
             id of an exporter.",
        ),
        key(
            "emit_to",
            Kind::Ids,
            "[]",
            "Exporters and pipelines for new records that the plugin makes and sends to no route: a pipeline takes those of its signal, an \
             exporter those of every signal that it can. A pipeline may have this as its only input. See [plugins](plugins.md).",
        ),
        key(
            "tables",
            Kind::NamedSections(&tables::SECTION),
            "{}",
            "Files that the plugin looks things up in, by the names that it asks by. See [lookup tables](plugins.md#lookup-tables).",
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

static STATE: Section = Section {
    keys: &[
        key(
            "bytes_max",
            Kind::Size,
            "64MiB",
            "Of what it puts into `state`, with 144 bytes for each key besides; above it what was used longest ago is forgotten. 64KiB to \
             16GiB.",
        ),
        key("keys_max", Kind::Integer, "1000000", "The same in keys; 1 to 100000000."),
        key(
            "shards",
            Kind::Integer,
            "",
            "For a plugin whose state is keyed by a path: instances that the path's values are divided among; 1 to 256. Without it, \
             `limits::instances_max`.",
        ),
        key(
            "snapshot_interval",
            Kind::Duration,
            "",
            "How often an instance that holds state is asked for it, where the plugin uses `snapshot`, so that after a fault the next one goes \
             on from there; 100ms to 24h. Without it a fault loses what the instance held. See [plugins](plugins.md#state).",
        ),
    ],
};

static BREAKER: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: it is called however often it fails."),
        key("faults", Kind::Integer, "10", "So many failed calls open it; at least 1, at most `calls`."),
        key("calls", Kind::Integer, "20", "Of the last so many; 1 to 1024. Rows that the plugin refuses do not count."),
        key(
            "pause",
            Kind::Duration,
            "1s",
            "How long `on_fault` decides without a call; then single calls try, and the next pause is twice as long. 1ms to 1h.",
        ),
        key("pause_max", Kind::Duration, "1m", "The longest pause, at least the first; up to 1h."),
    ],
};

static SWAP: Section = Section {
    keys: &[
        key(
            "shadow",
            Kind::Duration,
            "0s",
            "How long a plugin that is to be put in first decides about copies of live batches, of which nothing comes. If a call fails, it \
             is refused; differences are counted. Up to 10m; `0`: it is put in at once.",
        ),
        key("shadow_batches", Kind::Integer, "10", "So many batches end the shadow run before its time; 1 to 1000000."),
        key(
            "probation",
            Kind::Duration,
            "30s",
            "How long a plugin is watched after it was put in: if it fails too often, the one before is put back. Up to 1h; `0`: it is \
             not watched.",
        ),
        key("faults_min", Kind::Integer, "3", "Too often is at least so many failed calls, at least 1,"),
        key(
            "fault_ratio_max",
            Kind::Number,
            "0.1",
            "and more than this part of them, 0 to 1, and more than of the one before.",
        ),
        key(
            "on_lost_state",
            Kind::Word(ON_LOST_STATE),
            "refuse",
            "When the plugin that serves does not give what it holds, though it says that it does, or the new one takes nothing over: the swap \
             is refused, or what is held is lost and counted. What is put back is put back in any case.",
        ),
    ],
};

words!(OnFault, ON_FAULT:
    "reject" => OnFault::Reject, "pass" => OnFault::Pass, "drop" => OnFault::Drop, "divert" => OnFault::Divert);

words!(OnLostState, ON_LOST_STATE: "refuse" => OnLostState::Refuse, "accept" => OnLostState::Accept);

/// Smaller ones keep nothing that is worth it; larger ones are a table, not a plugin's state.
const STATE_BYTES: RangeInclusive<u64> = 64 << 10..=16 << 30;
const STATE_KEYS_MAX: usize = 100_000_000;
/// As many instances as a process has room for.
const SHARDS_MAX: usize = 256;
/// A snapshot is a call of its own, which batches wait for.
const SNAPSHOT_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);

/// Other changes wait for it.
const SHADOW_MAX: Duration = Duration::from_secs(10 * 60);
const SHADOW_BATCHES_MAX: u32 = 1_000_000;
/// What fails only after an hour is for the breaker, and for people.
const PROBATION_MAX: Duration = Duration::from_secs(60 * 60);
/// More calls say nothing more about whether a plugin is well.
const BREAKER_CALLS_MAX: u32 = 1_024;
/// A plugin that is not called for longer is not configured.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// A stage before its references are resolved.
pub(crate) struct FileStage {
    pub plugin: Located<PluginSource>,
    /// JSON.
    pub config: Secret,
    pub limits: PluginLimits,
    pub on_fault: OnFault,
    pub divert_to: Vec<Located<ComponentId>>,
    pub breaker: Option<Breaker>,
    pub content_faults_max: Option<NonZeroU32>,
    pub state: PluginState,
    pub swap: Swap,
    pub group: Option<Grouping>,
    pub routes: Vec<Route>,
    pub emit_to: Vec<Located<ComponentId>>,
    pub tables: Vec<FileTable>,
    /// Whether its plugin is anybody's, which may route to any exporter by its id.
    pub may_route: bool,
}

pub(crate) struct Route {
    pub name: Arc<str>,
    pub to: Vec<Located<ComponentId>>,
}

impl FileStage {
    /// The same, and those for its new records.
    pub fn reaches(&self) -> impl Iterator<Item = &Located<ComponentId>> {
        self.leads_to().chain(&self.emit_to)
    }

    /// Exporters and pipelines that its rows may go to from here.
    pub fn leads_to(&self) -> impl Iterator<Item = &Located<ComponentId>> {
        self.ways().flatten()
    }

    /// The same, as the lists that they are written in.
    pub fn ways(&self) -> impl Iterator<Item = &Vec<Located<ComponentId>>> {
        self.routes.iter().map(|route| &route.to).chain([&self.divert_to])
    }
}

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let plugin = reader.required("plugin", "a `.wasm` file or `builtin:NAME`");
    let config = read_config(reader);
    let limits = reader.section("limits", &LIMITS).map_or_else(PluginLimits::default, |limits| read_limits(&limits));
    let on_fault = reader.get_or("on_fault", OnFault::default());
    let content_faults_max = match reader.get::<u32>("content_faults_max") {
        Some(faults) => NonZeroU32::new(faults),
        None => Some(WasmStage::CONTENT_FAULTS_MAX),
    };
    let group = grouping::read(reader, &limits);
    let stage = FileStage {
        config,
        limits,
        group,
        on_fault,
        divert_to: read_divert_to(reader, on_fault),
        breaker: read_breaker(reader),
        content_faults_max,
        state: reader.section("state", &STATE).map_or_else(PluginState::default, |state| read_state(&state)),
        swap: reader.section("swap", &SWAP).map_or_else(Swap::default, |swap| read_swap(&swap)),
        routes: read_routes(reader),
        emit_to: reader.list("emit_to"),
        tables: tables::read(reader),
        plugin: plugin?,
        may_route: true,
    };
    Some(FileProcessor::Stage(Box::new(stage)))
}

fn read_divert_to(reader: &Reader, on_fault: OnFault) -> Vec<Located<ComponentId>> {
    let to = reader.list::<ComponentId>("divert_to");
    match (on_fault, to.is_empty()) {
        (OnFault::Divert, true) => {
            let expected = "exporters or pipelines for the rows that `on_fault: divert` is about".to_owned();
            let place = if reader.has("divert_to") { reader.place("divert_to") } else { reader.place("on_fault") };
            reader.report.error(&place, Problem::MissingKey { key: "divert_to", expected });
        }
        (OnFault::Reject | OnFault::Pass | OnFault::Drop, false) => {
            let problem = "nothing comes here: expected `on_fault: divert` beside it".to_owned();
            reader.report.error(&reader.place("divert_to"), Problem::Invalid(problem));
        }
        _ => {}
    }
    to
}

fn read_swap(reader: &Reader) -> Swap {
    let default = Swap::default();
    let shadow = reader.checked("shadow", "a duration, `0s` to `10m`", |time: &Duration| *time <= SHADOW_MAX);
    let what = format!("a whole number, 1 to {SHADOW_BATCHES_MAX}");
    let batches = reader.checked("shadow_batches", &what, |count: &NonZeroU32| count.get() <= SHADOW_BATCHES_MAX);
    let probation = reader.checked("probation", "a duration, `0s` to `1h`", |time: &Duration| *time <= PROBATION_MAX);
    let ratio = reader.checked("fault_ratio_max", "a number, 0 to 1", |ratio: &f64| (0.0..=1.0).contains(ratio));
    Swap {
        shadow: shadow.unwrap_or(default.shadow),
        shadow_batches: batches.unwrap_or(default.shadow_batches),
        probation: probation.unwrap_or(default.probation),
        faults_min: reader.get_or("faults_min", default.faults_min),
        fault_ratio_max: ratio.unwrap_or(default.fault_ratio_max),
        on_lost_state: reader.get_or("on_lost_state", default.on_lost_state),
    }
}

fn read_state(reader: &Reader) -> PluginState {
    let default = PluginState::default();
    let bytes = reader.checked("bytes_max", "a size, `64KiB` to `16GiB`", |size: &Size| STATE_BYTES.contains(&size.0));
    let count = |key: &str, most: usize| {
        let what = format!("a whole number, 1 to {most}");
        reader.checked(key, &what, |count: &NonZeroUsize| count.get() <= most)
    };
    PluginState {
        bytes_max: bytes.and_then(|size| usize::try_from(size.0).ok()).unwrap_or(default.bytes_max),
        keys_max: count("keys_max", STATE_KEYS_MAX).unwrap_or(default.keys_max),
        shards: count("shards", SHARDS_MAX),
        snapshot_interval: reader.checked(
            "snapshot_interval",
            "a duration, `100ms` to `24h`",
            |interval: &Duration| SNAPSHOT_INTERVAL.contains(interval),
        ),
    }
}

fn read_breaker(reader: &Reader) -> Option<Breaker> {
    let default = Breaker::default();
    let Some(reader) = reader.section("breaker", &BREAKER) else { return Some(default) };
    let pause = |key: &str, default: Duration| {
        let valid = |pause: &Duration| (Duration::from_millis(1)..=PAUSE_MAX).contains(pause);
        reader.checked(key, "a duration, `1ms` to `1h`", valid).unwrap_or(default)
    };
    let what = format!("a whole number, 1 to {BREAKER_CALLS_MAX}");
    let calls = reader.checked("calls", &what, |calls: &NonZeroU32| calls.get() <= BREAKER_CALLS_MAX);
    let breaker = Breaker {
        faults: reader.get_or("faults", default.faults),
        calls: calls.unwrap_or(default.calls),
        pause: pause("pause", default.pause),
        pause_max: pause("pause_max", default.pause_max),
    };
    if breaker.faults > breaker.calls {
        let problem =
            format!("{} faults cannot be among {} calls: expected at most `calls`", breaker.faults, breaker.calls);
        reader.report.error(&reader.place("faults"), Problem::Invalid(problem));
    }
    if breaker.pause_max < breaker.pause {
        let problem = "the longest pause is shorter than the first".to_owned();
        reader.report.error(&reader.place("pause_max"), Problem::Invalid(problem));
    }
    reader.get_or("enabled", true).then_some(breaker)
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
