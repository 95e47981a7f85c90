"""`make integ` requires confirmation before it changes anything; against a local cloud."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from sageloop.local_cloud.client import LocalCloud
from scripts.integ import costs, main
from scripts.integ_run import stack_names
from stacks import load_settings

ROOT = Path(__file__).resolve().parents[2]
READING = {"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "ssm:GetParameter"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture
def last_call(cloud: LocalCloud) -> int:
    """The number of the last call before the test."""
    return max((call["number"] for call in cloud.calls()), default=0)


@dataclass(frozen=True)
class Ended:
    """Exit code and output of the command."""

    returncode: int
    stdout: str


def integ(
    cloud: LocalCloud,
    *arguments: str,
    typed: str | None = None,
    environment: dict[str, str] | None = None,
    **variables: str,
) -> Ended:
    """Run the command as a user of this cloud; ``typed`` at a terminal, None without one."""
    shell = (cloud.environment() if environment is None else environment) | variables
    return _without_terminal(arguments, shell) if typed is None else _typed(typed, arguments, shell)


def _without_terminal(arguments: Sequence[str], shell: Mapping[str, str]) -> Ended:
    # In this process: a new one takes three seconds to import CDK.
    printed = io.StringIO()
    with (
        patch.dict(os.environ, shell, clear=True), Path(os.devnull).open() as nothing,
        patch.object(sys, "stdin", nothing), redirect_stdout(printed), redirect_stderr(printed),
    ):  # fmt: skip
        code = main(arguments)
    return Ended(code, printed.getvalue())


def _typed(text: str, arguments: Sequence[str], shell: Mapping[str, str]) -> Ended:
    master, slave = pty.openpty()
    try:
        os.write(master, f"{text}\n".encode())
        ended = subprocess.run(
            [sys.executable, "-m", "scripts.integ", *arguments], cwd=ROOT, text=True, check=False,
            env=dict(shell), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=slave,
            timeout=600,
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)
    return Ended(ended.returncode, ended.stdout)


def actions(cloud: LocalCloud, after: int) -> set[str]:
    return {call["action"] for call in cloud.calls(after=after)}


def test_command_without_terminal_is_refused(cloud: LocalCloud, last_call: int) -> None:
    ended = integ(cloud, "--rehearse")

    assert ended.returncode == 2
    assert "SAGELOOP_INTEG=<account id>" in ended.stdout
    assert actions(cloud, last_call) == set()


def test_other_account_id_is_refused(cloud: LocalCloud, last_call: int) -> None:
    ended = integ(cloud, "--rehearse", SAGELOOP_INTEG="000000000000")

    assert ended.returncode == 2
    assert "'000000000000' is not the account 123456789012\nNothing was changed." in ended.stdout
    assert actions(cloud, last_call) == {"sts:GetCallerIdentity"}


@pytest.mark.slow
def test_invalid_confirmation_is_refused_after_the_costs_are_shown(
    cloud: LocalCloud, last_call: int
) -> None:
    ended = integ(cloud, "--rehearse", typed="yes")

    for shown in ("123456789012", "us-east-1", "sageloop-dev-Data", "interface endpoints", "USD"):
        assert shown in ended.stdout
    assert ended.returncode == 2
    assert "'yes' is not the account" in ended.stdout
    assert actions(cloud, last_call) == {"sts:GetCallerIdentity"}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["typed", "SAGELOOP_INTEG"])
def test_correct_account_id_starts_read_only_checks(
    cloud: LocalCloud, last_call: int, way: str
) -> None:
    ended = integ(cloud, "--rehearse", **{way: "123456789012"})

    assert ended.returncode == 2  # this cloud is not bootstrapped
    assert "cdk bootstrap aws://123456789012/us-east-1\nNothing was changed." in ended.stdout
    assert actions(cloud, last_call) == READING


def test_existing_stacks_are_not_changed(cloud: LocalCloud) -> None:
    client = cloud.client("cloudformation")
    topic = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    client.create_stack(StackName="sageloop-dev-Data", TemplateBody=topic)
    cloud.settle()

    ended = integ(cloud, "--rehearse", SAGELOOP_INTEG="123456789012")

    assert ended.returncode == 2
    assert "sageloop-dev-Data: already deployed" in ended.stdout
    (stack,) = client.describe_stacks(StackName="sageloop-dev-Data")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_account_is_shown_with_profile_and_endpoints(
    cloud: LocalCloud, last_call: int, tmp_path: Path
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        f"[profile played]\nregion = eu-west-1\nendpoint_url = {cloud.endpoint_url}\n"
    )
    credentials.write_text(
        f"[played]\naws_access_key_id = {cloud.access.access_key_id}\n"
        f"aws_secret_access_key = {cloud.access.secret_access_key}\n"
    )
    kept = {k: v for k, v in cloud.environment().items() if not k.startswith("AWS_")}

    ended = integ(
        cloud, SAGELOOP_INTEG="000000000000", environment=kept, AWS_PROFILE="played",
        AWS_CONFIG_FILE=str(config), AWS_SHARED_CREDENTIALS_FILE=str(credentials),
    )  # fmt: skip

    assert ended.returncode == 2
    for shown in ("123456789012", "eu-west-1", "profile  played", f"sts at {cloud.endpoint_url}"):
        assert shown in ended.stdout
    assert "Nothing was changed" in ended.stdout
    assert actions(cloud, last_call) == {"sts:GetCallerIdentity"}


def test_endpoint_variable_is_refused_without_rehearse(cloud: LocalCloud, last_call: int) -> None:
    ended = integ(cloud, SAGELOOP_INTEG="123456789012")

    assert ended.returncode == 2
    assert "AWS_ENDPOINT_URL is set, so requests would not reach AWS" in ended.stdout
    assert actions(cloud, last_call) == set()


def test_rehearsal_against_another_machine_is_refused(cloud: LocalCloud) -> None:
    ended = integ(cloud, "--rehearse", SAGELOOP_INTEG="1", AWS_ENDPOINT_URL="https://example.org")

    assert ended.returncode == 2
    assert "must be on this machine" in ended.stdout


@pytest.mark.parametrize("settings", ["dev", "prod"])
def test_every_settings_file_has_its_costs(settings: str) -> None:
    assert len(costs(settings)) >= 4


def test_stack_names_are_those_of_the_app() -> None:
    parts = re.findall(r'f"\{name\}-(\w+)"', (ROOT / "app.py").read_text())

    assert stack_names(load_settings("dev")) == [f"sageloop-dev-{part}" for part in parts]
