"""Times in the format of SageMaker events: epoch milliseconds as numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def in_milliseconds(value: Any) -> Any:
    """A copy of plain data in which each ``datetime`` is a number of epoch milliseconds."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {k: in_milliseconds(v) for k, v in value.items()}
    if isinstance(value, list):
        return [in_milliseconds(v) for v in value]
    return value
