"""The kinds of columns and of values, with their numbers in the contract."""

from __future__ import annotations

from enum import Enum
from typing import Union

BOOLEAN_NODE = 0
UINT8_NODE = 1
UINT32_NODE = 2
INT32_NODE = 3
UINT64_NODE = 4
INT64_NODE = 5
DOUBLE_NODE = 6
ID8_NODE = 7
ID16_NODE = 8
TEXT_NODE = 9
BINARY_NODE = 10
DICTIONARY_NODE = 11
ANY_NODE = 12
LIST_NODE = 13
MAP_NODE = 14
SEQUENCE_NODE = 15
ATTRIBUTES_NODE = 16

NAMES = (
    "boolean", "uint8", "uint32", "int32", "uint64", "int64", "double", "id8", "id16", "text", "binary", "dictionary", "any",
    "list-value", "map-value", "sequence", "attributes",
)  # fmt: skip
"""The contract's name of each kind, by its number."""

ABSENT = 0
NO_TYPE = 1
ANY_TEXT = 2
ANY_INT = 3
ANY_DOUBLE = 4
ANY_BOOLEAN = 5
ANY_BINARY = 6
ANY_LIST = 7
ANY_MAP = 8


class Empty(Enum):
    """The one value `EMPTY`: there is an attribute, and its value has no type."""

    EMPTY = 0

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY = Empty.EMPTY
"""A value without a type, which is not the same as no value: that is `None`."""


class Opaque:
    """A list or map within a dynamically typed column. It can be handed back as it is, and compared; not looked into."""

    __slots__ = ("data",)

    data: bytes
    """Its bytes, as the host encodes it."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data!r})"


class ListValue(Opaque):
    """A list."""

    __slots__ = ()


class MapValue(Opaque):
    """A map."""

    __slots__ = ()


class Signal(Enum):
    """What rows are."""

    TRACES = "traces"
    """Rows are spans."""
    METRICS = "metrics"
    """Rows are data points."""
    LOGS = "logs"
    """Rows are log records."""


class TextForm(Enum):
    """How text comes."""

    PLAIN = "plain"
    """A text for each row."""
    DICTIONARY = "dictionary"
    """Each distinct text once, and a number for each row."""
    EITHER = "either"
    """Whichever costs the host less; it may differ from call to call."""


class Use(Enum):
    """What a plugin does with rows. The host refuses a verdict that does something else."""

    KEEP = "keep"
    ROUTES = "routes"
    EDITS = "edits"
    FLUSH = "flush"
    """Follows from its having a `flush`."""
    SNAPSHOT = "snapshot"
    """Follows from its having a `snapshot`."""
    GROUPS = "groups"
    """It keeps or routes whole groups. Follows from asking for a column `group.…`, too."""
    EMIT = "emit"
    """It makes new records."""
    STATE = "state"
    """It calls `host.state_get`, `state_put` or `state_add`."""


Value = Union[None, Empty, str, int, float, bytes, ListValue, MapValue]
"""A dynamically typed value: `None`, `EMPTY`, `str`, `bool`, `int`, `float`, `bytes`, `ListValue` or `MapValue`."""


class Error(Exception):
    """A refusal, in words for the operator: lowercase, without a full stop; which key or value, what was found, what was
    expected. Out of `Plugin.init` it refuses the configuration; out of `Plugin.process` it refuses the slice, and the stage's
    `on_fault` says what becomes of it. Any other exception does the same, and comes with its stack."""
