//! What a plugin said at `init` that it wants, checked.

use std::fmt;
use std::time::Duration;

use wasmill_columns::Kind;
use wasmill_wire::{ColumnRequest, ColumnType, Field, Key, Path, PathError, Signal, TextForm};

use crate::GroupBy;
use crate::bindings::wasmill::plugin::types;
use crate::tables::GuestTables;

/// A checked answer to `init`. All instances of a stage answer alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requirements {
    /// One for each signal that the plugin takes.
    pub inputs: Vec<Input>,
    /// See [`crate::Stage::route_sets`].
    pub route_sets: Vec<Vec<String>>,
    pub uses: Uses,
    pub scope: Scope,
    /// How often its instances are called without rows; `None`: never.
    pub tick: Option<Duration>,
    /// Lookup tables that it may ask.
    pub tables: Vec<String>,
}

/// Who shares what an instance holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// Nobody relies on it.
    #[default]
    Stateless,
    /// An instance for each shard of this path's values; the path in its shortest form.
    Keyed(String),
    /// One instance for the stage.
    Single,
}

impl Scope {
    pub fn is_stateful(&self) -> bool {
        *self != Scope::Stateless
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Stateless => f.write_str("stateless"),
            Scope::Keyed(path) => write!(f, "keyed by `{path}`"),
            Scope::Single => f.write_str("single"),
        }
    }
}

/// The columns of one signal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    pub signal: Signal,
    /// What is projected from the batch, in the order asked.
    pub columns: Vec<ColumnRequest>,
    /// What crosses, in the order asked: each of `columns`, and between them what the request's context has.
    pub(crate) sources: Vec<Source>,
    /// Of scope `keyed`: what a row's shard is told by.
    pub(crate) shard_key: Option<ShardKey>,
}

/// Where the value is that a row's shard is told by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ShardKey {
    /// A number in [`Input::columns`]; behind those that cross where the plugin does not ask for it.
    Column(usize),
    /// A header of the request, the same for all rows.
    Metadata(String),
}

/// Where a column that crosses comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The next of the projected columns.
    Projected,
    /// A header of the request, the same for all rows.
    Metadata { name: String, form: TextForm },
    /// Why a group was decided, for each group.
    GroupReason { form: TextForm },
    /// How long a group was waited for, milliseconds, for each group.
    GroupWaitedMs,
}

/// The facts about groups that there are, for messages.
const GROUP_FACTS: &str = "`group.reason` as text and `group.waited_ms` as uint32";

impl Source {
    fn group_path(&self) -> Option<&'static str> {
        match self {
            Source::GroupReason { .. } => Some("group.reason"),
            Source::GroupWaitedMs => Some("group.waited_ms"),
            Source::Projected | Source::Metadata { .. } => None,
        }
    }
}

/// Which parts of a verdict a plugin announced; returning another one is a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uses {
    pub keep: bool,
    pub routes: bool,
    pub edits: bool,
    /// It decides about groups of rows.
    pub groups: bool,
    /// New records, of a verdict as of `tick` and `flush`.
    pub emit: bool,
    /// Not of a verdict: its instances are asked for what they hold before they go.
    pub flush: bool,
    /// Not of a verdict: what its instances hold is given to their successors.
    pub snapshot: bool,
    /// Not of a verdict: it calls the interface `state`.
    pub state: bool,
}

/// What a plugin wants and cannot have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequirementsError {
    #[error("the plugin wants `{what}`, which is not served yet")]
    NotServed { what: String },
    #[error("the plugin uses `{name}`, which this contract does not know; known are {known}")]
    UnknownUse { name: String, known: &'static str },
    #[error("the plugin takes no signal")]
    NoInputs,
    #[error("the plugin names {signal} twice among its inputs")]
    SignalTwice { signal: Signal },
    #[error("the plugin wants a column of {signal} that cannot be: {source}")]
    Path { signal: Signal, source: PathError },
    #[error("the plugin wants `{path}` of {signal} as {wanted}; it can be had as {expected}")]
    ColumnType { signal: Signal, path: String, wanted: String, expected: String },
    #[error("the plugin's state is keyed by a path that {signal} cannot have: {source}")]
    StatePath { signal: Signal, source: PathError },
    #[error("the plugin's state is keyed by `{path}`, which is {found}; expected a path with one value for each row")]
    StateKey { path: String, found: String },
    #[error(
        "the plugin uses `snapshot`, and has nothing to give: its state is of no instance (`stateless`); expected `keyed` or `single`"
    )]
    SnapshotOfNothing,
    #[error("the plugin may route to `{name}`, which is not configured; configured are {known}")]
    UnknownRoute { name: String, known: String },
    #[error(
        "the plugin asks the lookup table `{name}`, which is not configured under `tables`; configured are {known}"
    )]
    UnknownTable { name: String, known: String },
    #[error("the plugin has {count} {what}; at most {max} are allowed")]
    TooMany { what: &'static str, count: usize, max: usize },
    #[error("the plugin decides about groups of rows; expected `group_by` in its stage, such as `group_by: trace_id`")]
    NoGroupBy,
    #[error(
        "`group_by` is configured, and the plugin does not decide about groups (`groups` is not among what it uses: {uses})"
    )]
    NoGroups { uses: String },
    #[error("the plugin takes {signals}, whose rows cannot be grouped by `{path}`")]
    GroupPath { signals: String, path: String },
    #[error(
        "the plugin decides about groups, and keys its state by `{path}`, of which a group may have several values; expected scope \
         `single` or `stateless`"
    )]
    KeyedGroups { path: String },
    #[error("the plugin asks for `{path}`, and does not decide about groups (`groups` is not among what it uses)")]
    GroupFact { path: &'static str },
    #[error("the plugin wants to be called every {tick_ms} ms; at most once in {TICK_MS_MIN} ms is possible")]
    TickTooOften { tick_ms: u32 },
    #[error("the plugin answered `init` differently in another instance")]
    Differs,
}

/// Columns of one signal: every field of a signal and some hundred attributes.
const COLUMNS_MAX: usize = 512;
/// The contract's: 65,535 stands for no route.
const ROUTE_SETS_MAX: usize = 65_535;
/// Names in one route set: a pipeline has few exporters.
const ROUTE_NAMES_MAX: usize = 256;
/// Entries of `uses`: the contract knows eight.
const USES_MAX: usize = 64;

/// The shortest interval of ticks. With a deadline of 250 ms and a call for each instance, shorter ones would be all that it does.
const TICK_MS_MIN: u32 = 10;

/// For messages.
const KNOWN_USES: &str = "`keep`, `routes`, `edits`, `emit`, `groups`, `flush`, `snapshot` and `state`";

impl Requirements {
    /// Checks an answer; `routes` are the names that route sets may use, `None`: any. `tables` are those that are configured.
    pub(crate) fn check(
        raw: &types::Requirements,
        routes: Option<&[String]>,
        tables: &GuestTables,
    ) -> Result<Requirements, RequirementsError> {
        if (1..TICK_MS_MIN).contains(&raw.tick_ms) {
            return Err(RequirementsError::TickTooOften { tick_ms: raw.tick_ms });
        }
        let tick = (raw.tick_ms != 0).then(|| Duration::from_millis(raw.tick_ms.into()));
        let uses = Uses::check(&raw.uses)?;
        let route_sets = check_routes(&raw.route_sets, routes)?;
        let mut inputs: Vec<Input> = Vec::new();
        for input in &raw.inputs {
            let input = Input::check(input)?;
            if inputs.iter().any(|earlier| earlier.signal == input.signal) {
                return Err(RequirementsError::SignalTwice { signal: input.signal });
            }
            inputs.push(input);
        }
        if inputs.is_empty() {
            return Err(RequirementsError::NoInputs);
        }
        if !uses.groups
            && let Some(path) = inputs.iter().flat_map(|input| &input.sources).find_map(Source::group_path)
        {
            return Err(RequirementsError::GroupFact { path });
        }
        let tables = tables.check(&raw.tables)?;
        let scope = Scope::check(&raw.state, &mut inputs)?;
        if uses.snapshot && !scope.is_stateful() {
            return Err(RequirementsError::SnapshotOfNothing);
        }
        // A group may have rows of several shards.
        if let (true, Scope::Keyed(path)) = (uses.groups, &scope) {
            return Err(RequirementsError::KeyedGroups { path: path.clone() });
        }
        Ok(Requirements { inputs, route_sets, uses, scope, tick, tables })
    }

    /// Whether a stage that groups rows so, or not at all, is one for this plugin.
    pub(crate) fn check_groups(&self, by: Option<&GroupBy>) -> Result<(), RequirementsError> {
        match by {
            None if self.uses.groups => Err(RequirementsError::NoGroupBy),
            Some(_) if !self.uses.groups => Err(RequirementsError::NoGroups { uses: self.uses.names().join(", ") }),
            Some(by) if self.inputs.iter().all(|input| by.column(input.signal).is_none()) => {
                let signals: Vec<&str> = self.inputs.iter().map(|input| input.signal.name()).collect();
                Err(RequirementsError::GroupPath { signals: signals.join(" and "), path: by.path().to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn input(&self, signal: Signal) -> Option<&Input> {
        self.inputs.iter().find(|input| input.signal == signal)
    }
}

impl Scope {
    /// Adds to each input what its rows' shards are told by.
    fn check(raw: &types::StateScope, inputs: &mut [Input]) -> Result<Scope, RequirementsError> {
        let text = match raw {
            types::StateScope::Stateless => return Ok(Scope::Stateless),
            types::StateScope::Single => return Ok(Scope::Single),
            types::StateScope::Keyed(path) => path,
        };
        let mut shown = String::new();
        for input in inputs {
            let signal = input.signal;
            let path = Path::parse(signal, text).map_err(|source| RequirementsError::StatePath { signal, source })?;
            if shown.is_empty() {
                shown = path.to_string();
            }
            let column = path.column_type();
            if let ColumnType::Attributes(_) | ColumnType::Sequence(_) = column {
                return Err(RequirementsError::StateKey { path: shown, found: type_name(&column) });
            }
            input.shard_key = Some(match (path.field, path.keys.as_slice()) {
                (Field::RequestMetadata, [Key::Name(name)]) => ShardKey::Metadata(name.to_ascii_lowercase()),
                _ => ShardKey::Column(input.place_of(ColumnRequest { path, column })),
            });
        }
        Ok(Scope::Keyed(shown))
    }
}

impl Uses {
    fn check(names: &[String]) -> Result<Uses, RequirementsError> {
        at_most("uses", names.len(), USES_MAX)?;
        let mut uses = Uses::default();
        for name in names {
            match name.as_str() {
                "keep" => uses.keep = true,
                "routes" => uses.routes = true,
                "edits" => uses.edits = true,
                "emit" => uses.emit = true,
                "flush" => uses.flush = true,
                "groups" => uses.groups = true,
                "snapshot" => uses.snapshot = true,
                "state" => uses.state = true,
                _ => return Err(RequirementsError::UnknownUse { name: name.clone(), known: KNOWN_USES }),
            }
        }
        Ok(uses)
    }

    /// The names in the contract.
    pub(crate) fn names(self) -> Vec<String> {
        let named = [
            (self.keep, "keep"),
            (self.routes, "routes"),
            (self.edits, "edits"),
            (self.groups, "groups"),
            (self.emit, "emit"),
            (self.flush, "flush"),
            (self.snapshot, "snapshot"),
            (self.state, "state"),
        ];
        named.into_iter().filter(|(used, _)| *used).map(|(_, name)| name.to_owned()).collect()
    }
}

impl Input {
    fn check(raw: &types::Input) -> Result<Input, RequirementsError> {
        let signal = match raw.signal {
            types::Signal::Traces => Signal::Traces,
            types::Signal::Metrics => Signal::Metrics,
            types::Signal::Logs => Signal::Logs,
            types::Signal::Profiles => return Err(RequirementsError::NotServed { what: "profiles".to_owned() }),
        };
        at_most("columns", raw.columns.len(), COLUMNS_MAX)?;
        let mut input = Input { signal, columns: Vec::new(), sources: Vec::new(), shard_key: None };
        for request in &raw.columns {
            if let Some(fact) = request.path.strip_prefix("group.") {
                input.sources.push(group_fact(signal, fact, request)?);
                continue;
            }
            let path =
                Path::parse(signal, &request.path).map_err(|source| RequirementsError::Path { signal, source })?;
            let column = column_type(&path, request).ok_or_else(|| RequirementsError::ColumnType {
                signal,
                path: request.path.clone(),
                wanted: kind_name(request.kind),
                expected: type_name(&path.column_type()),
            })?;
            match (path.field, path.keys.as_slice(), &column) {
                (Field::RequestMetadata, [Key::Name(name)], ColumnType::Text(form)) => {
                    // Headers' names are kept in lower case.
                    input.sources.push(Source::Metadata { name: name.to_ascii_lowercase(), form: *form });
                }
                _ => {
                    input.sources.push(Source::Projected);
                    input.columns.push(ColumnRequest { path, column });
                }
            }
        }
        Ok(input)
    }
}

impl Input {
    /// Where a column of its natural type is among `columns`, in whichever form of text; it is added where it is not.
    fn place_of(&mut self, wanted: ColumnRequest) -> usize {
        let same_type = |column: &ColumnType| match (column, &wanted.column) {
            (ColumnType::Text(_), ColumnType::Text(_)) | (ColumnType::Any(_), ColumnType::Any(_)) => true,
            (asked, natural) => asked == natural,
        };
        let asked = self.columns.iter().position(|asked| asked.path == wanted.path && same_type(&asked.column));
        asked.unwrap_or_else(|| {
            self.columns.push(wanted);
            self.columns.len() - 1
        })
    }

    /// Path and type of each column that crosses, in order.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (String, ColumnType)> + '_ {
        let mut projected = self.columns.iter();
        self.sources.iter().filter_map(move |source| match source {
            Source::Projected => projected.next().map(|request| (request.path.to_string(), request.column.clone())),
            Source::Metadata { name, form } => Some((format!("request.metadata[\"{name}\"]"), ColumnType::Text(*form))),
            Source::GroupReason { form } => Some(("group.reason".to_owned(), ColumnType::Text(*form))),
            Source::GroupWaitedMs => Some(("group.waited_ms".to_owned(), ColumnType::UInt32)),
        })
    }
}

/// A fact about groups, where there is such a one.
fn group_fact(signal: Signal, fact: &str, request: &types::Request) -> Result<Source, RequirementsError> {
    match (fact, Kind::from_number(request.kind.into())) {
        ("reason", Some(Kind::Text)) => Ok(Source::GroupReason { form: form(request) }),
        ("waited_ms", Some(Kind::UInt32)) => Ok(Source::GroupWaitedMs),
        _ => Err(RequirementsError::ColumnType {
            signal,
            path: request.path.clone(),
            wanted: kind_name(request.kind),
            expected: GROUP_FACTS.to_owned(),
        }),
    }
}

fn form(request: &types::Request) -> TextForm {
    match request.text {
        types::TextForm::Plain => TextForm::Plain,
        types::TextForm::Dictionary => TextForm::Dictionary,
        types::TextForm::Either => TextForm::Either,
    }
}

/// The type that a request asks for, where its path can be had so.
fn column_type(path: &Path, request: &types::Request) -> Option<ColumnType> {
    let form = form(request);
    let element = match Kind::from_number(request.kind.into())? {
        Kind::Boolean => ColumnType::Boolean,
        Kind::UInt8 => ColumnType::UInt8,
        Kind::UInt32 => ColumnType::UInt32,
        Kind::Int32 => ColumnType::Int32,
        Kind::UInt64 => ColumnType::UInt64,
        Kind::Int64 => ColumnType::Int64,
        Kind::Double => ColumnType::Double,
        Kind::Id8 => ColumnType::Id8,
        Kind::Id16 => ColumnType::Id16,
        Kind::Text => ColumnType::Text(form),
        Kind::Binary => ColumnType::Binary,
        Kind::Any => ColumnType::Any(form),
        Kind::Attributes => ColumnType::Attributes(form),
        // Forms of others, and parts of them.
        Kind::Dictionary | Kind::ListValue | Kind::MapValue | Kind::Sequence => return None,
    };
    let column = match path.column_type() {
        ColumnType::Sequence(_) => ColumnType::Sequence(Box::new(element)),
        _ => element,
    };
    path.accepts(&column).then_some(column)
}

fn check_routes(sets: &[Vec<String>], known: Option<&[String]>) -> Result<Vec<Vec<String>>, RequirementsError> {
    at_most("route sets", sets.len(), ROUTE_SETS_MAX)?;
    for set in sets {
        at_most("names in a route set", set.len(), ROUTE_NAMES_MAX)?;
        let Some(known) = known else { continue };
        if let Some(name) = set.iter().find(|name| !known.contains(name)) {
            let known = if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) };
            return Err(RequirementsError::UnknownRoute { name: name.clone(), known });
        }
    }
    Ok(sets.to_vec())
}

pub(crate) fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), RequirementsError> {
    if count > max { Err(RequirementsError::TooMany { what, count, max }) } else { Ok(()) }
}

fn kind_name(kind: u8) -> String {
    Kind::from_number(kind.into()).map_or_else(|| format!("kind {kind}"), |kind| kind.name().to_owned())
}

/// The contract's name of a column's type, with the form of text where one is asked for.
pub(crate) fn type_name(column: &ColumnType) -> String {
    let with_form = |kind: Kind, form: &TextForm| match form {
        TextForm::Plain => format!("{kind} (plain)"),
        TextForm::Dictionary => format!("{kind} (dictionary)"),
        TextForm::Either => kind.to_string(),
    };
    match column {
        ColumnType::Boolean => Kind::Boolean.to_string(),
        ColumnType::UInt8 => Kind::UInt8.to_string(),
        ColumnType::UInt32 => Kind::UInt32.to_string(),
        ColumnType::Int32 => Kind::Int32.to_string(),
        ColumnType::UInt64 => Kind::UInt64.to_string(),
        ColumnType::Int64 => Kind::Int64.to_string(),
        ColumnType::Double => Kind::Double.to_string(),
        ColumnType::Id8 => Kind::Id8.to_string(),
        ColumnType::Id16 => Kind::Id16.to_string(),
        ColumnType::Binary => Kind::Binary.to_string(),
        ColumnType::Text(form) => with_form(Kind::Text, form),
        ColumnType::Any(form) => with_form(Kind::Any, form),
        ColumnType::Attributes(form) => with_form(Kind::Attributes, form),
        ColumnType::Sequence(element) => format!("sequence of {}", type_name(element)),
    }
}
