"""What is acknowledged instead of mended: read from the templates' own metadata."""

from __future__ import annotations

from typing import Any

METADATA_KEY = "sageloop:acknowledged"


def acknowledged(template: dict[str, Any], resource: str, rule: str) -> str | None:
    """The reason why a resource may fail a rule, if one is given."""
    entries = template["Resources"][resource].get("Metadata", {}).get(METADATA_KEY, [])
    return next((str(e["reason"]) for e in entries if e["id"] == rule), None)
