"""One JSON object a line, as CloudWatch Logs Insights reads it."""

from __future__ import annotations

import json
import sys


def log(message: str, **fields: object) -> None:
    """Write one structured line to standard output."""
    sys.stdout.write(json.dumps({"message": message, **fields}, default=str) + "\n")
