//! The converters: their names, what they are given, what they give.

use super::{Literal, Node, NodeKind, Pattern, Planned, Planner, Type};
use crate::ast::{Argument, At, Call, Expr, Kind};
use crate::convert::Case;
use crate::fields::{self, nearest};
use crate::pattern;

/// A converter, with what is fixed about it.
#[derive(Debug)]
pub(crate) enum Function {
    IsMatch(Pattern),
    HasPrefix,
    HasSuffix,
    /// The last argument is the delimiter.
    Concat,
    Int,
    Double,
    String,
    Bool,
    ConvertCase(Case),
    Sha256,
    Digest(Digest),
    Fnv,
    /// What goes from both ends.
    Trim(String),
    TrimPrefix,
    TrimSuffix,
    ParseJson,
    /// Its named groups.
    ExtractPatterns(regex::Regex),
    Len,
    /// Whether a value is of this type.
    Is(Type),
    /// Its argument is the parent's span id.
    IsRootSpan,
    /// Whether it keeps to whole characters.
    Substring(bool),
    Split,
    SpanId,
    TraceId,
}

/// A hash whose bytes are written in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Md5,
    Sha1,
    Sha512,
}

/// Which types an argument may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    /// Whatever it is.
    Any,
    Text,
    /// What can be made text.
    TextLike,
    /// What can be made a number or a truth value: text, numbers, truth values.
    NumberLike,
    Int,
    Map,
    /// What can be made the bytes of an id.
    IdLike,
}

impl Accepts {
    fn takes(self, value: Type) -> bool {
        match (self, value) {
            (_, Type::Any) | (Accepts::Any | Accepts::TextLike, _) => true,
            (Accepts::Text, value) => value == Type::Text,
            (Accepts::NumberLike, value) => {
                matches!(value, Type::Text | Type::Int | Type::Double | Type::Bool | Type::Nil)
            }
            (Accepts::Int, value) => value == Type::Int,
            (Accepts::Map, value) => value == Type::Map,
            (Accepts::IdLike, value) => matches!(value, Type::Text | Type::Bytes | Type::Int | Type::Double),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Accepts::Any | Accepts::TextLike => "a value",
            Accepts::Text => "text",
            Accepts::NumberLike => "a number, text, or true or false",
            Accepts::Int => "a whole number",
            Accepts::Map => "a map",
            Accepts::IdLike => "text or bytes",
        }
    }
}

impl Function {
    pub(crate) const NAMES: [&'static str; 33] = [
        "Bool",
        "Concat",
        "ConvertCase",
        "Double",
        "ExtractPatterns",
        "FNV",
        "HasPrefix",
        "HasSuffix",
        "Int",
        "IsBool",
        "IsDouble",
        "IsInt",
        "IsList",
        "IsMap",
        "IsMatch",
        "IsRootSpan",
        "IsString",
        "Len",
        "MD5",
        "ParseJSON",
        "SHA1",
        "SHA256",
        "SHA512",
        "SpanID",
        "Split",
        "String",
        "Substring",
        "ToLowerCase",
        "ToUpperCase",
        "TraceID",
        "Trim",
        "TrimPrefix",
        "TrimSuffix",
    ];

    /// The regular expression that it matches against.
    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match self {
            Function::IsMatch(pattern) => Some(pattern),
            _ => None,
        }
    }

    fn value(&self) -> Type {
        match self {
            Function::IsMatch(_)
            | Function::HasPrefix
            | Function::HasSuffix
            | Function::Is(_)
            | Function::IsRootSpan => Type::Bool,
            Function::Concat
            | Function::ConvertCase(_)
            | Function::Sha256
            | Function::Digest(_)
            | Function::Trim(_)
            | Function::TrimPrefix
            | Function::TrimSuffix
            | Function::Substring(_) => Type::Text,
            Function::Fnv => Type::Int,
            // A map, or a list.
            Function::ParseJson => Type::Any,
            Function::ExtractPatterns(_) => Type::Map,
            // Nil where they are given nil.
            Function::Int | Function::Double | Function::String | Function::Bool => Type::Any,
            Function::Len => Type::Int,
            Function::Split => Type::List,
            Function::SpanId => Type::SpanId,
            Function::TraceId => Type::TraceId,
        }
    }
}

/// The arguments of a call, by their names.
pub(super) struct Arguments<'a> {
    function: &'a str,
    at: At,
    given: Vec<(&'static str, Option<&'a Expr>)>,
}

impl<'a> Arguments<'a> {
    /// The argument, which the function cannot do without.
    pub(super) fn need(&self, planner: &Planner<'_>, name: &str) -> Planned<&'a Expr> {
        self.get(name).ok_or_else(|| planner.error(self.at, format!("`{}` needs an argument `{name}`", self.function)))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Expr> {
        self.given.iter().find(|(given, _)| *given == name).and_then(|(_, expr)| *expr)
    }
}

impl Planner<'_> {
    /// Puts a call's arguments in order: those without names first, then those with.
    pub(super) fn arguments<'a>(&self, call: &'a Call, names: &[&'static str]) -> Planned<Arguments<'a>> {
        let mut given: Vec<(&'static str, Option<&'a Expr>)> = names.iter().map(|name| (*name, None)).collect();
        let mut named = false;
        for (place, Argument { at, name, value }) in call.arguments.iter().enumerate() {
            let target = match name {
                None if named => {
                    return Err(self.error(*at, "arguments without a name come before those with one"));
                }
                None => given.get_mut(place),
                Some(name) => {
                    named = true;
                    let found = given.iter_mut().find(|(known, _)| known == name);
                    if found.is_none() {
                        let nearest = nearest(name, names.iter().copied());
                        let hint = nearest.map(|nearest| format!(", did you mean `{nearest}`?")).unwrap_or_default();
                        return Err(self.error(*at, format!("`{}` has no argument `{name}`{hint}", call.name)));
                    }
                    found
                }
            };
            match target {
                None => {
                    let reason = format!("`{}` has {} arguments: `{}`", call.name, names.len(), names.join("`, `"));
                    let reason = if names.is_empty() { format!("`{}` has no arguments", call.name) } else { reason };
                    return Err(self.error(*at, reason));
                }
                Some((name, Some(_))) => {
                    return Err(self.error(*at, format!("the argument `{name}` is given twice")));
                }
                Some((_, argument)) => *argument = Some(value),
            }
        }
        Ok(Arguments { function: &call.name, at: call.at, given })
    }

    pub(super) fn accept(&mut self, expr: &Expr, accepts: Accepts) -> Planned<Node> {
        let node = self.value(expr)?;
        if accepts.takes(node.value) {
            return Ok(node);
        }
        Err(self.error(expr.at, format!("this is {}, expected {}", node.value.name(), accepts.name())))
    }

    /// A regular expression. A literal one is compiled, and refused where it is none.
    pub(super) fn pattern(&mut self, expr: &Expr) -> Planned<Pattern> {
        let node = self.accept(expr, Accepts::Text)?;
        match node.text() {
            None => Ok(Pattern::Computed(Box::new(node))),
            Some(text) => match pattern::compile(text) {
                Ok(regex) => Ok(Pattern::Fixed(regex)),
                Err(reason) => Err(self.error(expr.at, format!("not a valid regular expression: {reason}"))),
            },
        }
    }

    /// A text that must stand in the statement itself.
    pub(super) fn literal_text(&mut self, expr: &Expr) -> Planned<String> {
        match &expr.kind {
            Kind::Text(text) => Ok(text.clone()),
            _ => Err(self.error(expr.at, "expected a text in double quotes")),
        }
    }

    pub(super) fn literal_bool(&mut self, expr: &Expr) -> Planned<bool> {
        match &expr.kind {
            Kind::Bool(value) => Ok(*value),
            _ => Err(self.error(expr.at, "expected `true` or `false`")),
        }
    }

    pub(super) fn literal_int(&mut self, expr: &Expr) -> Planned<i64> {
        let node = self.value(expr)?;
        match node.kind {
            NodeKind::Literal(Literal::Int(value)) => Ok(value),
            _ => Err(self.error(expr.at, "expected a whole number")),
        }
    }

    /// The values of a list that stands in the text.
    pub(super) fn literal_list<'a>(&self, expr: &'a Expr) -> Planned<&'a [Expr]> {
        match &expr.kind {
            Kind::List(items) => Ok(items),
            _ => Err(self.error(expr.at, "expected a list: `[…]`")),
        }
    }

    pub(super) fn call(&mut self, call: &Call) -> Planned<Node> {
        let (function, arguments) = self.function(call)?;
        let value = function.value();
        let node = Node { kind: NodeKind::Call(function, arguments), value };
        if call.keys.is_empty() {
            return Ok(node);
        }
        if !matches!(value, Type::List | Type::Map | Type::Any) {
            return Err(self.error(call.keys[0].0, format!("this is {}, it has no keys", value.name())));
        }
        let keys = call.keys.iter().map(|(_, key)| key.clone()).collect();
        Ok(Node { kind: NodeKind::Index(Box::new(node), keys), value: Type::Any })
    }

    fn function(&mut self, call: &Call) -> Planned<(Function, Vec<Node>)> {
        let one = |planner: &mut Self, function: Function, accepts: Accepts| {
            let arguments = planner.arguments(call, &["target"])?;
            let target = planner.accept(arguments.need(planner, "target")?, accepts)?;
            Ok((function, vec![target]))
        };
        let two = |planner: &mut Self, function: Function, second: &'static str| {
            let arguments = planner.arguments(call, &["target", second])?;
            let target = planner.accept(arguments.need(planner, "target")?, Accepts::Text)?;
            let second = planner.accept(arguments.need(planner, second)?, Accepts::Text)?;
            Ok((function, vec![target, second]))
        };
        match call.name.as_str() {
            "IsMatch" => {
                let arguments = self.arguments(call, &["target", "pattern"])?;
                let target = self.accept(arguments.need(self, "target")?, Accepts::TextLike)?;
                let pattern = self.pattern(arguments.need(self, "pattern")?)?;
                Ok((Function::IsMatch(pattern), vec![target]))
            }
            "HasPrefix" => two(self, Function::HasPrefix, "prefix"),
            "HasSuffix" => two(self, Function::HasSuffix, "suffix"),
            "Split" => two(self, Function::Split, "delimiter"),
            "Concat" => self.concat(call),
            "Int" => one(self, Function::Int, Accepts::NumberLike),
            "Double" => one(self, Function::Double, Accepts::NumberLike),
            "Bool" => one(self, Function::Bool, Accepts::NumberLike),
            "String" => one(self, Function::String, Accepts::TextLike),
            "ConvertCase" => self.convert_case(call),
            "SHA256" => one(self, Function::Sha256, Accepts::Text),
            "MD5" => one(self, Function::Digest(Digest::Md5), Accepts::Text),
            "SHA1" => one(self, Function::Digest(Digest::Sha1), Accepts::Text),
            "SHA512" => one(self, Function::Digest(Digest::Sha512), Accepts::Text),
            "FNV" => one(self, Function::Fnv, Accepts::Text),
            "ParseJSON" => one(self, Function::ParseJson, Accepts::Text),
            "ToLowerCase" => one(self, Function::ConvertCase(Case::Lower), Accepts::Text),
            "ToUpperCase" => one(self, Function::ConvertCase(Case::Upper), Accepts::Text),
            "TrimPrefix" => two(self, Function::TrimPrefix, "prefix"),
            "TrimSuffix" => two(self, Function::TrimSuffix, "suffix"),
            "Trim" => {
                let arguments = self.arguments(call, &["target", "replacement"])?;
                let target = self.accept(arguments.need(self, "target")?, Accepts::Text)?;
                let cut = arguments.get("replacement").map(|expr| self.literal_text(expr)).transpose()?;
                Ok((Function::Trim(cut.unwrap_or_else(|| " ".to_owned())), vec![target]))
            }
            "ExtractPatterns" => {
                let arguments = self.arguments(call, &["target", "pattern"])?;
                let target = self.accept(arguments.need(self, "target")?, Accepts::Text)?;
                let expr = arguments.need(self, "pattern")?;
                let text = self.literal_text(expr)?;
                match pattern::compile(&text) {
                    Ok(regex) if regex.capture_names().flatten().next().is_some() => {
                        Ok((Function::ExtractPatterns(regex), vec![target]))
                    }
                    Ok(_) => Err(self.error(expr.at, "expected a group with a name, such as `(?P<user>…)`")),
                    Err(reason) => Err(self.error(expr.at, format!("not a valid regular expression: {reason}"))),
                }
            }
            "Len" => one(self, Function::Len, Accepts::Any),
            "IsString" => one(self, Function::Is(Type::Text), Accepts::Any),
            "IsInt" => one(self, Function::Is(Type::Int), Accepts::Any),
            "IsDouble" => one(self, Function::Is(Type::Double), Accepts::Any),
            "IsBool" => one(self, Function::Is(Type::Bool), Accepts::Any),
            "IsMap" => one(self, Function::Is(Type::Map), Accepts::Any),
            "IsList" => one(self, Function::Is(Type::List), Accepts::Any),
            "SpanID" => one(self, Function::SpanId, Accepts::IdLike),
            "TraceID" => one(self, Function::TraceId, Accepts::IdLike),
            "Substring" => {
                let arguments = self.arguments(call, &["target", "start", "length", "utf8_safe"])?;
                let target = self.accept(arguments.need(self, "target")?, Accepts::Text)?;
                let start = self.accept(arguments.need(self, "start")?, Accepts::Int)?;
                let length = self.accept(arguments.need(self, "length")?, Accepts::Int)?;
                let whole = arguments.get("utf8_safe").map(|expr| self.literal_bool(expr)).transpose()?;
                Ok((Function::Substring(whole.unwrap_or(false)), vec![target, start, length]))
            }
            "IsRootSpan" => {
                self.arguments(call, &[])?;
                let Some(field) = fields::find(self.signal, "parent_span_id") else {
                    return Err(self.error(call.at, format!("{} have no spans", self.signal.name())));
                };
                let slot = self.slot(field, None);
                self.slots[slot].read = true;
                Ok((Function::IsRootSpan, vec![Node { kind: NodeKind::Slot(slot), value: field.value }]))
            }
            name => {
                let at = At { start: call.at.start, end: call.at.start + name.len() };
                let reason = match nearest(name, Function::NAMES.into_iter()) {
                    Some(nearest) => format!("no such converter, did you mean `{nearest}`?"),
                    None => format!("no such converter; there are `{}`", Function::NAMES.join("`, `")),
                };
                Err(self.error(at, reason))
            }
        }
    }

    fn concat(&mut self, call: &Call) -> Planned<(Function, Vec<Node>)> {
        let arguments = self.arguments(call, &["vals", "delimiter"])?;
        let items = self.literal_list(arguments.need(self, "vals")?)?;
        let mut nodes = items.iter().map(|item| self.accept(item, Accepts::TextLike)).collect::<Planned<Vec<_>>>()?;
        nodes.push(self.accept(arguments.need(self, "delimiter")?, Accepts::Text)?);
        Ok((Function::Concat, nodes))
    }

    fn convert_case(&mut self, call: &Call) -> Planned<(Function, Vec<Node>)> {
        let arguments = self.arguments(call, &["target", "to_case"])?;
        let target = self.accept(arguments.need(self, "target")?, Accepts::Text)?;
        let expr = arguments.need(self, "to_case")?;
        let name = self.literal_text(expr)?;
        let Some(case) = Case::from_name(&name) else {
            return Err(self.error(expr.at, format!("expected one of `{}`", Case::NAMES.join("`, `"))));
        };
        Ok((Function::ConvertCase(case), vec![target]))
    }
}
