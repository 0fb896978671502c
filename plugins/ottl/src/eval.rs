//! Values, over the rows of a frame.

use crate::Reason;
use crate::ast::Key;
use crate::call::{apply, arithmetic, derive};
use crate::cell::{Cell, Vector};
use crate::machine::{Frame, Machine, Scratch, within};
use crate::plan::{Function, Node, NodeKind, Pattern, Type};
use crate::value::{Value, push_entry, push_item};

impl<'a> Machine<'a, '_> {
    /// A node's value for each row.
    pub(crate) fn evaluate(&mut self, node: &'a Node, frame: Frame<'_, 'a>) -> Vector<'a> {
        match &node.kind {
            NodeKind::Literal(literal) => Vector::Same(Cell::of(literal.value())),
            NodeKind::Slot(slot) => self.load(*slot, frame),
            NodeKind::Within(slot, keys) => {
                let base = self.load(*slot, frame);
                self.one(frame, base, |scratch, cell| match cell {
                    Cell::Absent => Ok(Cell::Absent),
                    cell => pick(scratch, cell, keys, Ok(Value::Nil)),
                })
            }
            NodeKind::Index(inner, keys) => {
                let base = self.evaluate(inner, frame);
                self.one(frame, base, |scratch, cell| pick(scratch, cell, keys, Err(Reason::NoSuchKey)))
            }
            NodeKind::Derived(derived, inner) => {
                let base = self.evaluate(inner, frame);
                self.one(frame, base, |scratch, cell| derive(*derived, scratch, cell))
            }
            NodeKind::ZeroFor(slot, metric_type, types) => {
                let zero = if node.value == Type::Int { Cell::Int(0) } else { Cell::Double(0.0) };
                let both = [self.load(*slot, frame), self.load(*metric_type, frame)];
                let out = self.map(frame, &both, |_, place| match (both[0].get(place), both[1].get(place)) {
                    (Cell::Absent, Cell::Int(metric_type)) if types.contains(&metric_type) => zero,
                    (cell, _) => cell,
                });
                self.give_all(both.into());
                out
            }
            NodeKind::List(nodes) => {
                let vectors = self.evaluate_all(nodes, frame);
                let out = self.map(frame, &vectors, |scratch, place| {
                    let Scratch { made, bytes, .. } = scratch;
                    bytes.clear();
                    for vector in &vectors {
                        match vector.get(place) {
                            Cell::Failed(reason) => return Cell::Failed(reason),
                            cell => push_item(bytes, cell.value(made)),
                        }
                    }
                    made.list(bytes)
                });
                self.give_all(vectors);
                out
            }
            NodeKind::Map(entries) => self.map_of(entries, frame),
            NodeKind::Negate(inner) => {
                let base = self.evaluate(inner, frame);
                self.one(frame, base, |_, cell| match cell {
                    Cell::Int(value) => Ok(Cell::Int(value.wrapping_neg())),
                    Cell::Double(value) => Ok(Cell::Double(-value)),
                    _ => Err(Reason::NotNumbers),
                })
            }
            NodeKind::Arithmetic(operator, left, right) => {
                let both = [self.evaluate(left, frame), self.evaluate(right, frame)];
                let out = self.map(frame, &both, |_, place| {
                    arithmetic(*operator, both[0].get(place), both[1].get(place)).unwrap_or_else(Cell::Failed)
                });
                self.give_all(both.into());
                out
            }
            NodeKind::Call(function, arguments) => self.call(function, arguments, frame),
        }
    }

    /// A vector of one vector's cells, each by itself. What failed stays so.
    fn one(
        &mut self,
        frame: Frame<'_, 'a>,
        base: Vector<'a>,
        each: impl Fn(&mut Scratch, Cell<'a>) -> Result<Cell<'a>, Reason>,
    ) -> Vector<'a> {
        let base = [base];
        let out = self.map(frame, &base, |scratch, place| match base[0].get(place) {
            Cell::Failed(reason) => Cell::Failed(reason),
            cell => each(scratch, cell).unwrap_or_else(Cell::Failed),
        });
        self.give_all(base.into());
        out
    }

    fn map_of(&mut self, entries: &'a [(String, Node)], frame: Frame<'_, 'a>) -> Vector<'a> {
        let vectors: Vec<Vector<'a>> = entries.iter().map(|(_, node)| self.evaluate(node, frame)).collect();
        let out = self.map(frame, &vectors, |scratch, place| {
            let Scratch { made, bytes, .. } = scratch;
            bytes.clear();
            for ((key, _), vector) in entries.iter().zip(&vectors) {
                match vector.get(place) {
                    Cell::Failed(reason) => return Cell::Failed(reason),
                    cell => push_entry(bytes, key, cell.value(made)),
                }
            }
            made.map(bytes)
        });
        self.give_all(vectors);
        out
    }

    fn call(&mut self, function: &'a Function, nodes: &'a [Node], frame: Frame<'_, 'a>) -> Vector<'a> {
        let mut arguments = self.evaluate_all(nodes, frame);
        if let Function::IsMatch(Pattern::Computed(pattern)) = function {
            let pattern = self.evaluate(pattern, frame);
            arguments.push(pattern);
        }
        let out = self.map(frame, &arguments, |scratch, place| {
            for argument in &arguments {
                if let Cell::Failed(reason) = argument.get(place) {
                    return Cell::Failed(reason);
                }
            }
            apply(function, scratch, &arguments, place).unwrap_or_else(Cell::Failed)
        });
        self.give_all(arguments);
        out
    }
}

/// What lies within a cell's value. What the block has is not copied.
fn pick<'a>(
    scratch: &mut Scratch,
    cell: Cell<'a>,
    keys: &[Key],
    absent: Result<Value<'static>, Reason>,
) -> Result<Cell<'a>, Reason> {
    match cell {
        Cell::Map(map) => within(Value::Map(map), keys, absent).map(Cell::of),
        Cell::List(list) => within(Value::List(list), keys, absent).map(Cell::of),
        _ => {
            let Scratch { made, text, bytes, .. } = scratch;
            let found = Copied::of(within(cell.value(made), keys, absent)?, text, bytes);
            Ok(found.keep(scratch))
        }
    }
}

/// A value on its way from one place of the computed memory to another: its bytes are in the scratch buffers meanwhile.
#[derive(Clone, Copy)]
pub(crate) enum Copied {
    Small(Cell<'static>),
    Text,
    Bytes,
    List,
    Map,
}

impl Copied {
    pub(crate) fn of(value: Value<'_>, text: &mut String, bytes: &mut Vec<u8>) -> Copied {
        let copied = match value {
            Value::Nil => Copied::Small(Cell::Empty),
            Value::Bool(value) => Copied::Small(Cell::Bool(value)),
            Value::Int(value) => Copied::Small(Cell::Int(value)),
            Value::Double(value) => Copied::Small(Cell::Double(value)),
            Value::SpanId(id) => Copied::Small(Cell::SpanId(id)),
            Value::TraceId(id) => Copied::Small(Cell::TraceId(id)),
            Value::Text(_) => Copied::Text,
            Value::List(_) => Copied::List,
            Value::Map(_) => Copied::Map,
            Value::Bytes(_) => Copied::Bytes,
        };
        match value {
            Value::Text(value) => {
                text.clear();
                text.push_str(value);
            }
            Value::List(value) | Value::Map(value) | Value::Bytes(value) => {
                bytes.clear();
                bytes.extend_from_slice(value);
            }
            _ => {}
        }
        copied
    }

    pub(crate) fn keep<'a>(self, scratch: &mut Scratch) -> Cell<'a> {
        let Scratch { made, text, bytes, .. } = scratch;
        match self {
            Copied::Small(cell) => cell,
            Copied::Text => made.text(text),
            Copied::Bytes => made.binary(bytes),
            Copied::List => made.list(bytes),
            Copied::Map => made.map(bytes),
        }
    }
}
