"""Runs the CDK CLI against the local cloud, by environment variables only."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sageloop.local_cloud.client import LocalCloud

DEPLOY_ALL = ("deploy", "--all", "--require-approval", "never")
DESTROY_ALL = ("destroy", "--all", "--force")


class CdkMissingError(RuntimeError):
    """The CDK CLI or the project's app does not exist."""


@dataclass(frozen=True, slots=True)
class CdkResult:
    """The result of a command: exit code, wall seconds and output."""

    code: int
    seconds: float
    output: str


class Cdk:
    """Runs ``cdk`` in a project's folder."""

    def __init__(self, project: Path, cloud: LocalCloud, *, work: Path, log: Path) -> None:
        """``work`` receives the cloud assembly, ``log`` the output of the commands."""
        if not (project / "app.py").is_file() or not (project / "cdk.json").is_file():
            raise CdkMissingError(
                f"no app.py and cdk.json in {project}: run this in a checkout of the project"
            )
        self._project, self._cloud, self._work, self._log = project, cloud, work, log

    def run(
        self, *arguments: str, settings: str, validate: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> CdkResult:  # fmt: skip
        """Run one command with an environment that reaches the local cloud only.

        ``environment`` has variables of the app. ``validate`` True enables CDK's validation of
        templates, which takes ten seconds of a synthesis: once for each app is enough.
        """
        variables = self._cloud.environment() | {
            **({} if environment is None else environment),
            "SAGELOOP_SETTINGS": settings,
            "CDK_OUTPUT": str(self._work / "cdk.out"),
            "CI": "true",
            "CDK_VALIDATION": "true" if validate else "false",
        }
        return self._call(["cdk", *arguments], variables)

    def _call(self, command: list[str], environment: Mapping[str, str]) -> CdkResult:
        started = time.monotonic()
        try:
            ended = subprocess.run(
                command, cwd=self._project, env=dict(environment), text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise CdkMissingError("the cdk command is not installed: run make setup") from error
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{ended.stdout}\n")
        return CdkResult(ended.returncode, time.monotonic() - started, ended.stdout)
