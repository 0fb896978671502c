"""Reading a stage's `config:` block into a class.

    @dataclass
    class Config:
        attribute: str
        drop: list[str]
        default: str | None = None

    config = read(Config, config)

Fields without a default are required. Types are `str`, `bool`, `int`, `float`, `list[...]`, `dict[str, ...]`, `... | None`, and
dataclasses. What is not as they say is an `Error` that names the key, what was found and what was expected.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Mapping, TypeVar, Union, get_args, get_origin, get_type_hints

from .kinds import Error

T = TypeVar("T")


def read(to: type[T], config: Mapping[str, Any], path: str = "") -> T:
    """The config as this dataclass. `path` is what stands before its keys in errors."""
    hints = get_type_hints(to)
    known = {field.name: field for field in fields(to)}  # type: ignore[arg-type]
    for key in config:
        if key not in known:
            names = ", ".join(f"`{name}`" for name in known)
            raise Error(f"unknown key `{path}{key}`; known are {names}")
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name in config:
            values[name] = _value(hints[name], config[name], path + name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise Error(f"`{path}{name}`: expected {_name(hints[name])}, found nothing")
    return to(**values)


def _value(to: Any, found: Any, path: str) -> Any:
    if to is Any:
        return found
    if _is_optional(to):
        return None if found is None else _value(_inner(to), found, path)
    if is_dataclass(to) and isinstance(found, dict):
        return read(to, found, path + ".")  # type: ignore[arg-type]
    origin = get_origin(to)
    if origin is list and isinstance(found, list):
        (inner,) = get_args(to)
        _all(to, inner, found, path)
        return [_value(inner, value, f"{path}[{at}]") for at, value in enumerate(found)]
    if origin is dict and isinstance(found, dict):
        _, inner = get_args(to)
        _all(to, inner, list(found.values()), path)
        return {key: _value(inner, value, f"{path}.{key}") for key, value in found.items()}
    if to is float and isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    if isinstance(to, type) and type(found) is to:
        return found
    raise Error(f"`{path}`: expected {_name(to)}, found {_found(found)}")


def _all(to: Any, inner: Any, values: list[Any], path: str) -> None:
    """Of values of a plain type, the whole is what was expected: `a list of strings`."""
    if inner not in _NAMES:
        return
    for value in values:
        if type(value) is not inner and not (inner is float and type(value) is int):
            raise Error(f"`{path}`: expected {_name(to)}, found {_found(value)} in it")


_NAMES: dict[Any, tuple[str, str]] = {
    str: ("a string", "strings"),
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
}


def _name(to: Any, plural: bool = False) -> str:
    if _is_optional(to):
        return _name(_inner(to), plural)
    if to in _NAMES:
        return _NAMES[to][plural]
    if get_origin(to) is list:
        return ("lists of " if plural else "a list of ") + _name(get_args(to)[0], True)
    if get_origin(to) is dict:
        return ("objects of " if plural else "an object of ") + _name(get_args(to)[1], True)
    return "objects" if plural else "an object"


def _found(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _is_optional(to: Any) -> bool:
    # `X | None` is a union of its own type, `Optional[X]` one of typing.
    return (get_origin(to) is Union or type(to).__name__ == "UnionType") and type(None) in get_args(to)


def _inner(to: Any) -> Any:
    return next(inner for inner in get_args(to) if inner is not type(None))
