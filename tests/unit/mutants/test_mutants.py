"""How `make mutants` applies a change: to functions and constants of modules that are imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from scripts.mutants.code import execute, replace_code
from scripts.mutants.constants import is_replaceable, uses_of_constant
from scripts.mutants.targets import source_of

SOURCE = """
from contextlib import contextmanager

_LIMIT = 3
_ALL = (_LIMIT, 4)

def limit(value=_LIMIT):
    return min(value, _LIMIT) + 1

@contextmanager
def opened():
    yield 1

class Reader:
    size = 1

    def read(self):
        return 1

    @property
    def name(self):
        return "a"

    @classmethod
    def made(cls):
        return 1

    @staticmethod
    def free():
        return 1
"""


@pytest.fixture
def modules() -> Iterator[tuple[ModuleType, ModuleType]]:
    """A module of functions, and one that imports its names."""
    module, user = ModuleType("sageloop_runtime.made"), ModuleType("sageloop_runtime.user")
    module.__file__ = "made.py"
    sys.modules |= {module.__name__: module, user.__name__: user}
    exec(SOURCE, module.__dict__)  # noqa: S102
    for name in ("limit", "opened", "Reader", "_LIMIT"):
        setattr(user, name, getattr(module, name))
    yield module, user
    del sys.modules[module.__name__], sys.modules[user.__name__]


def apply(module: ModuleType, old: str, new: str) -> None:
    assert old in SOURCE
    replace_code(module, execute(module, SOURCE.replace(old, new)))


def test_imported_functions_execute_the_changed_code(
    modules: tuple[ModuleType, ModuleType],
) -> None:
    module, user = modules

    apply(module, "+ 1", "+ 2")

    assert user.limit(1) == 3


def test_constants_are_replaced_where_they_were_imported(
    modules: tuple[ModuleType, ModuleType],
) -> None:
    module, user = modules

    apply(module, "_LIMIT = 3", "_LIMIT = 5")

    assert (module._LIMIT, user._LIMIT, module._ALL) == (5, 5, (5, 4))
    assert user.limit() == 6
    assert user.limit(9) == 6


@pytest.mark.parametrize(
    ("old", "new", "use"),
    [
        (
            "def read(self):\n        return 1",
            "def read(self):\n        return 2",
            lambda reader: reader.read(),
        ),
        ('return "a"', "return 2", lambda reader: reader.name),
        (
            "def made(cls):\n        return 1",
            "def made(cls):\n        return 2",
            lambda reader: reader.made(),
        ),
        (
            "def free():\n        return 1",
            "def free():\n        return 2",
            lambda reader: reader.free(),
        ),
    ],
)
def test_methods_of_any_kind_execute_the_changed_code(
    modules: tuple[ModuleType, ModuleType], old: str, new: str, use: Callable[[Any], Any]
) -> None:
    module, user = modules
    apply(module, old, new)

    assert use(user.Reader()) == 2


def test_decorated_functions_execute_the_changed_code(
    modules: tuple[ModuleType, ModuleType],
) -> None:
    module, user = modules

    apply(module, "yield 1", "yield 2")

    with user.opened() as value:
        assert value == 2


def test_module_that_cannot_be_imported_is_an_error(
    modules: tuple[ModuleType, ModuleType],
) -> None:
    with pytest.raises(ZeroDivisionError):
        apply(modules[0], "_LIMIT = 3", "_LIMIT = 1 / 0")


def line_of(module: str, text: str) -> int:
    (number,) = (
        number
        for number, line in enumerate(source_of(module).read_text().splitlines(), start=1)
        if line.strip() == text
    )
    return number


def test_constant_is_used_by_functions_and_by_the_modules_that_import_it() -> None:
    own = line_of("aws/custom_resource.py", "_LONGEST_ID = 255")
    use = line_of(
        "aws/custom_resource.py", "if value is None or len(value.encode()) > _LONGEST_ID:"
    )
    assert uses_of_constant("aws/custom_resource.py", own) == {("aws/custom_resource.py", str(use))}
    assert is_replaceable("aws/custom_resource.py", own)

    live = line_of("champion/record.py", 'LIVE = "live"')
    users = {module for module, _ in uses_of_constant("champion/record.py", live)}
    assert {"champion/record.py", "champion/manual_request.py"} <= users


def test_line_of_a_function_is_no_constant() -> None:
    line = line_of("aws/custom_resource.py", "return physical_id")

    assert uses_of_constant("aws/custom_resource.py", line) == set()
    assert not is_replaceable("aws/custom_resource.py", line)
