"""Writes the generated pages: ``python -m scripts.generate_docs`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts import (
    acknowledgments_page,
    coverage_page,
    fault_cases_page,
    features_page,
    settings_page,
)

ROOT = Path(__file__).resolve().parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "docs/local-cloud-coverage.md": coverage_page.render,
    "docs/fault-cases.md": fault_cases_page.render,
    "docs/features.md": features_page.render,
    "docs/acknowledgments.md": acknowledgments_page.render,
    "docs/settings.md": settings_page.render,
}


def main() -> int:
    """Write every page, or with ``--check`` report outdated ones."""
    parser = argparse.ArgumentParser(prog="generate_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one differs")
    check = parser.parse_args().check
    changed = changes(PAGES, ROOT)
    for name, text in changed.items():
        if check:
            print(f"{name} is out of date: make docs", file=sys.stderr)  # noqa: T201
        else:
            (ROOT / name).write_text(text)
    return 1 if check and changed else 0


def changes(pages: Mapping[str, Callable[[], str]], root: Path) -> dict[str, str]:
    """The pages below a folder that are missing or out of date, with their text by name."""
    texts = {name: render() for name, render in pages.items()}
    return {
        name: text
        for name, text in texts.items()
        if not (root / name).exists() or (root / name).read_text() != text
    }


if __name__ == "__main__":
    sys.exit(main())
