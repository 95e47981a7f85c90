"""Deploys the app with the CDK CLI, and destroys it whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.demo.cdk import DEPLOY_ALL, DESTROY_ALL
from scripts.integ_account import Account, RefusedError
from stacks import Settings

ROOT = Path(__file__).resolve().parents[1]
_PARTS = ("Data", "Training", "Serving", "Workbench", "Operations")
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_DIFF = ("diff", "--fail")


def stack_names(settings: Settings) -> list[str]:
    """Names of the app's stacks."""
    return [f"{settings.project.name}-{part}" for part in _PARTS]


class Run:
    """One deployment and its deletion.

    Args:
        account: The target account.
        stacks: Names of the app's stacks.
        settings: Name or path of the settings file.

    """

    def __init__(self, account: Account, stacks: Sequence[str], *, settings: str) -> None:
        self._account, self._settings = account, settings
        self.stacks = list(stacks)
        self._cloudformation = account.client("cloudformation")

    def check(self) -> None:
        """Check that CDK is installed and bootstrapped, and that none of the stacks exists.

        Raises:
            RefusedError: If not.

        """
        if shutil.which("cdk", path=self._account.environment()["PATH"]) is None:
            raise RefusedError("the cdk command is not installed: run make setup")
        existing = sorted(self._ids())
        if existing:
            raise RefusedError(
                f"{', '.join(existing)}: already deployed, and would be destroyed at the end; "
                "choose another project.name by --settings FILE"
            )
        try:
            self._account.client("ssm").get_parameter(Name=_BOOTSTRAP)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            place = f"aws://{self._account.number}/{self._account.region}"
            raise RefusedError(
                f"the account is not bootstrapped: npx cdk bootstrap {place}"
            ) from error

    def deploy_and_destroy(self, say: Callable[[str], None]) -> int:
        """Deploy, check that there is no difference, destroy; 0 if every command succeeded."""
        ids: dict[str, str] = {}
        deployed = False
        try:
            deployed = self._cdk(*DEPLOY_ALL) and self._cdk(*_DIFF)
        except KeyboardInterrupt:
            say("interrupted: the stacks are destroyed; interrupt again to keep them")
        finally:
            with suppress(BotoCoreError, ClientError):  # errors must not prevent the deletion
                ids = self._ids()
            destroyed = self._cdk(*DESTROY_ALL)
        return self._account_for(ids, deployed, destroyed, say)

    def _account_for(
        self, ids: Mapping[str, str], deployed: bool, destroyed: bool, say: Callable[[str], None]
    ) -> int:
        left = sorted(self._ids())
        if left:
            say(f"NOT DELETED, and charged: {', '.join(left)}. Delete them manually.")
        for name in self._kept(ids.values()):
            say(f"retained by design: {name}")
        fine = deployed and destroyed and not left
        say("deployed, without differences, destroyed" if fine else "failed: see above")
        return 0 if fine else 1

    def _cdk(self, *arguments: str) -> bool:
        environment = self._account.environment() | {
            "SAGELOOP_SETTINGS": self._settings,
        }
        with tempfile.TemporaryDirectory(prefix="sageloop-integ-") as assembly:
            environment["CDK_OUTPUT"] = assembly
            ended = subprocess.run(["cdk", *arguments], cwd=ROOT, env=environment, check=False)
        return ended.returncode == 0

    def _ids(self) -> dict[str, str]:
        """Ids of those stacks that exist, by name."""
        ids: dict[str, str] = {}
        for name in self.stacks:
            try:
                answer = self._cloudformation.describe_stacks(StackName=name)
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
                continue
            ids[name] = answer["Stacks"][0]["StackId"]
        return ids

    def _kept(self, ids: Iterable[str]) -> list[str]:
        """Names of the resources that the deletion retained, from the stacks' events."""
        kept = set()
        pages = self._cloudformation.get_paginator("describe_stack_events")
        for stack in ids:
            for page in pages.paginate(StackName=stack):
                for event in page["StackEvents"]:
                    if event["ResourceStatus"] == "DELETE_SKIPPED":
                        kept.add(f"{event['ResourceType']} {event['PhysicalResourceId']}")
        return sorted(kept)
