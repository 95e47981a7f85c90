"""The environment in which the CDK CLI runs against a local cloud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sageloop.demo.cdk import Cdk, CdkResult
from sageloop.local_cloud.client import LocalCloud


class Recorded(Cdk):
    """Records the environment of a command instead of running it."""

    variables: Mapping[str, str]

    def _call(self, command: list[str], environment: Mapping[str, str]) -> CdkResult:
        self.variables = environment
        return CdkResult(0, 0.0, "")


@pytest.fixture
def cdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    for name in ("app.py", "cdk.json"):
        (tmp_path / name).touch()
    monkeypatch.setenv("CDK_VALIDATION", "of the shell")
    cloud = LocalCloud("http://127.0.0.1:1")
    return Recorded(tmp_path, cloud, work=tmp_path, log=tmp_path / "log")


def test_local_deployments_disable_cdk_validation(cdk: Recorded) -> None:
    cdk.run("deploy", settings="prod")

    assert cdk.variables["CDK_VALIDATION"] == "false"


def test_validation_is_enabled_by_argument(cdk: Recorded) -> None:
    cdk.run("deploy", settings="prod", validate=True)

    assert cdk.variables["CDK_VALIDATION"] == "true"
