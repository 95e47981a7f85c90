"""Files and folders of clouds: none remain after a refusal, an end or a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from deployed import family, survivors

from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.local_cloud.core.work_folder import WorkFolder, remove_leftovers
from sageloop.local_cloud.server import main

COMMAND = Path(sys.executable).with_name("sageloop")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def folders(temporary: Path) -> set[Path]:
    return {path for path in temporary.glob("*sageloop*") if path.is_dir()}


@pytest.mark.slow
@pytest.mark.feature("faults: files of a killed cloud are removed by the next one")
def test_folder_of_a_killed_cloud_is_removed_by_the_next_one(temporary: Path) -> None:
    with LocalCloud.start() as living:
        (kept,) = folders(temporary)
        killed = LocalCloud.start()
        assert killed.pid is not None
        everything = family(killed.pid)
        os.kill(killed.pid, signal.SIGKILL)
        assert survivors(everything) == []
        assert len(folders(temporary)) == 2

        with LocalCloud.start():
            assert kept in folders(temporary)
            assert len(folders(temporary)) == 2
        assert folders(temporary) == {kept}
        assert living.health()["ok"]
    assert folders(temporary) == set()


def test_folder_without_a_lock_file_is_kept(temporary: Path) -> None:
    (temporary / "sageloop-mine").mkdir()
    (temporary / "sageloop-mine" / "note").touch()
    (temporary / "sageloop-link").symlink_to(temporary / "sageloop-mine")
    (temporary / "sageloop-file").touch()

    remove_leftovers()

    assert {p.name for p in temporary.iterdir()} == {
        "sageloop-mine", "sageloop-link", "sageloop-file",
    }  # fmt: skip
    assert (temporary / "sageloop-mine" / "note").exists()


def test_lock_file_that_is_a_link_is_not_followed(temporary: Path) -> None:
    (temporary / "sageloop-odd").mkdir()
    (temporary / "elsewhere").touch()
    (temporary / "sageloop-odd" / "lock").symlink_to(temporary / "elsewhere")

    remove_leftovers()

    assert (temporary / "sageloop-odd").exists()


def test_folder_of_another_user_is_kept(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = WorkFolder()
    for lock in dead.locks:
        os.close(lock)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_leftovers()
    assert dead.path.exists()

    monkeypatch.undo()
    remove_leftovers(temporary)
    assert not dead.path.exists()


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--rate", "0", "the clock's rate must be above 0 and at most 100000, got 0.0"),
        ("--rate", "-1", "the clock's rate must be above 0 and at most 100000, got -1.0"),
        ("--rate", "nan", "the clock's rate must be above 0 and at most 100000, got nan"),
        ("--rate", "inf", "the clock's rate must be above 0 and at most 100000, got inf"),
        ("--port", "-1", "the port must be from 0 (a free one) to 65535, got -1"),
        ("--port", "65536", "the port must be from 0 (a free one) to 65535, got 65536"),
        ("--region", "eu-cental-1", "the region must be one of AWS's"),
        ("--region", "", "the region must be one of AWS's"),
    ],
)
def test_invalid_option_is_refused_and_leaves_no_files(
    temporary: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, reason: str
) -> None:
    before = psutil.Process().children()

    assert main([f"{option}={value}"]) == 2

    message = capsys.readouterr().err
    assert message.startswith(reason)
    assert message.count("\n") == 1
    assert folders(temporary) == set()
    assert psutil.Process().children() == before


def test_refused_region_suggests_similar_regions(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--region=eu-cental-1"]) == 2

    assert "such as eu-central-1, " in capsys.readouterr().err


def test_refused_up_leaves_no_folder(tmp_path: Path) -> None:
    refused = subprocess.run(
        [COMMAND, "local", "up", "--rate", "nan"], cwd=tmp_path, text=True, capture_output=True,
        check=False,
    )  # fmt: skip

    assert refused.returncode == 2
    assert refused.stderr == "the clock's rate must be above 0 and at most 100000, got nan\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "turn",
    [
        lambda cloud: cloud.set_rate(float("nan")),
        lambda cloud: cloud.set_rate(0),
        lambda cloud: cloud.set_rate(float("inf")),
        lambda cloud: cloud.advance(seconds=float("nan")),
        lambda cloud: cloud.advance(seconds=float("inf")),
        lambda cloud: cloud.advance(seconds=1e13),
        lambda cloud: cloud.advance(seconds=-1),
    ],
)
def test_invalid_clock_settings_are_refused(
    shared: LocalCloud, turn: Callable[[LocalCloud], None]
) -> None:
    with pytest.raises(LocalCloudError, match=r"the clock's rate|virtual time"):
        turn(shared)

    before = shared.time()
    shared.advance(hours=1)
    assert 3600 <= shared.time() - before < 4000


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.mark.slow
@pytest.mark.feature("faults: down ends a cloud that does not respond")
def test_down_ends_a_cloud_that_does_not_respond(tmp_path: Path) -> None:
    def local(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "local", *arguments], cwd=tmp_path, text=True, capture_output=True,
            check=False,
        )  # fmt: skip

    up = local("up", "--port", "0")
    assert "its state is in memory" in up.stdout
    pid = int(json.loads((tmp_path / ".sageloop" / "local.json").read_text())["pid"])
    everything = family(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        down = local("down")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    assert down.returncode == 0, down.stderr
    assert survivors(everything, seconds=0) == []
    assert local("down").stderr == "no local cloud runs in this folder\n"
