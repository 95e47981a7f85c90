"""The contract against circular imports can fail; ``make check`` applies it to the code."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

from scripts.import_circles import NoCircles, circles


def package(folder: Path, **modules: str) -> grimp.ImportGraph:
    """The graph of a package ``shop`` with some modules."""
    (folder / "shop").mkdir()
    for name, text in {"__init__": "", **modules}.items():
        (folder / "shop" / f"{name}.py").write_text(text)
    return grimp.build_graph("shop", cache_dir=None)


def kept(graph: grimp.ImportGraph) -> bool:
    contract = NoCircles("circles", {}, {"packages": ["shop"]})
    return bool(contract.check(graph, verbose=False).kept)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_import_for_types_counts_as_circular(folder: Path) -> None:
    lazily = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import till\n"

    assert not kept(package(folder, goods=lazily, till="from shop import goods\n"))


def test_import_inside_a_function_counts_as_circular(folder: Path) -> None:
    inside = "def price():\n    from shop import till\n    return till\n"

    assert not kept(package(folder, goods=inside, till="from shop import goods\n"))


def test_acyclic_imports_keep_the_contract(folder: Path) -> None:
    assert kept(package(folder, goods="", till="from shop import goods\n"))


def test_missing_package_is_an_error(folder: Path) -> None:
    contract = NoCircles("circles", {}, {"packages": ["elsewhere"]})

    with pytest.raises(ValueError, match="not in the graph of imports: elsewhere"):
        contract.check(package(folder), verbose=False)


def test_separate_circles_are_each_reported() -> None:
    found = circles({"a": ["b"], "b": ["a"], "x": ["y"], "y": ["z"], "z": ["x"], "w": ["a"]})

    assert found == [["a", "b", "a"], ["x", "y", "z", "x"]]
