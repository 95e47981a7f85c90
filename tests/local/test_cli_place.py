"""`train`, `history` and `rollback` find the keys of the local cloud at an address, or refuse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sageloop.local_cloud.client import LocalCloud
from tests import forked

COMMANDS = {
    "train": (["train", "absent"], "no job 'absent'"),
    "rollback": (["rollback", "absent"], "no champion endpoint 'absent'"),
    "history": (["history"], "no champion endpoint is deployed"),
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as started:
        yield started


@pytest.fixture
def folder(cloud: LocalCloud, tmp_path: Path) -> Path:
    """A folder with the file that ``sageloop local up`` writes."""
    tmp_path.chmod(0o700)
    cloud.access.write(tmp_path / ".sageloop" / "local.json")
    return tmp_path


def sageloop(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and the error of a command whose environment has no keys."""
    environment = {"PATH": os.defpath, **variables}
    ended = forked.run("sageloop", *arguments, cwd=folder, env=environment)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_command_at_an_address_uses_the_keys_of_the_folder(
    cloud: LocalCloud, folder: Path, command: str
) -> None:
    arguments, expected = COMMANDS[command]

    code, error = sageloop(folder, *arguments, "--endpoint-url", cloud.endpoint_url)

    assert (code, error.startswith(expected)) == (2, True), error


@pytest.mark.parametrize("address", ["http://localhost:{}", "http://127.0.0.1:{}/"])
def test_equivalent_address_uses_the_same_keys(
    cloud: LocalCloud, folder: Path, address: str
) -> None:
    url = address.format(urlsplit(cloud.endpoint_url).port)

    code, error = sageloop(folder, "history", "--endpoint-url", url)

    assert (code, error.startswith(COMMANDS["history"][1])) == (2, True), error


def test_address_in_the_environment_uses_the_keys_of_the_folder(
    cloud: LocalCloud, folder: Path
) -> None:
    code, error = sageloop(folder, "history", AWS_ENDPOINT_URL=cloud.endpoint_url)

    assert (code, error.startswith(COMMANDS["history"][1])) == (2, True), error


@pytest.mark.parametrize("command", COMMANDS)
def test_command_without_the_keys_of_the_cloud_is_refused_in_one_line(
    cloud: LocalCloud, tmp_path: Path, command: str
) -> None:
    before = len(cloud.calls())

    code, error = sageloop(tmp_path, *COMMANDS[command][0], "--endpoint-url", cloud.endpoint_url)

    assert code == 2
    assert error.splitlines() == [
        f"no keys of the local cloud at {cloud.endpoint_url} in this folder or the environment: "
        "use --local in the folder of `sageloop local up`, or sageloop local run -- COMMAND in it"
    ]
    assert len(cloud.calls()) == before


def test_keys_of_the_folder_are_not_sent_to_another_address(
    folder: Path, cloud: LocalCloud
) -> None:
    code, error = sageloop(folder, "history", "--endpoint-url", "http://127.0.0.1:1")

    assert (code, "no keys of the local cloud at http://127.0.0.1:1" in error) == (2, True), error


def test_refused_listing_is_reported_as_an_error(cloud: LocalCloud, tmp_path: Path) -> None:
    code, error = sageloop(
        tmp_path, "history", AWS_ENDPOINT_URL=cloud.endpoint_url,
        AWS_ACCESS_KEY_ID=cloud.access.access_key_id, AWS_SECRET_ACCESS_KEY="wrong",
    )  # fmt: skip

    assert (code, "InvalidSignatureException" in error) == (2, True), error
