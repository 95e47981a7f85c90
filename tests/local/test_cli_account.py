"""`train`, `history` and `rollback` use an account only if it is selected, shown and confirmed."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_aws import FakeAws, fake_aws

from sageloop.local_cloud.client import LocalCloud
from tests import forked

ACTING = (["train", "job"], ["rollback", "endpoint"])
ALL = (*ACTING, ["history"])
CALLER = "sts:GetCallerIdentity"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeAws]:
    """The destination of the user's own account."""
    with fake_aws(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """A cloud in the role of the account."""
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture
def account(cloud: LocalCloud, tmp_path: Path) -> dict[str, str]:
    """A shell whose profile ``played`` has that cloud's endpoint."""
    (tmp_path / "config").write_text(
        f"[profile played]\nregion = eu-west-1\nendpoint_url = {cloud.endpoint_url}\n"
    )
    access = cloud.access
    (tmp_path / "credentials").write_text(
        f"[played]\naws_access_key_id = {access.access_key_id}\n"
        f"aws_secret_access_key = {access.secret_access_key}\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return kept | {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def sageloop(
    folder: Path, environment: dict[str, str], *arguments: str, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; ``typed`` at a terminal, None without a terminal."""
    master, slave = pty.openpty()
    try:
        if typed is not None:
            os.write(master, f"{typed}\n".encode())
        stdin = subprocess.DEVNULL if typed is None else slave
        return forked.run("sageloop", *arguments, cwd=folder, env=environment, stdin=stdin)
    finally:
        os.close(master)
        os.close(slave)


def calls(cloud: LocalCloud, after: int) -> list[str]:
    return [call["action"] for call in cloud.calls(after=after)]


@pytest.fixture
def last_call(cloud: LocalCloud) -> int:
    """The number of the last call before the test."""
    return max((call["number"] for call in cloud.calls()), default=0)


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_command_without_target_is_refused_with_the_options(
    tmp_path: Path, aws: FakeAws, command: list[str]
) -> None:
    ended = sageloop(tmp_path, aws.environment(endpoint=True), *command, typed="y")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "specify --local (no local cloud runs in this folder), --endpoint-url URL, "
        "or an AWS account: --profile NAME or --aws"
    ]
    assert aws.requests == []


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_account_command_without_terminal_is_refused(
    tmp_path: Path, aws: FakeAws, command: list[str]
) -> None:
    ended = sageloop(tmp_path, aws.environment(endpoint=True), *command, "--aws")

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "confirmation needs a terminal: run it in one, or specify --yes"
    ]
    assert aws.requests == []


def test_selected_account_is_used(tmp_path: Path, aws: FakeAws) -> None:
    sageloop(tmp_path, aws.environment(endpoint=True), "history", "--profile", "production")

    assert aws.requests == ["POST /"]


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_account_is_named_and_unchanged_after_no(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], last_call: int, command: list[str]
) -> None:
    ended = sageloop(tmp_path, account, *command, "--profile", "played", typed="n")

    number, caller, endpoints, question = ended.stderr.splitlines()[:4]
    assert ended.returncode == 2
    assert number == "account 123456789012  region eu-west-1  profile played"
    assert caller.startswith("as arn:aws:")
    assert f"sts at {cloud.endpoint_url}" in endpoints
    assert "in account 123456789012, eu-west-1? [y/N]" in question
    assert ended.stderr.splitlines()[-1].endswith("not confirmed; nothing was changed")
    assert calls(cloud, last_call) == [CALLER]


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
@pytest.mark.parametrize("typed", ["y", None], ids=["typed", "--yes"])
def test_command_runs_after_yes(
    cloud: LocalCloud,
    account: dict[str, str],
    last_call: int,
    command: list[str],
    typed: str | None,
) -> None:
    folder = Path(account["AWS_CONFIG_FILE"]).parent
    options = ["--profile", "played", *(["--yes"] if typed is None else [])]

    ended = sageloop(folder, account, *command, *options, typed=typed)

    assert ended.stderr.startswith("account 123456789012  region eu-west-1")
    assert ended.returncode == 2  # no such resource is deployed
    last = ended.stderr.splitlines()[-1]
    assert "no job 'job'" in last or "no champion endpoint 'endpoint'" in last
    assert calls(cloud, last_call)[:2] == [CALLER, "ssm:GetParameter"]


def test_reading_command_names_the_account_without_confirmation(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], last_call: int
) -> None:
    ended = sageloop(tmp_path, account | {"AWS_PROFILE": "played"}, "history", "--aws")

    assert ended.stderr.startswith("account 123456789012  region eu-west-1  profile played")
    assert calls(cloud, last_call) == [CALLER, "ssm:GetParametersByPath"]


def test_specified_region_is_shown(tmp_path: Path, account: dict[str, str]) -> None:
    ended = sageloop(
        tmp_path, account, "train", "job", "--profile", "played", "--region", "us-west-2",
        typed="n",
    )  # fmt: skip

    assert ended.stderr.startswith("account 123456789012  region us-west-2  profile played")
    assert "in account 123456789012, us-west-2?" in ended.stderr


def test_cloud_of_the_folder_is_mentioned_and_used_with_local_only(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], last_call: int
) -> None:
    (tmp_path / ".sageloop").mkdir(mode=0o700)
    cloud.access.write(tmp_path / ".sageloop" / "local.json")

    neither = sageloop(tmp_path, account, "train", "job", typed="y")
    assert f"specify --local ({cloud.endpoint_url})" in neither.stderr
    assert calls(cloud, last_call) == []
    shown = sageloop(tmp_path, account, "train", "job", "--profile", "played", typed="n")
    assert (
        f"a local cloud runs in this folder ({cloud.endpoint_url}), which is not used"
        in shown.stderr
    )
    local = sageloop(tmp_path, account, "train", "job", "--local")
    assert local.stderr.splitlines() == [
        "no job 'job' (no parameter /sageloop/jobs/job/start-function); "
        "no job with triggers is deployed"
    ]


def test_endpoint_url_of_the_environment_selects_the_cloud(
    tmp_path: Path, cloud: LocalCloud
) -> None:
    ended = sageloop(tmp_path, cloud.environment(), "history")

    assert ended.stderr.startswith("no champion endpoint is deployed (no")


@pytest.mark.parametrize(
    ("options", "variables", "message"),
    [
        (["--local", "--aws"], {}, "--local and --aws or --profile exclude each other"),
        (["--endpoint-url", "https://sts.amazonaws.com"], {}, "must be on this machine"),
        (["--aws"], {"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:1"}, "AWS_ENDPOINT_URL_SSM is set"),
        (["--aws"], {"AWS_CONFIG_FILE": os.devnull}, "no region is set"),
        (
            ["--aws", "--region", "us-east-1"], {"AWS_SHARED_CREDENTIALS_FILE": os.devnull},
            "no AWS credentials are available",
        ),
        (["--profile", "absent"], {}, "profile (absent) could not be found"),
        (["--local"], {}, "no local cloud runs in this folder"),
    ],
)  # fmt: skip
def test_invalid_targets_are_refused_in_one_line(
    tmp_path: Path, aws: FakeAws, options: list[str], variables: dict[str, str], message: str
) -> None:
    environment = aws.environment(endpoint=True)
    if "--profile" not in options:
        environment.pop("AWS_PROFILE")

    ended = sageloop(tmp_path, environment | variables, "train", "job", "--yes", *options)

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert message in line
    assert aws.requests == []


def test_region_other_than_the_clouds_is_refused(tmp_path: Path, cloud: LocalCloud) -> None:
    ended = sageloop(
        tmp_path, cloud.environment(), "history", "--endpoint-url", cloud.endpoint_url,
        "--region", "eu-west-1",
    )  # fmt: skip

    assert ended.returncode == 2
    assert "is in us-east-1, not eu-west-1" in ended.stderr
