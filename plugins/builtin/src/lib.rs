//! The plugins that the binary carries: `plugin: builtin:NAME` in a configuration.
//!
//! They are plugins like any other, built from `plugins/` for WebAssembly when this crate is built: core modules that carry
//! their component type.

include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// The plugin's module; `None` where there is none of that name.
pub fn get(name: &str) -> Option<&'static [u8]> {
    PLUGINS.iter().find(|(plugin, _)| *plugin == name).map(|(_, module)| *module)
}

/// The names that [`get`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each name has a module of WebAssembly that carries its component type, and no other name has one.
    #[test]
    fn plugins_are_modules_that_say_what_they_are() {
        for name in names() {
            let module = get(name).unwrap();
            assert!(module.starts_with(b"\0asm\x01\0\0\0"), "`{name}` is a core module");
            let section = b"component-type:wit-bindgen";
            assert!(module.windows(section.len()).any(|bytes| bytes == section), "`{name}` carries its type");
        }
        assert!(get("no such plugin").is_none());
    }
}
