//! What the documents and examples show is what the gateway takes.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasmill_config::{
    ConfigErrors, Loaded, Problem, component_names, components_json, components_text, load_texts, reference,
};

const BEGIN: &str = "<!-- reference -->\n";
const END: &str = "<!-- /reference -->";

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Guarantee: `docs/configuration.md` documents exactly the keys that are read, with their defaults.
#[test]
fn the_reference_is_that_of_the_tables() {
    let path = root().join("docs/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark of the reference");
    let (_, after) = rest.split_once(END).expect("the mark of its end");
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", reference());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(page == expected, "run UPDATE_EXPECTED=1 cargo test -p wasmill-config --test documents");
}

/// Scenario: the YAML blocks of the documents, and the examples' configurations.
/// Guarantee: each is a configuration, or a part of one, without mistakes.
#[test]
fn every_configuration_shown_is_valid() {
    let configurations = shown();
    assert!(configurations.len() > 6, "only {} configurations were found", configurations.len());
    for (path, text) in &configurations {
        if let Err(errors) = load_shown(path, text) {
            let problems = errors.errors.iter().filter(|error| !matches!(error.problem, Problem::NoSuchFile { .. }));
            let problems: Vec<_> = problems.map(|error| error.render()).collect();
            assert!(problems.is_empty(), "{}:\n{}\nin:\n{text}", path.display(), problems.join("\n"));
        }
    }
}

/// Guarantee: every name that can be asked for has an answer, in both forms, and no other has.
#[test]
fn components_can_be_asked_for_by_section_and_type() {
    for name in component_names() {
        assert!(components_text(Some(name)).contains(name), "{name}");
        assert!(!components_json(Some(name))["components"].as_array().unwrap().is_empty(), "{name}");
    }
    assert_eq!(components_text(Some("nothing")), "");
    let kafka = components_json(Some("kafka"));
    assert_eq!(kafka["components"], json!([]));
    assert_eq!(kafka["not_served"][0]["section"], "receivers");
    let whole = components_text(None);
    for key in ["protocols::grpc::endpoint: address, default localhost:4317", "plugin: text, required", "pipelines"] {
        assert!(whole.contains(key), "{key}");
    }
    let wide: Vec<&str> = whole.lines().filter(|line| line.chars().count() > 140).collect();
    assert_eq!(wide, Vec::<&str>::new());
}

/// Guarantee: reading a configuration needs neither the engine nor the network.
#[test]
fn this_crate_depends_on_little() {
    let manifest = std::fs::read_to_string(root().join("engine/config/Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
    let names: Vec<_> =
        dependencies.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split('.').next()).collect();
    assert_eq!(names, ["base64", "saphyr-parser", "serde_json", "thiserror", "wasmill-wire"]);
}

/// Every configuration that is shown, whole or in part, with the page or file that shows it.
fn shown() -> Vec<(PathBuf, String)> {
    let mut shown = Vec::new();
    let mut pages = files(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    pages.extend(files(&root().join("plugins"), "md"));
    pages.extend(files(&root().join("examples"), "md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        shown.extend(blocks(&text).into_iter().map(|block| (page.clone(), block)));
    }
    for example in files(&root().join("examples"), "yaml") {
        // A Collector's own configuration, where an example has one beside.
        let is_peer = example.file_name().is_some_and(|name| name.to_string_lossy().starts_with("collector"));
        if !is_peer {
            shown.push((example.clone(), std::fs::read_to_string(&example).unwrap()));
        }
    }
    shown.retain(|(_, text)| is_configuration(text));
    shown
}

/// A part of a configuration is laid over this.
const REST: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";

fn is_whole(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("service:")) && text.lines().any(|line| line.starts_with("receivers:"))
}

fn load_shown(path: &Path, text: &str) -> Result<Loaded, ConfigErrors> {
    let whole = is_whole(text);
    let mut texts = vec![(path.to_owned(), text.to_owned())];
    if !whole {
        texts.insert(0, ("rest.yaml".into(), REST.to_owned()));
    }
    load_texts(texts, &|_| None)
}

fn is_configuration(text: &str) -> bool {
    const SECTIONS: [&str; 5] = ["receivers:", "processors:", "exporters:", "extensions:", "service:"];
    text.lines().any(|line| SECTIONS.iter().any(|section| line.starts_with(section)))
}

/// The contents of the fenced blocks that are YAML.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<(String, String)> = None;
    for line in page.lines() {
        match &mut block {
            Some((fence, text)) if line.trim_end() == fence.as_str() => {
                blocks.push(std::mem::take(text));
                block = None;
            }
            Some((fence, text)) => {
                // Within a list, a block is indented as a whole.
                let indent = fence.len() - fence.trim_start().len();
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            None => {
                let fence = line.strip_suffix("```yaml").or_else(|| line.strip_suffix("```yml"));
                block = fence
                    .filter(|indent| indent.trim().is_empty())
                    .map(|indent| (format!("{indent}```"), String::new()));
            }
        }
    }
    blocks
}

/// Files below a folder, build outputs and hidden folders left out. None if there is no such folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|of_path| of_path == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
