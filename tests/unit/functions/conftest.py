"""The functions' layer and the simulated world on the path."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))
sys.path.insert(0, str(_ROOT / "tests" / "faults"))
