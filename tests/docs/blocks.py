"""Code blocks of Markdown documents."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"^# (\w+\.(?:py|json))\n")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a document in one language, in order."""
    found = _FENCE.findall((ROOT / page).read_text())
    return [text for kind, text in found if kind == language]


def programs(page: str) -> dict[str, str]:
    """The Python blocks of a document by file name: a first line ``# name.py``, or a number."""
    named = {}
    for number, text in enumerate(blocks(page, "python")):
        match = _NAME.match(text)
        named[match[1] if match else f"block_{number}.py"] = text
    return named


def commands(page: str) -> list[str]:
    """The shell commands of a document."""
    return [line for text in blocks(page, "sh") for line in text.splitlines() if line.strip()]
