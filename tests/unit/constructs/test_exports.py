from __future__ import annotations

import importlib
import pkgutil

import constructs_lib


def _capabilities() -> list[str]:
    return [
        found.name
        for found in pkgutil.iter_modules(constructs_lib.__path__)
        if found.ispkg and not found.name.startswith("_")
    ]


def test_all_is_sorted_and_names_nothing_twice() -> None:
    assert constructs_lib.__all__ == sorted(set(constructs_lib.__all__))


def test_all_names_what_the_capabilities_offer_and_the_error() -> None:
    offered = {
        name
        for capability in _capabilities()
        for name in importlib.import_module(f"constructs_lib.{capability}").__all__
    }

    assert set(constructs_lib.__all__) == offered | {"ConfigurationError"}


def test_each_capability_sorts_what_it_offers() -> None:
    for capability in _capabilities():
        names = importlib.import_module(f"constructs_lib.{capability}").__all__
        assert names == sorted(names), capability


def test_everything_named_is_there_and_documented() -> None:
    for name in constructs_lib.__all__:
        assert getattr(constructs_lib, name).__doc__, name
