"""Structured logs: one JSON object per line, as CloudWatch Logs Insights parses them."""

from __future__ import annotations

import json
import sys


def log(message: str, **fields: object) -> None:
    """Write one line to standard output."""
    sys.stdout.write(json.dumps({"message": message, **fields}, default=str) + "\n")
