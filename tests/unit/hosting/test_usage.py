"""Resource usage of instances."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sageloop.local_cloud.sagemaker.hosting.instances.usage import UsageMeter

# A worker process does the work; the process that is started is idle.
_WORKER = """
import sys, time
while time.process_time() < 0.4:
    pass
print("worked", flush=True)
sys.stdin.read()
"""


class MeasuredInstance:
    """The attributes of an instance that are measured."""

    def __init__(self, folder: Path, *processes: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.processes = list(processes)


def test_usage_includes_all_processes_of_a_container(tmp_path: Path) -> None:
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", parent, _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        meter, instance = UsageMeter(), MeasuredInstance(tmp_path, child)
        began = time.monotonic()
        first = meter.read(instance)  # type: ignore[arg-type]
        assert child.stdout is not None
        assert child.stdout.readline() == b"worked\n"
        second = meter.read(instance)  # type: ignore[arg-type]
        elapsed = time.monotonic() - began
        child.stdin.close()  # type: ignore[union-attr]

    assert first is not None
    assert second is not None
    assert first.cpu == 0
    # The core seconds of the worker, independent of the wall time.
    assert second.cpu / 100 * elapsed > 0.3
    assert second.memory > 0
    assert meter.read(instance) is None  # type: ignore[arg-type]


def test_linked_model_counts_as_disk_usage(tmp_path: Path) -> None:
    model, base = tmp_path / "unpacked", tmp_path / "base"
    model.mkdir()
    base.mkdir()
    (model / "weights.bin").write_bytes(b"x" * 5_000_000)
    (model / "model").symlink_to(model, target_is_directory=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        before = UsageMeter().read(MeasuredInstance(base, child))  # type: ignore[arg-type]
        (base / "model").symlink_to(model, target_is_directory=True)
        after = UsageMeter().read(MeasuredInstance(base, child))  # type: ignore[arg-type]
        child.kill()

    assert before is not None
    assert after is not None
    assert before.disk == 0 < after.disk
