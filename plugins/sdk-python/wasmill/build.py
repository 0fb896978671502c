"""Making columns for a verdict: new values, maps to merge.

    verdict.set('attributes["team"]', build.text(["payments", "search"]), rows)

A column has a value for each row that it is for, or a single one for all of them.
"""

from __future__ import annotations

import struct
from array import array
from itertools import accumulate
from typing import Any, Callable, Iterable, Mapping, Sequence, Union

from .bitmap import Bitmap, pack
from .kinds import (
    ABSENT,
    ANY_BINARY,
    ANY_BOOLEAN,
    ANY_DOUBLE,
    ANY_INT,
    ANY_LIST,
    ANY_MAP,
    ANY_NODE,
    ANY_TEXT,
    ATTRIBUTES_NODE,
    BINARY_NODE,
    BOOLEAN_NODE,
    DICTIONARY_NODE,
    DOUBLE_NODE,
    EMPTY,
    ID8_NODE,
    ID16_NODE,
    INT32_NODE,
    INT64_NODE,
    LIST_NODE,
    MAP_NODE,
    NO_TYPE,
    SEQUENCE_NODE,
    TEXT_NODE,
    UINT8_NODE,
    UINT32_NODE,
    UINT64_NODE,
    Error,
    ListValue,
    MapValue,
    Value,
)  # fmt: skip
from .text import Mapped

_HEADER_BYTES = 8
_NODE_BYTES = 24
_BLOCK_BYTES_MAX = 2**31 - 1

Entries_ = Union[Mapping[str, Value], Iterable["tuple[str, Value]"]]


class Node:
    """A column in the making. `rows` is how many values it has."""

    __slots__ = ("kind", "rows", "validity", "offsets", "values", "children")

    def __init__(
        self,
        kind: int,
        rows: int,
        values: bytes = b"",
        offsets: bytes = b"",
        validity: bytes = b"",
        children: Sequence[Node] = (),
    ) -> None:
        self.kind = kind
        self.rows = rows
        self.values = values
        self.offsets = offsets
        self.validity = validity
        self.children = children


def text(values: Sequence[str | None]) -> Node:
    """Text for each row; `None` is no value."""
    joined, offsets = _cut([value.encode() if value else b"" for value in values])
    return Node(TEXT_NODE, len(values), joined, offsets, _validity(values))


def dictionary(keys: Sequence[int] | bytes, values: Sequence[str]) -> Node:
    """Text for each row, as the number of one of `values`."""
    if isinstance(keys, bytes):
        wide = bytearray(len(keys) * 4)
        wide[::4] = keys
        data = bytes(wide)
    else:
        data = array("I", keys).tobytes()
    return Node(DICTIONARY_NODE, len(keys), data, children=(text(values),))


def mapped(texts: Mapped) -> Node:
    """What `replaced` of a column gave."""
    return text(texts.texts) if len(texts.texts) == 1 else dictionary(texts.keys, texts.texts)


def binary(values: Sequence[bytes | None]) -> Node:
    """Bytes for each row; `None` is no value."""
    joined, offsets = _cut([value or b"" for value in values])
    return Node(BINARY_NODE, len(values), joined, offsets, _validity(values))


def boolean(values: Sequence[bool | None] | Bitmap) -> Node:
    """Truth values; `None` is no value."""
    if isinstance(values, Bitmap):
        return Node(BOOLEAN_NODE, values.rows, values.to_bytes())
    bits = Bitmap.from_flags([value is True for value in values])
    return Node(BOOLEAN_NODE, len(values), bits.to_bytes(), b"", _validity(values))


def uint8(values: Sequence[int | None]) -> Node:
    """Whole numbers, here and below."""
    return _fixed(UINT8_NODE, "B", values)


def uint32(values: Sequence[int | None]) -> Node:
    return _fixed(UINT32_NODE, "I", values)


def int32(values: Sequence[int | None]) -> Node:
    return _fixed(INT32_NODE, "i", values)


def uint64(values: Sequence[int | None]) -> Node:
    return _fixed(UINT64_NODE, "Q", values)


def int64(values: Sequence[int | None]) -> Node:
    return _fixed(INT64_NODE, "q", values)


def double(values: Sequence[float | None]) -> Node:
    """Floating point numbers."""
    return _fixed(DOUBLE_NODE, "d", values)


def id8(values: Sequence[bytes | None]) -> Node:
    """Span ids, 8 bytes each."""
    return _ids(ID8_NODE, 8, values)


def id16(values: Sequence[bytes | None]) -> Node:
    """Trace ids, 16 bytes each."""
    return _ids(ID16_NODE, 16, values)


def dynamic(values: Sequence[Value]) -> Node:
    """A value of its own type for each row; `None` takes away what there is."""
    kinds = bytearray()
    places = array("I")
    held: dict[int, list[Value]] = {}
    for value in values:
        kind = _any_kind(value)
        kinds.append(kind)
        if kind <= NO_TYPE:
            places.append(0)
            continue
        children = held.setdefault(kind, [])
        places.append(len(children))
        children.append(value)
    nodes = [_ANY_CHILDREN[kind](of_kind) for kind, of_kind in held.items()]
    return Node(ANY_NODE, len(kinds), bytes(kinds), places.tobytes(), children=nodes)


def attributes(maps: Iterable[Entries_]) -> Node:
    """A map for each row: a `dict`, or a list of keys and values where keys repeat."""
    ends = [0]
    keys: list[str] = []
    values: list[Value] = []
    for entries in maps:
        for key, value in entries.items() if isinstance(entries, Mapping) else entries:
            keys.append(key)
            values.append(value)
        ends.append(len(keys))
    return Node(ATTRIBUTES_NODE, len(ends) - 1, offsets=array("I", ends).tobytes(), children=(text(keys), dynamic(values)))


def sequence(lengths: Sequence[int], values: Node) -> Node:
    """Several values for each row: how many of `values` each has."""
    return Node(SEQUENCE_NODE, len(lengths), offsets=_ends(lengths), children=(values,))


def column_of(value: object) -> Node:
    """The column of one value: what `Verdict.set` makes of it."""
    if type(value) is str:
        data = value.encode()
        return Node(TEXT_NODE, 1, data, _PAIR.pack(0, len(data)))
    if isinstance(value, Node):
        return value
    if isinstance(value, Mapped):
        return mapped(value)
    if isinstance(value, bool):
        return boolean([value])
    if isinstance(value, int):
        return int64([value])
    if isinstance(value, float):
        return double([value])
    if isinstance(value, str):
        return text([value])
    if isinstance(value, bytes):
        return binary([value])
    return dynamic([value])  # type: ignore[list-item]


def block(*columns: Node) -> bytes:
    """The contract's form of these columns."""
    nodes: list[Node] = []

    def flatten(node: Node) -> None:
        nodes.append(node)
        for child in node.children:
            flatten(child)

    for column in columns:
        flatten(column)
    at = _HEADER_BYTES + len(nodes) * _NODE_BYTES
    fields = [len(nodes), _NODE_BYTES]
    parts: list[bytes] = []
    for node in nodes:
        fields += (node.kind, node.rows, len(node.children))
        for part in (node.validity, node.offsets, node.values):
            # A part of no bytes is not there.
            fields.append(at if part else 0)
            parts.append(part)
            spare = -len(part) % 8
            if spare:
                parts.append(_ZEROS[spare])
            at += len(part) + spare
    if at > _BLOCK_BYTES_MAX:
        raise Error(f"a verdict's column of {at} bytes, at most {_BLOCK_BYTES_MAX} can be")
    return struct.pack(f"<{len(fields)}I", *fields) + b"".join(parts)


_PAIR = struct.Struct("<II")
_ZEROS = [bytes(spare) for spare in range(8)]


def _fixed(kind: int, code: str, values: Sequence[float | None]) -> Node:
    data = array(code, [0 if value is None else value for value in values]).tobytes()
    return Node(kind, len(values), data, b"", _validity(values))


def _ids(kind: int, width: int, values: Sequence[bytes | None]) -> Node:
    for value in values:
        if value is not None and len(value) != width:
            raise Error(f"an id of {len(value)} bytes, expected {width}")
    return Node(kind, len(values), b"".join([value or bytes(width) for value in values]), b"", _validity(values))


def _cut(values: list[bytes]) -> tuple[bytes, bytes]:
    return b"".join(values), _ends(list(map(len, values)))


def _ends(lengths: Sequence[int]) -> bytes:
    return array("I", accumulate(lengths, initial=0)).tobytes()


def _validity(values: Sequence[object]) -> bytes:
    if None not in values:
        return b""
    return Bitmap(len(values), pack(bytes([value is not None for value in values]))).to_bytes()


def _any_kind(value: Value) -> int:
    kind = _ANY_KINDS.get(type(value))
    if kind is not None:
        return kind
    for of, kind in _ANY_KINDS.items():
        if isinstance(value, of):
            return kind
    raise Error(f"a value of type `{type(value).__name__}` is none that an attribute can have")


_ANY_KINDS: dict[type, int] = {
    type(None): ABSENT, type(EMPTY): NO_TYPE, str: ANY_TEXT, bool: ANY_BOOLEAN, int: ANY_INT, float: ANY_DOUBLE,
    bytes: ANY_BINARY, ListValue: ANY_LIST, MapValue: ANY_MAP,
}  # fmt: skip


def _opaque(kind: int, values: Sequence[ListValue | MapValue]) -> Node:
    joined, offsets = _cut([value.data for value in values])
    return Node(kind, len(values), joined, offsets)


_ANY_CHILDREN: dict[int, Callable[[Any], Node]] = {
    ANY_TEXT: text,
    ANY_INT: int64,
    ANY_DOUBLE: double,
    ANY_BOOLEAN: boolean,
    ANY_BINARY: binary,
    ANY_LIST: lambda values: _opaque(LIST_NODE, values),
    ANY_MAP: lambda values: _opaque(MAP_NODE, values),
}
