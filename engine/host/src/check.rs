//! What a file is, as far as its outside tells: before anything is compiled, and in words for whoever built it.
//!
//! Only sections are looked at here. Whether function bodies are valid and types fit is the compiler's and the linker's to
//! say; both refuse.

use wasmparser::{Encoding, Parser, Payload};
use wit_component::metadata;

use crate::cache;
use crate::load::{CONTRACT_VERSION, LoadError};
use crate::preview1;
use crate::wasi;

/// The contract's package; what follows is an interface's name.
const PACKAGE: &str = "wasmill:plugin/";
/// The interface that a plugin exports.
pub(crate) const STAGE: &str = "wasmill:plugin/stage@0.1.0";
const STAGE_FUNCTIONS: [&str; 6] = ["init", "process", "tick", "flush", "snapshot", "restore"];
const IMPORTS: [&str; 5] = [
    "wasmill:plugin/columns@0.1.0",
    "wasmill:plugin/types@0.1.0",
    "wasmill:plugin/host@0.1.0",
    "wasmill:plugin/lookup@0.1.0",
    "wasmill:plugin/state@0.1.0",
];
/// For messages.
const ALLOWED: &str = "`wasmill:plugin/host`, `lookup` and `state` of version 0.1.0, and WASI without files and sockets \
     behind it: 0.2, and `wasi_snapshot_preview1` in a core module";

/// Modules that a file imports from, and instances: a plugin has some twenty.
const IMPORTS_MAX: usize = 1_000;
/// What engines allow a module.
const EXPORTS_MAX: usize = 1_000_000;

/// Characters of an unknown file that a message shows.
const SHOWN_BYTES: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Component,
    CoreModule,
}

/// The outside of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    pub form: Option<Form>,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    has_component_type: bool,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::Component => "component",
            Form::CoreModule => "core module",
        }
    }
}

/// Reads the outside of a file; what was found before it turned out wrong is in the outline.
pub(crate) fn outline(bytes: &[u8], bytes_max: usize, outline: &mut Outline) -> Result<(), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > bytes_max {
        return Err(LoadError::TooLarge { bytes: bytes.len(), max: bytes_max });
    }
    const MAGIC: &[u8] = b"\0asm";
    if !bytes.starts_with(MAGIC) {
        if MAGIC.starts_with(bytes) {
            return Err(LoadError::Truncated { offset: bytes.len() });
        }
        let found = bytes.get(..SHOWN_BYTES).unwrap_or(bytes).escape_ascii().to_string();
        return Err(LoadError::NotWasm { found: format!("`{found}`") });
    }
    sections(bytes, outline).map_err(|error| match error {
        Unread::Invalid(error) => {
            let reason = error.message().to_owned();
            // The parser asks for more when the file ends within a section.
            if reason.contains("unexpected end") {
                LoadError::Truncated { offset: bytes.len() }
            } else {
                LoadError::Invalid { reason, offset: error.offset() }
            }
        }
        Unread::TooMany { what, max } => LoadError::TooMany { what, max },
    })
}

/// Why sections were not read to their end.
enum Unread {
    Invalid(wasmparser::BinaryReaderError),
    TooMany { what: &'static str, max: usize },
}

impl From<wasmparser::BinaryReaderError> for Unread {
    fn from(error: wasmparser::BinaryReaderError) -> Unread {
        Unread::Invalid(error)
    }
}

/// Keeps a name, unless there are too many.
fn push(names: &mut Vec<String>, name: &str, what: &'static str, max: usize) -> Result<(), Unread> {
    if names.len() >= max {
        return Err(Unread::TooMany { what, max });
    }
    names.push(name.to_owned());
    Ok(())
}

fn sections(bytes: &[u8], outline: &mut Outline) -> Result<(), Unread> {
    let import = |names: &mut Vec<String>, name: &str| push(names, name, "imports", IMPORTS_MAX);
    let export = |names: &mut Vec<String>, name: &str| push(names, name, "exports", EXPORTS_MAX);
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 {
                    let component = encoding == Encoding::Component;
                    outline.form = Some(if component { Form::Component } else { Form::CoreModule });
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 1 => {}
            Payload::ComponentImportSection(section) => {
                for found in section {
                    import(&mut outline.imports, found?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for found in section {
                    export(&mut outline.exports, found?.name.name)?;
                }
            }
            Payload::ImportSection(section) => {
                for found in section.into_imports() {
                    let module = found?.module;
                    if !outline.imports.iter().any(|seen| seen == module) {
                        import(&mut outline.imports, module)?;
                    }
                }
            }
            Payload::ExportSection(section) => {
                for found in section {
                    export(&mut outline.exports, found?.name)?;
                }
            }
            Payload::CustomSection(section) => {
                outline.has_component_type |= section.name().starts_with("component-type");
            }
            _ => {}
        }
    }
    Ok(())
}

impl Outline {
    /// The version of the contract that the file was built for, where one shows.
    pub fn contract_version(&self) -> Option<&str> {
        let names = self.exports.iter().chain(&self.imports);
        names.filter_map(|name| name.strip_prefix(PACKAGE)).find_map(|rest| {
            let (_, version) = rest.split_once('@')?;
            // A core module's exports are functions: `…@0.1.0#process`.
            Some(version.split_once('#').map_or(version, |(version, _)| version))
        })
    }

    /// Whether this host can take it, as far as names tell.
    pub fn check(&self) -> Result<(), LoadError> {
        if self.form == Some(Form::CoreModule) && !self.has_component_type {
            return Err(LoadError::NoComponentType);
        }
        if let Some(found) = self.contract_version().filter(|&found| found != CONTRACT_VERSION) {
            return Err(LoadError::ContractVersion { found: found.to_owned(), expected: CONTRACT_VERSION });
        }
        if let Some(import) = self.imports.iter().find(|import| !self.may_import(import)) {
            return Err(LoadError::ForbiddenImport { import: import.clone(), allowed: ALLOWED });
        }
        if let Some(export) = self.missing_export() {
            return Err(LoadError::MissingExport { export });
        }
        Ok(())
    }

    fn may_import(&self, import: &str) -> bool {
        let core = self.form == Some(Form::CoreModule);
        let system = if core { preview1::MODULE } else { preview1::PROCESS };
        IMPORTS.contains(&import) || wasi::may_import(import) || import == system
    }

    fn missing_export(&self) -> Option<String> {
        match self.form {
            Some(Form::Component) => (!self.exports.iter().any(|export| export == STAGE)).then(|| STAGE.to_owned()),
            // The encoder knows other spellings of these names too, and says itself what it misses in them.
            Some(Form::CoreModule) if self.exports.iter().any(|export| export.starts_with("cm32p2|")) => None,
            _ => STAGE_FUNCTIONS
                .iter()
                .map(|function| format!("{STAGE}#{function}"))
                .find(|function| !self.exports.contains(function)),
        }
    }
}

/// The contract, for modules that come without it.
const CONTRACT: &str = include_str!("../../../wit/plugin.wit");
const WORLD: &str = "plugin";

/// What a compiler made, as a component: a core module without a component type is taken to be of this contract.
pub(crate) fn component(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, LoadError> {
    let mut outline = Outline::default();
    self::outline(bytes, bytes_max, &mut outline)?;
    let form = outline.form.unwrap_or(Form::Component);
    // Of the module, so that the same one gives the same file, byte by byte. Who has the file knows it; a module that is loaded as it is
    // gets one that nobody knows.
    let seed = cache::hash(bytes).get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    if form == Form::Component || outline.has_component_type {
        outline.check()?;
        return componentize(bytes, form, seed);
    }
    outline.has_component_type = true;
    outline.check()?;
    let mut module = bytes.to_vec();
    embed(&mut module).map_err(|reason| LoadError::Encode { reason })?;
    componentize(&module, form, seed)
}

fn embed(module: &mut Vec<u8>) -> Result<(), String> {
    let mut resolve = wit_parser::Resolve::default();
    let world = resolve
        .push_source("plugin.wit", CONTRACT)
        .and_then(|package| resolve.select_world(&[package], Some(WORLD)))
        .map_err(|error| format!("{error:#}"))?;
    wit_component::embed_component_metadata(module, &resolve, world, wit_component::StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))
}

/// The component in a file: itself, or what its core module and component type make.
pub(crate) fn componentize(bytes: &[u8], form: Form, seed: u64) -> Result<Vec<u8>, LoadError> {
    if form == Form::Component {
        return Ok(bytes.to_vec());
    }
    // Whatever an encoder of another time wrote into the section has to be readable before it is relied on.
    metadata::decode(bytes).map_err(|error| LoadError::Encode { reason: format!("{error:#}") })?;
    // The encoder leaves out what the module does not import of it.
    let adapter = preview1::adapter(seed)?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|encoder| encoder.adapter(preview1::MODULE, &adapter))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| LoadError::Encode { reason: format!("{error:#}") })
}
