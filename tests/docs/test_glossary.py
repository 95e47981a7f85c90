"""Each term of the glossary is defined once, in one sentence, and used by the code."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("constructs_lib", "lambda", "sageloop", "stacks", "scripts")


def rows() -> list[tuple[str, str, str]]:
    """Term, definition and names of each row."""
    table = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [(term, definition, names) for term, definition, names in cells]


@cache
def source() -> str:
    """All Python of the library, the stacks and the local cloud."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *(f"{folder}/*.py" for folder in CODE)],
        cwd=ROOT, text=True, check=True, capture_output=True,
    ).stdout.split("\0")  # fmt: skip
    return "\n".join((ROOT / name).read_text() for name in listed if name)


@cache
def words() -> str:
    """The code's words in lower case, with its names separated, and the pages of docs."""
    pages = "\n".join(p.read_text() for p in (ROOT / "docs").glob("*.md") if p != GLOSSARY)
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", source() + pages)
    return " ".join(re.findall(r"[a-z0-9]+", separated.lower()))


def names_of(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_names_of_a_term_occur_in_the_code(row: tuple[str, str, str]) -> None:
    names = names_of(row[2])

    assert names, f"{row[0]}: no name in the last column"
    assert [name for name in names if not re.search(rf"\b{name}\b", source())] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_term_is_used_outside_the_glossary(row: tuple[str, str, str]) -> None:
    term = " ".join(re.findall(r"[a-z0-9]+", row[0].lower()))

    assert re.search(rf"\b{term}", words()), f"{row[0]}: not used in code or docs"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_definition_is_one_sentence(row: tuple[str, str, str]) -> None:
    assert re.fullmatch(r"[A-Z][^.]*\.", row[1]), row[1]


def test_terms_are_sorted_and_unique() -> None:
    terms = [term for term, _, _ in rows()]

    assert len(terms) > 60
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("page", ["README.md", "docs/how-it-works.md"])
def test_glossary_is_linked(page: str) -> None:
    assert "glossary.md)" in (ROOT / page).read_text()
