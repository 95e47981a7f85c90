"""Writes the generated pages: ``python -m scripts.generate_docs`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import acknowledgments_page, coverage_page, features_page, settings_page

ROOT = Path(__file__).resolve().parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "docs/local-cloud-coverage.md": coverage_page.render,
    "docs/features.md": features_page.render,
    "docs/acknowledgments.md": acknowledgments_page.render,
    "docs/settings.md": settings_page.render,
}


def main() -> int:
    """Write every page, or with ``--check`` report outdated ones."""
    parser = argparse.ArgumentParser(prog="generate_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one differs")
    check = parser.parse_args().check
    stale = []
    for name, render in PAGES.items():
        path, text = ROOT / name, render()
        if check and (not path.exists() or path.read_text() != text):
            stale.append(name)
        elif not check:
            path.write_text(text)
    for name in stale:
        print(f"{name} is out of date: make docs", file=sys.stderr)  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
