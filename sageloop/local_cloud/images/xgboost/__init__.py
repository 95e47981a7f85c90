"""The built-in XGBoost algorithm: a program that trains and one that serves."""

from __future__ import annotations

import os

# Read when the library loads. Threads that spin while they wait are ruinous where cores are
# shared with other jobs (one measurement, two busy cores: 11.6 s spinning, 1.4 s not).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
