//! A plugin's file, as far as it is looked at before anything is compiled.

use std::sync::LazyLock;

use super::batch::push_len;
use crate::check::{self, Form, Outline};

/// Far above what is tried here.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A core module with the functions of the contract that does nothing, as an SDK leaves it: only its component type is missing.
static MODULE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    const TEXT: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "wasmill:plugin/stage@0.1.0#init") (param i32 i32) (result i32) i32.const 0)
        (func (export "wasmill:plugin/stage@0.1.0#process") (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 0)
        (func (export "wasmill:plugin/stage@0.1.0#tick") (param i64) (result i32) i32.const 0)
        (func (export "wasmill:plugin/stage@0.1.0#flush") (result i32) i32.const 0)
        (func (export "wasmill:plugin/stage@0.1.0#snapshot") (result i32) i32.const 0)
        (func (export "wasmill:plugin/stage@0.1.0#restore") (param i32 i32) (result i32) i32.const 0)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))"#;
    wat::parse_str(TEXT).expect("a module")
});

/// How far a file came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// No plugin, by its outside.
    Refused,
    /// Its component type does not fit its module, or cannot be read.
    NotEncoded,
    /// To be compiled.
    Component,
}

/// The first byte says what the rest is: a file, or what stands in the section of a component type.
pub fn file(input: &[u8]) -> Looked {
    match input.split_first() {
        None => look(&[]),
        Some((first, rest)) if first.is_multiple_of(2) => look(rest),
        Some((_, rest)) => look(&with_component_type(rest)),
    }
}

fn look(bytes: &[u8]) -> Looked {
    let mut outline = Outline::default();
    let found = check::outline(bytes, FILE_BYTES_MAX, &mut outline);
    outline.contract_version();
    if let Err(error) = found.and_then(|()| outline.check()) {
        assert!(!error.to_string().is_empty());
        return Looked::Refused;
    }
    match check::componentize(bytes, outline.form.expect("it was looked at"), 1) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Looked::NotEncoded
        }
        Ok(component) => {
            let mut made = Outline::default();
            check::outline(&component, usize::MAX, &mut made).expect("what was made can be read");
            assert_eq!(made.form, Some(Form::Component));
            Looked::Component
        }
    }
}

fn with_component_type(contents: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"component-type:plugin";
    let mut section = vec![NAME.len() as u8];
    section.extend_from_slice(NAME);
    section.extend_from_slice(contents);
    let mut bytes = MODULE.clone();
    bytes.push(0);
    push_len(&mut bytes, section.len());
    bytes.extend(section);
    bytes
}
