"""Cores, memory and accelerators of the instance types of endpoints.

https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-available-instance-types.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

_TYPE = re.compile(r"ml\.([a-z]+)(\d+)([a-z]*)\.(?:(\d*)(xlarge)|(medium|large))")
_T2 = {"medium": (2, 4), "large": (2, 8), "xlarge": (4, 16), "2xlarge": (8, 32)}
# Gigabytes of memory for each core, by instance family.
_PER_CORE = {"c": 2.0, "m": 4.0, "r": 8.0, "g": 4.0}
# Cores, gigabytes and accelerators of types that follow no rule.
_IRREGULAR = {
    "ml.c4.8xlarge": (36, 60, 0),
    "ml.p2.xlarge": (4, 61, 1), "ml.p2.8xlarge": (32, 488, 8), "ml.p2.16xlarge": (64, 732, 16),
    "ml.p3.2xlarge": (8, 61, 1), "ml.p3.8xlarge": (32, 244, 4), "ml.p3.16xlarge": (64, 488, 8),
    "ml.p4d.24xlarge": (96, 1152, 8), "ml.p4de.24xlarge": (96, 1152, 8),
    "ml.p5.4xlarge": (16, 256, 1), "ml.p5.48xlarge": (192, 2048, 8),
    "ml.p5e.48xlarge": (192, 2048, 8), "ml.p5en.48xlarge": (192, 2048, 8),
    "ml.inf1.xlarge": (4, 8, 1), "ml.inf1.2xlarge": (8, 16, 1), "ml.inf1.6xlarge": (24, 48, 4),
    "ml.inf1.24xlarge": (96, 192, 16),
    "ml.inf2.xlarge": (4, 16, 1), "ml.inf2.8xlarge": (32, 128, 1),
    "ml.inf2.24xlarge": (96, 384, 6), "ml.inf2.48xlarge": (192, 768, 12),
    "ml.trn1.2xlarge": (8, 32, 1), "ml.trn1.32xlarge": (128, 512, 16),
    "ml.trn1n.32xlarge": (128, 512, 16),
    "ml.g5.48xlarge": (192, 768, 8), "ml.g6.48xlarge": (192, 768, 8),
    "ml.g6e.48xlarge": (192, 1536, 8),
}  # fmt: skip
_MANY_GPUS = {"12xlarge": 4, "24xlarge": 4}


@dataclass(frozen=True, slots=True)
class Resources:
    """Cores, megabytes of memory and accelerators of an instance or a container."""

    cores: float
    memory_mb: int
    accelerators: float = 0.0

    def minus(self, other: Resources) -> Resources:
        """The difference of the resources."""
        return Resources(
            self.cores - other.cores,
            self.memory_mb - other.memory_mb,
            self.accelerators - other.accelerators,
        )

    def holds(self, other: Resources) -> bool:
        """Whether there is at least as much of each resource."""
        return (
            self.cores >= other.cores
            and self.memory_mb >= other.memory_mb
            and self.accelerators >= other.accelerators
        )


class InstanceTypes:
    """Resources by instance type; tests may replace entries, for example to limit memory."""

    def __init__(self) -> None:
        self._overrides: dict[str, Resources] = {}

    def of(self, name: str) -> Resources | None:
        """The resources of an instance type; ``None`` if it is unknown."""
        override = self._overrides.get(name)
        return _known(name) if override is None else override

    def change(self, name: str, **members: Any) -> None:
        """Replace ``cores``, ``memory_mb`` or ``accelerators`` of a type.

        Raises ``ValueError`` if the type is unknown. Running instances keep their resources.
        """
        resources = self.of(name)
        if resources is None:
            raise ValueError(f"unknown instance type {name}")
        self._overrides[name] = replace(resources, **members)

    def reset(self) -> None:
        """Discard all changes."""
        self._overrides.clear()


def _known(name: str) -> Resources | None:
    if name in _IRREGULAR:
        cores, gigabytes, accelerators = _IRREGULAR[name]
        return Resources(cores, gigabytes * 1024, accelerators)
    match = _TYPE.fullmatch(name)
    if match is None or match[1] not in (*_PER_CORE, "t"):
        return None
    family, generation, extra, times, xlarge, small = match.groups()
    size = small if xlarge is None else f"{times}xlarge"
    if family == "t":
        known = _T2.get(size)
        return None if known is None else Resources(known[0], known[1] * 1024)
    cores = _cores(size, times)
    each = 8.0 if family == "g" and extra == "e" else _PER_CORE[family]
    if f"{family}{generation}{extra}" == "c4":
        each = 1.875
    gpus = _MANY_GPUS.get(size, 1) if family == "g" else 0
    return Resources(cores, int(cores * each * 1024), gpus)


def _cores(size: str, times: str | None) -> int:
    if size in ("medium", "large"):
        return 1 if size == "medium" else 2
    return 4 * (int(times) if times else 1)
