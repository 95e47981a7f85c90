"""Generated documents are up to date, and links and tables are complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from scripts import acknowledgments_page
from scripts.generate_docs import PAGES, changes
from scripts.synthesis import SETTINGS
from tests.assemblies import assembly

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def pages() -> list[Path]:
    kept = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"),
            *(ROOT / "requirements").glob("*.md"), *(ROOT / "examples").rglob("*.md")]  # fmt: skip
    return sorted(kept)


def anchors(page: Path) -> set[str]:
    """The anchors of a document's headings, as its host generates them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def broken_links(page: Path) -> list[str]:
    text = CODE.sub("", page.read_text())
    wrong = []
    for link in LINK.findall(text):
        if link.startswith(("https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


def dependencies() -> dict[str, set[str]]:
    """The dependencies of pyproject.toml by extra (``core`` for none)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: {match[0] for line in lines if (match := NAME.match(line))}
        for extra, lines in groups.items()
    }


def documented() -> dict[str, set[str]]:
    """The dependencies of docs/dependencies.md, whose table begins with name and extra."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5:
            found.setdefault(cells[1], set()).update(cells[0].split(", "))
    return found


def test_generated_pages_are_up_to_date() -> None:
    shared = {settings: assembly(settings) for settings in SETTINGS}
    pages = PAGES | {"docs/acknowledgments.md": lambda: acknowledgments_page.render_from(shared)}

    assert list(changes(pages, ROOT)) == []


def test_missing_and_outdated_pages_are_found(tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("one")
    (tmp_path / "other.md").write_text("two")

    found = changes(dict.fromkeys(("same.md", "other.md", "none.md"), lambda: "one"), tmp_path)

    assert found == {"other.md": "one", "none.md": "one"}


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_have_a_target(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_link_is_reported(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](#here) [b](#there) [c](gone.md) [d](page.md) `[e](code.md)`\n")

    assert broken_links(page) == ["#there", "gone.md"]


def test_index_lists_every_decision_under_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    listed = dict(re.findall(r"^\d+\. \[(.+)\]\((.+\.md)\)$", index, re.MULTILINE))
    titles = {p.name: p.read_text().splitlines()[0] for p in folder.glob("[0-9]*.md")}

    assert sorted(listed.values()) == sorted(titles)
    for title, name in listed.items():
        assert titles[name].endswith(title)


def test_every_dependency_is_documented() -> None:
    written, asked = documented(), dependencies()

    assert {extra: sorted(names - written.get(extra, set())) for extra, names in asked.items()} == {
        extra: [] for extra in asked
    }


def test_every_documented_dependency_exists() -> None:
    written, asked = documented(), dependencies()

    assert {extra: sorted(written.get(extra, set()) - names) for extra, names in asked.items()} == {
        extra: [] for extra in asked
    }
