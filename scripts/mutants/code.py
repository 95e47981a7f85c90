"""Gives an imported module the functions and constants of a changed source."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any


def execute(module: ModuleType, source: str) -> ModuleType:
    """A module of the same name, from a changed source."""
    changed = ModuleType(module.__name__)
    exec(compile(source, str(module.__file__), "exec"), changed.__dict__)  # noqa: S102
    return changed


def replace_code(module: ModuleType, changed: ModuleType) -> None:
    """Let the functions of a module execute the code of a changed one, and replace its constants.

    Both wherever they were imported.
    """
    for present, new in _functions(vars(module), vars(changed), module.__name__):
        _replace(present, new)
    for name, value in vars(changed).items():
        before = vars(module).get(name)
        if not name.startswith("__") and _is_value(value) and value != before:
            _assign(name, before, value)


def _is_value(value: Any) -> bool:
    """Whether a value is a constant of simple types."""
    if isinstance(value, dict):
        return all(map(_is_value, (*value, *value.values())))
    if isinstance(value, frozenset | list | set | tuple):
        return all(map(_is_value, value))
    return value is None or isinstance(value, bool | bytes | float | int | str)


def _assign(name: str, present: Any, new: Any) -> None:
    for imported_name, module in list(sys.modules.items()):
        if imported_name.startswith("sageloop_runtime") and vars(module).get(name) is present:
            setattr(module, name, new)


def _functions(
    present: dict[str, Any], changed: dict[str, Any], module: str
) -> Iterator[tuple[FunctionType, FunctionType]]:
    """The functions of a namespace and of the classes in it, with the changed ones."""
    for name, value in list(present.items()):
        new = changed.get(name)
        if isinstance(value, type) and isinstance(new, type):
            if value.__module__ == module:
                yield from _functions(dict(vars(value)), dict(vars(new)), module)
            continue
        for one, other in zip(_unwrapped(value), _unwrapped(new), strict=False):
            if one.__module__ == module:
                yield one, other


def _unwrapped(value: Any) -> Iterator[FunctionType]:
    """The functions that a value executes: of methods, properties, decorated functions."""
    for attribute in ("fget", "func", "__func__", "__wrapped__"):
        inner = getattr(value, attribute, None)
        if inner is not None:
            yield from _unwrapped(inner)
    if isinstance(value, FunctionType):
        yield value


def _replace(present: FunctionType, new: FunctionType) -> None:
    if len(present.__code__.co_freevars) != len(new.__code__.co_freevars):
        raise TypeError(f"{present.__qualname__} has another closure")
    present.__code__ = new.__code__
    present.__defaults__ = new.__defaults__
    present.__kwdefaults__ = new.__kwdefaults__
