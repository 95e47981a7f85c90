"""Access to a local cloud: its file, its environment variables, its permissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sageloop.environment import NotLoopbackError
from sageloop.local_cloud.access.cloud_access import CloudAccess, CloudAccessError
from sageloop.local_cloud.client import LocalCloud, LocalCloudError

URL = "http://127.0.0.1:4747"
VARIABLES = {
    "AWS_ENDPOINT_URL": URL, "AWS_ACCESS_KEY_ID": "LKIAFROMENVIRONMENT0",
    "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
}  # fmt: skip


def access(**other: Any) -> CloudAccess:
    usual = {
        "endpoint_url": URL, "region": "eu-west-1", "access_key_id": "LKIA0123456789ABCDEF",
        "secret_access_key": "a-secret", "admin_token": "a-token", "pid": 7,
    }  # fmt: skip
    return CloudAccess(**usual | other)


def test_file_contains_access_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "local.json"

    written = access().write(path)

    assert CloudAccess.read(path) == written == access(file=path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_file_with_wide_permissions_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    path.touch(mode=0o644)

    access().write(path)

    assert path.stat().st_mode & 0o777 == 0o600


def test_representation_omits_secrets() -> None:
    assert "a-secret" not in repr(access())
    assert "a-token" not in repr(access())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"endpoint_url": "http://127.0.0.1:1", "pid": 3}']
)
def test_invalid_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "local.json"
    path.write_text(text)

    with pytest.raises(CloudAccessError, match="is not the access of a local cloud"):
        CloudAccess.read(path)
    with pytest.raises(LocalCloudError, match="is not the access file of a local cloud"):
        LocalCloud.from_file(path)


def test_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotLoopbackError):
        access(endpoint_url="http://10.0.0.1:4747")
    path = tmp_path / "local.json"
    path.write_text(json.dumps(json.loads(access().to_json()) | {"endpoint_url": "http://evil"}))
    with pytest.raises(CloudAccessError, match="must be on this machine"):
        CloudAccess.read(path)


def test_file_in_the_environment_has_precedence(tmp_path: Path) -> None:
    written = access().write(tmp_path / "local.json")
    named = VARIABLES | {"SAGELOOP_LOCAL_CLOUD": str(written.file)}

    assert CloudAccess.find(variables=named) == written
    assert CloudAccess.find("http://localhost:4747", variables=named) == written
    other = CloudAccess.find("http://127.0.0.1:4748", variables=named)
    assert other is not None
    assert other.access_key_id == "LKIAFROMENVIRONMENT0"


def test_keys_in_the_environment_are_used_without_admin_token(tmp_path: Path) -> None:
    gone = {"SAGELOOP_LOCAL_CLOUD": str(tmp_path / "gone")}

    for variables in (VARIABLES, VARIABLES | gone):
        access = CloudAccess.find(variables=variables)
        assert access == CloudAccess(
            endpoint_url=URL, region="eu-west-1", access_key_id="LKIAFROMENVIRONMENT0",
            secret_access_key="secret",
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, {"AWS_SESSION_TOKEN": "token"},
        {"AWS_SECRET_ACCESS_KEY": ""}, {"AWS_ENDPOINT_URL": None},
    ],
)  # fmt: skip
def test_other_keys_in_the_environment_are_not_used(
    change: dict[str, str | None],
) -> None:
    variables = {k: v for k, v in (VARIABLES | change).items() if v is not None}

    assert CloudAccess.find(variables=variables) is None


def test_environment_names_the_file_and_contains_no_token(tmp_path: Path) -> None:
    written = access().write(tmp_path / "local.json")

    made = written.environment(inherited={"SAGELOOP_LOCAL_CLOUD": "other", "AWS_PROFILE": "p"})

    assert made["SAGELOOP_LOCAL_CLOUD"] == str(tmp_path / "local.json")
    assert made["AWS_SECRET_ACCESS_KEY"] == "a-secret"
    assert "a-token" not in str(made)
    assert "AWS_PROFILE" not in made
    assert CloudAccess.find(variables=made) == written
    assert "SAGELOOP_LOCAL_CLOUD" not in access().environment(
        inherited={"SAGELOOP_LOCAL_CLOUD": "other"}
    )
