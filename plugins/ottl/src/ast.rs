//! What a text says, before anything is known of signals, fields and functions.
//!
//! Values and booleans are one type: a bracket may hold either, and telling them apart while reading would mean reading
//! it twice for each level of nesting. The compiler checks which is which.
//!
//! Printed (`Display`), a tree is a text that reads as the same tree.

use std::fmt;

/// A place in the text, in bytes. Trees are equal wherever they stand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    pub start: usize,
    pub end: usize,
}

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

/// A value, or something that is true or false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub at: At,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Nil,
    Bool(bool),
    /// Never negative: see [`Kind::Negate`].
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// The name of a number: `SPAN_KIND_SERVER`.
    Enum(String),
    List(Vec<Expr>),
    Map(Vec<(String, Expr)>),
    Path(Path),
    Call(Call),
    Negate(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    /// Two or more.
    And(Vec<Expr>),
    /// Two or more.
    Or(Vec<Expr>),
}

/// Dotted names, and the keys behind the last of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub at: At,
    pub names: Vec<(At, String)>,
    pub keys: Vec<(At, Key)>,
}

/// An index in brackets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Text(String),
    Int(i64),
}

/// A function and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub at: At,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub keys: Vec<(At, Key)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub at: At,
    /// `utf8_safe` in `utf8_safe=true`.
    pub name: Option<String>,
    pub value: Expr,
}

/// `EDITOR(arguments) where CONDITION`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub editor: Call,
    pub condition: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The comparison that holds with its sides exchanged.
    pub(crate) fn flipped(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }
}

/// How tightly an expression holds together: what stands inside a tighter one is put in brackets.
fn strength(kind: &Kind) -> u8 {
    match kind {
        Kind::Or(_) => 0,
        Kind::And(_) => 1,
        Kind::Not(_) => 2,
        Kind::Compare(..) => 3,
        Kind::Arithmetic(Arithmetic::Add | Arithmetic::Subtract, ..) => 4,
        Kind::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide, ..) => 5,
        Kind::Negate(_) => 6,
        _ => 7,
    }
}

/// An expression, in brackets where it is weaker than its place needs.
struct Within<'a>(&'a Expr, u8);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if strength(&self.0.kind) < self.1 { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Nil => f.write_str("nil"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Int(value) => write!(f, "{value}"),
            Kind::Double(value) => double(*value, f),
            Kind::Text(text) => quoted(text, f),
            Kind::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Kind::Enum(name) => f.write_str(name),
            Kind::List(items) => {
                f.write_str("[")?;
                separated(items, ", ", f, |item, f| write!(f, "{item}"))?;
                f.write_str("]")
            }
            Kind::Map(entries) => {
                f.write_str("{")?;
                separated(entries, ", ", f, |(key, value), f| {
                    quoted(key, f)?;
                    write!(f, ": {value}")
                })?;
                f.write_str("}")
            }
            Kind::Path(path) => write!(f, "{path}"),
            Kind::Call(call) => write!(f, "{call}"),
            Kind::Negate(inner) => write!(f, "-{}", Within(inner, 7)),
            Kind::Arithmetic(operator, left, right) => {
                let own = strength(&self.kind);
                let sign = match operator {
                    Arithmetic::Add => "+",
                    Arithmetic::Subtract => "-",
                    Arithmetic::Multiply => "*",
                    Arithmetic::Divide => "/",
                };
                write!(f, "{} {sign} {}", Within(left, own), Within(right, own + 1))
            }
            Kind::Compare(comparison, left, right) => {
                let sign = match comparison {
                    Comparison::Equal => "==",
                    Comparison::NotEqual => "!=",
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                write!(f, "{} {sign} {}", Within(left, 4), Within(right, 4))
            }
            Kind::Not(inner) => write!(f, "not {}", Within(inner, 3)),
            Kind::And(parts) => separated(parts, " and ", f, |part, f| write!(f, "{}", Within(part, 2))),
            Kind::Or(parts) => separated(parts, " or ", f, |part, f| write!(f, "{}", Within(part, 1))),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(&self.names, ".", f, |(_, name), f| f.write_str(name))?;
        keys(&self.keys, f)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        separated(&self.arguments, ", ", f, |argument, f| {
            if let Some(name) = &argument.name {
                write!(f, "{name}=")?;
            }
            write!(f, "{}", argument.value)
        })?;
        f.write_str(")")?;
        keys(&self.keys, f)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.editor)?;
        match &self.condition {
            None => Ok(()),
            Some(condition) => write!(f, " where {condition}"),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Text(text) => quoted(text, f),
            Key::Int(index) => write!(f, "{index}"),
        }
    }
}

fn keys(keys: &[(At, Key)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    keys.iter().try_for_each(|(_, key)| write!(f, "[{key}]"))
}

fn separated<T>(
    items: &[T],
    separator: &str,
    f: &mut fmt::Formatter<'_>,
    print: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(separator)?;
        }
        print(item, f)?;
    }
    Ok(())
}

/// Without an exponent, which the grammar reads only behind a point, and always with a point.
fn double(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value.fract() == 0.0 { write!(f, "{value}.0") } else { write!(f, "{value}") }
}

/// A text in quotes, as the grammar reads it.
pub(crate) fn quoted(text: &str, f: &mut impl fmt::Write) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
