"""The functions' layer on the path, as Lambda puts it there."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))
