"""Resource usage of an instance: its processes with all their descendants."""

from __future__ import annotations

import os
import shutil
import time as wall
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance


class Usage(NamedTuple):
    """Usage in percent of one core, of the machine's memory and of its disk."""

    cpu: float
    memory: float
    disk: float


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """The usage of one process: core seconds since its start, current bytes and percent."""

    process: tuple[int, float]
    seconds: float
    resident: int
    percent: float


class UsageMeter:
    """Measures instances; processor usage is known from the second measurement on."""

    def __init__(self) -> None:
        self._before: WeakKeyDictionary[Instance, tuple[float, dict[tuple[int, float], float]]]
        self._before = WeakKeyDictionary()

    def read(self, instance: Instance) -> Usage | None:
        """The usage of an instance, or ``None`` if it has no running process."""
        current = list(usage_of_processes(instance.processes))
        if not current:
            return None
        now, seconds = wall.monotonic(), {one.process: one.seconds for one in current}
        since, before = self._before.get(instance, (now, seconds))
        self._before[instance] = (now, seconds)
        # A process that started in between counts from its start; one that ended is not counted.
        worked = sum(spent - before.get(process, 0.0) for process, spent in seconds.items())
        cpu = 100 * worked / (now - since) if now > since else 0.0
        disk = 100 * _bytes_under(instance.folder) / shutil.disk_usage("/").total
        return Usage(cpu, sum(one.percent for one in current), disk)


def usage_of_processes(processes: Iterable[Child]) -> Iterator[ProcessUsage]:
    """The usage of processes and their descendants without those that have ended."""
    import psutil

    for process in processes:
        if process.poll() is not None:
            continue
        with suppress(psutil.Error):
            first = psutil.Process(process.pid)
            for one in (first, *first.children(recursive=True)):
                with suppress(psutil.Error):
                    times = one.cpu_times()
                    yield ProcessUsage(
                        (one.pid, one.create_time()), times.user + times.system,
                        one.memory_info().rss, one.memory_percent(),
                    )  # fmt: skip


def _bytes_under(folder: Path, *, linked: bool = True) -> int:
    """The total size of files; a linked model directory counts, links in it do not."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _bytes_under(Path(entry.path), linked=linked)
            elif linked and entry.name == "model" and entry.is_dir():
                total += _bytes_under(Path(entry.path), linked=False)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total
