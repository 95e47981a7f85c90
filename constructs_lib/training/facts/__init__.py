"""Facts that scripts refresh: images by region, accelerators by region."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent


@cache
def images() -> dict[str, Any]:
    """Images by name and version; written by scripts/refresh_images.py."""
    return _read("images.json")


@cache
def instances() -> dict[str, Any]:
    """Families with accelerators by region; written by scripts/refresh_instances.py."""
    return _read("instances.json")


def _read(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return facts
