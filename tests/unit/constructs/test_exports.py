from __future__ import annotations

import importlib
import pkgutil

import constructs_lib


def _capabilities() -> list[str]:
    return [
        result.name
        for result in pkgutil.iter_modules(constructs_lib.__path__)
        if result.ispkg and not result.name.startswith("_")
    ]


def test_all_is_sorted_and_unique() -> None:
    assert constructs_lib.__all__ == sorted(set(constructs_lib.__all__))


def test_all_has_exports_of_capabilities_and_error() -> None:
    offered = {
        name
        for capability in _capabilities()
        for name in importlib.import_module(f"constructs_lib.{capability}").__all__
    }

    assert set(constructs_lib.__all__) == offered | {"ConfigurationError"}


def test_exports_of_capabilities_are_sorted() -> None:
    for capability in _capabilities():
        names = importlib.import_module(f"constructs_lib.{capability}").__all__
        assert names == sorted(names), capability


def test_exports_exist_and_are_documented() -> None:
    for name in constructs_lib.__all__:
        assert getattr(constructs_lib, name).__doc__, name
