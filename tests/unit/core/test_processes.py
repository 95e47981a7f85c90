"""Processes that the supervisor starts and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sageloop.local_cloud.core.child import Child
from sageloop.local_cloud.core.processes import Processes, clean_environment

FACTS = """
import json, os, signal, sys
print(json.dumps({
    "env": dict(os.environ), "cwd": os.getcwd(), "leader": os.getsid(0) == os.getpid(),
    "open": sorted(os.listdir("/proc/self/fd")),
    "ignored": [int(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
                if signal.getsignal(n) == signal.SIG_IGN and n != signal.SIGPIPE],
    "stdin": sys.stdin.read(),
}))
"""


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.stop()


def output(child: Child) -> bytes:
    assert child.stdout is not None
    with child.stdout as stream:
        return stream.read()


def python(processes: Processes, code: str, *arguments: str, **members: object) -> Child:
    options = {"env": clean_environment(), "stdout": subprocess.PIPE, **members}
    return processes.start("python", [sys.executable, "-IS", "-c", code, *arguments], **options)  # type: ignore[arg-type]


def test_process_has_its_own_environment_and_folder_only(
    processes: Processes, tmp_path: Path
) -> None:
    child = python(processes, FACTS, env={"ONLY": "this"}, cwd=tmp_path)

    facts = json.loads(output(child))

    assert facts["env"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"
    # The fourth is that of the listing itself.
    assert facts == {
        "env": {"ONLY": "this"}, "cwd": str(tmp_path), "leader": True,
        "open": ["0", "1", "2", "3"], "ignored": [], "stdin": "",
    }  # fmt: skip
    assert child.wait(10) == 0


def test_invalid_command_raises_the_system_s_error(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(FileNotFoundError) as missing:
        processes.start("none", ["no-such-program"], env={"PATH": "/bin"})
    with pytest.raises(PermissionError) as forbidden:
        processes.start("none", [str(tmp_path / "text")], env={})
    with pytest.raises(FileNotFoundError) as nowhere:
        processes.start("none", ["true"], env={"PATH": "/bin:/usr/bin"}, cwd="/no/such/folder")

    assert missing.value.filename == "no-such-program"
    assert forbidden.value.filename == str(tmp_path / "text")
    assert nowhere.value.filename == "/no/such/folder"
    assert processes.running() == {}


def test_exit_codes_and_signals_are_returned(processes: Processes) -> None:
    ended = python(processes, "raise SystemExit(7)")
    killed = python(processes, "import signal; signal.pause()")

    processes.kill(killed)

    assert ended.wait(10) == 7
    assert killed.wait(10) == -signal.SIGTERM
    assert (ended.poll(), killed.poll()) == (7, -signal.SIGTERM)


def test_wait_for_running_process_times_out(processes: Processes) -> None:
    child = python(processes, "import signal; signal.pause()")

    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    assert child.poll() is None


def test_large_environments_and_arguments_are_passed(processes: Processes) -> None:
    long = "x" * 100_000
    child = python(
        processes, "import os, sys; print(len(os.environ['LONG']), len(sys.argv[1]))", long,
        env={"LONG": long},
    )  # fmt: skip

    assert output(child).split() == [b"100000", b"100000"]


def test_start_after_stop_is_refused(processes: Processes) -> None:
    child = python(processes, "import signal; signal.pause()")

    processes.stop()

    assert child.wait(0) == -signal.SIGKILL
    assert not psutil.pid_exists(child.pid)
    with pytest.raises(OSError, match="the cloud is stopping"):
        python(processes, "")


HOG = """
import os, re, signal, sys
from sageloop.local_cloud.core.processes import Processes
processes = Processes()
signal.set_wakeup_fd(processes.alarm(0.5))
signal.signal(signal.SIGTERM, lambda *_: None)
print("ready", flush=True)
re.fullmatch("(a|a)*b", "a" * 60)
"""


def test_signal_ends_cloud_with_blocked_interpreter() -> None:
    with subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE) as cloud:
        assert cloud.stdout is not None
        assert cloud.stdout.readline() == b"ready\n"
        os.kill(cloud.pid, signal.SIGTERM)

        assert cloud.wait(20) == -signal.SIGKILL


def test_signal_after_the_start_keeps_the_grace_period() -> None:
    code = HOG.replace("0.5", "600").replace('re.fullmatch("(a|a)*b", "a" * 60)', "")
    code = code.replace('print("ready", flush=True)', "os.kill(os.getpid(), signal.SIGTERM)")
    code += 'processes.start("x", ["true"], env={"PATH": "/bin:/usr/bin"}).wait(20)\n'
    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)

    assert ended.returncode == 0


def test_cloud_that_exceeds_its_deadline_is_killed() -> None:
    code = (
        "import signal\nfrom sageloop.local_cloud.core.processes import Processes\n"
        "processes = Processes()\nprocesses.end_cloud_after(0.1)\nsignal.pause()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=20)

    assert ended.returncode == -signal.SIGKILL
