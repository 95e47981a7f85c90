"""The units of metrics."""

from __future__ import annotations

from collections.abc import Iterable

# In the order in which CloudWatch lists them in its errors. Where data has several units and a
# request names none, the first of these is taken: observed on AWS, while its pages say that data of
# all units is returned.
UNITS = (
    "Megabits", "Terabits", "Gigabits", "Count", "Bytes", "Gigabytes", "Gigabytes/Second",
    "Kilobytes", "Kilobits/Second", "Terabytes", "Terabits/Second", "Bytes/Second", "Percent",
    "Megabytes", "Megabits/Second", "Milliseconds", "Microseconds", "Kilobytes/Second",
    "Gigabits/Second", "Megabytes/Second", "Bits", "Bits/Second", "Count/Second", "Seconds",
    "Kilobits", "Terabytes/Second", "None",
)  # fmt: skip


def in_order(units: Iterable[str]) -> list[str]:
    """Units, the first of them the one that CloudWatch takes."""
    return sorted(units, key=lambda unit: UNITS.index(unit) if unit in UNITS else len(UNITS))
