"""Memory, descriptors, processes and files of a cloud, sampled by day, and the bounds of growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from sageloop.local_cloud.client import LocalCloud

WARM_UP_DAYS = 10
"""Days until services are loaded and the first models have been replaced."""
_MEGABYTE = 1 << 20
# Measured by tracemalloc: an object of S3 with its grants, metadata and body; the record of a call
# with its parameters, and the log of its decisions.
_OBJECT_KB, _DECISION_KB = 3.5, 0.7
_WITH_DESIGN = frozenset({"memory", "server"})


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample. ``memory`` is the resident memory of all processes, in MB.

    ``server`` is that of the server's process only; ``files`` and ``megabytes`` are those of the
    work folder. ``objects`` of all buckets, ``packages`` of the registry and ``decisions`` about
    calls grow by design: AWS keeps the first two, and the cloud records calls up to a bound.
    """

    day: int
    memory: float
    server: float
    processes: int
    descriptors: int
    threads: int
    files: int
    megabytes: float
    objects: int = 0
    packages: int = 0
    decisions: int = 0

    @property
    def by_design(self) -> float:
        """Memory of what grows by design, in MB."""
        return (self.objects * _OBJECT_KB + self.decisions * _DECISION_KB) / 1024

    def as_dict(self) -> dict[str, Any]:
        """The sample as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The growth of one quantity over the whole run, and what it may be.

    ``growth`` is the slope of the linear fit times the days after the warm-up, without
    ``by_design``; ``level`` is the fit's value at their begin; ``allowed`` is the larger of a share
    of the level and a constant.
    """

    quantity: str
    level: float
    growth: float
    by_design: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the growth is within the bound."""
        return self.growth <= self.allowed

    def as_dict(self) -> dict[str, Any]:
        """The bound as plain data."""
        return asdict(self) | {"holds": self.holds}


# Quantity, share of its level, and the least growth that is counted: one process more or less is
# no trend, and a model server has 80 MB.
ALLOWED = (
    ("memory", 0.20, 80.0), ("server", 0.25, 64.0), ("processes", 0.10, 2.0),
    ("descriptors", 0.10, 40.0), ("threads", 0.10, 20.0), ("files", 0.10, 40.0),
    ("megabytes", 0.10, 8.0),
)  # fmt: skip


def bounds(samples: Sequence[Sample]) -> Iterator[Bound]:
    """The growth of each quantity after the warm-up; none with fewer than five days after it."""
    later = [sample for sample in samples if sample.day > WARM_UP_DAYS]
    if len(later) < 5:
        return
    for quantity, share, least in ALLOWED:
        points = [(float(s.day), float(getattr(s, quantity))) for s in later]
        slope, start = fit(points)
        span = points[-1][0] - points[0][0]
        design = later[-1].by_design - later[0].by_design if quantity in _WITH_DESIGN else 0.0
        yield Bound(
            quantity=quantity, level=round(start, 2), growth=round(slope * span - design, 2),
            by_design=round(design, 2),
            allowed=round(max(share * start, least), 2),
        )  # fmt: skip


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The slope of the least squares line, and its value at the first point."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return slope, mean_y + slope * (points[0][0] - mean_x)


class Footprint:
    """Samples the processes of a cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        if cloud.pid is None:
            raise ValueError("the process id of the cloud is not known")
        self._server = psutil.Process(cloud.pid)
        self._folder = _work_folder(self._server)

    def sample(self, day: int, **by_design: int) -> Sample:
        """One sample of now; ``by_design`` are the counts of what grows by design."""
        family = [self._server, *self._server.children(recursive=True)]
        memory, descriptors, threads, count = 0.0, 0, 0, 0
        for process in family:
            with suppress(psutil.NoSuchProcess):
                memory += process.memory_info().rss / _MEGABYTE
                descriptors += process.num_fds()
                threads += process.num_threads()
                count += 1
        sizes = list(_sizes(self._folder))
        return Sample(
            day=day, memory=round(memory, 1),
            server=round(self._server.memory_info().rss / _MEGABYTE, 1), processes=count,
            descriptors=descriptors, threads=threads, files=len(sizes),
            megabytes=round(sum(sizes) / _MEGABYTE, 2), **by_design,
        )  # fmt: skip


def _work_folder(server: psutil.Process) -> Path:
    """The folder whose lock the server holds."""
    locks = [Path(f.path) for f in server.open_files() if Path(f.path).name == "lock"]
    if len(locks) != 1:
        raise ValueError(f"the cloud holds {len(locks)} locks of work folders, one is expected")
    return locks[0].parent


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            if path.is_file() and not path.is_symlink():
                yield status.st_size
