"""The built-in XGBoost algorithm: training and serving programs."""

from __future__ import annotations

import os

# Read when the library loads. Spinning threads waste cores that are shared with other jobs
# (one measurement, two busy cores: 11.6 s with spinning, 1.4 s without).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
