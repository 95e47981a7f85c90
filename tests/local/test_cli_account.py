"""`train`, `history` and `rollback` reach an account only if asked to, name it, and ask."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_stand_in import StandIn, stand_in

from sageloop.local_cloud.client import LocalCloud
from tests import forked

ACTING = (["train", "job"], ["rollback", "endpoint"])
ALL = (*ACTING, ["history"])
CALLER = "sts:GetCallerIdentity"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[StandIn]:
    """What the user's own account leads to."""
    with stand_in(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """A cloud that plays the account."""
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture
def account(cloud: LocalCloud, tmp_path: Path) -> dict[str, str]:
    """A shell whose profile ``played`` leads to that cloud, as a profile may name an endpoint."""
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
    """Run a command; ``typed`` at a terminal, None without one."""
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
def seen(cloud: LocalCloud) -> int:
    """Number of the last call before the test."""
    return max((call["number"] for call in cloud.calls()), default=0)


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_without_a_place_a_command_refuses_and_lists_the_choices(
    tmp_path: Path, aws: StandIn, command: list[str]
) -> None:
    ended = sageloop(tmp_path, aws.environment(endpoint=True), *command, typed="y")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "say where: --local (no local cloud runs in this folder), --endpoint-url URL, "
        "or an AWS account: --profile NAME or --aws"
    ]
    assert aws.requests == []


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_without_a_terminal_nothing_is_done_in_an_account(
    tmp_path: Path, aws: StandIn, command: list[str]
) -> None:
    ended = sageloop(tmp_path, aws.environment(endpoint=True), *command, "--aws")

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "nobody is here to confirm: run it in a terminal, or say --yes"
    ]
    assert aws.requests == []


def test_an_account_that_is_asked_for_is_reached(tmp_path: Path, aws: StandIn) -> None:
    sageloop(tmp_path, aws.environment(endpoint=True), "history", "--profile", "production")

    assert aws.requests == ["POST /"]


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_account_is_named_and_a_no_leaves_it_alone(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], seen: int, command: list[str]
) -> None:
    ended = sageloop(tmp_path, account, *command, "--profile", "played", typed="n")

    number, caller, endpoints, question = ended.stderr.splitlines()[:4]
    assert ended.returncode == 2
    assert number == "account 123456789012  region eu-west-1  profile played"
    assert caller.startswith("as arn:aws:")
    assert f"sts at {cloud.endpoint_url}" in endpoints
    assert "in account 123456789012, eu-west-1? [y/N]" in question
    assert ended.stderr.splitlines()[-1].endswith("not confirmed; nothing was done")
    assert calls(cloud, seen) == [CALLER]


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
@pytest.mark.parametrize("typed", ["y", None], ids=["typed", "--yes"])
def test_a_yes_leads_on(
    cloud: LocalCloud, account: dict[str, str], seen: int, command: list[str], typed: str | None
) -> None:
    folder = Path(account["AWS_CONFIG_FILE"]).parent
    options = ["--profile", "played", *(["--yes"] if typed is None else [])]

    ended = sageloop(folder, account, *command, *options, typed=typed)

    assert ended.stderr.startswith("account 123456789012  region eu-west-1")
    assert ended.returncode == 2  # nothing of that name is deployed
    last = ended.stderr.splitlines()[-1]
    assert "no job 'job' here" in last or "no champion endpoint 'endpoint' here" in last
    assert calls(cloud, seen)[:2] == [CALLER, "ssm:GetParameter"]


def test_a_command_that_reads_names_the_account_and_needs_no_answer(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], seen: int
) -> None:
    ended = sageloop(tmp_path, account | {"AWS_PROFILE": "played"}, "history", "--aws")

    assert ended.stderr.startswith("account 123456789012  region eu-west-1  profile played")
    assert calls(cloud, seen) == [CALLER, "ssm:GetParametersByPath"]


def test_region_that_is_given_is_the_one_that_is_named(
    tmp_path: Path, account: dict[str, str]
) -> None:
    ended = sageloop(
        tmp_path, account, "train", "job", "--profile", "played", "--region", "us-west-2",
        typed="n",
    )  # fmt: skip

    assert ended.stderr.startswith("account 123456789012  region us-west-2  profile played")
    assert "in account 123456789012, us-west-2?" in ended.stderr


def test_cloud_of_the_folder_is_pointed_out_and_used_by_local_alone(
    tmp_path: Path, cloud: LocalCloud, account: dict[str, str], seen: int
) -> None:
    (tmp_path / ".sageloop").mkdir(mode=0o700)
    cloud.access.write(tmp_path / ".sageloop" / "local.json")

    neither = sageloop(tmp_path, account, "train", "job", typed="y")
    assert f"say where: --local ({cloud.endpoint_url})" in neither.stderr
    assert calls(cloud, seen) == []
    asked = sageloop(tmp_path, account, "train", "job", "--profile", "played", typed="n")
    assert (
        f"a local cloud runs in this folder ({cloud.endpoint_url}); this is not it" in asked.stderr
    )
    local = sageloop(tmp_path, account, "train", "job", "--local")
    assert local.stderr.splitlines() == [
        "no job 'job' here (no parameter /sageloop/jobs/job/start-function); "
        "no job with triggers is deployed"
    ]


def test_environment_of_a_cloud_is_a_choice(tmp_path: Path, cloud: LocalCloud) -> None:
    ended = sageloop(tmp_path, cloud.environment(), "history")

    assert ended.stderr.startswith("no champion endpoint is deployed here")


@pytest.mark.parametrize(
    ("options", "variables", "told"),
    [
        (["--local", "--aws"], {}, "--local and --aws or --profile exclude each other"),
        (["--endpoint-url", "https://sts.amazonaws.com"], {}, "must be on this machine"),
        (["--aws"], {"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:1"}, "AWS_ENDPOINT_URL_SSM is set"),
        (["--aws"], {"AWS_CONFIG_FILE": os.devnull}, "there is no region"),
        (
            ["--aws", "--region", "us-east-1"], {"AWS_SHARED_CREDENTIALS_FILE": os.devnull},
            "there are no AWS credentials",
        ),
        (["--profile", "absent"], {}, "profile (absent) could not be found"),
        (["--local"], {}, "no local cloud runs in this folder"),
    ],
)  # fmt: skip
def test_places_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, aws: StandIn, options: list[str], variables: dict[str, str], told: str
) -> None:
    environment = aws.environment(endpoint=True)
    if "--profile" not in options:
        environment.pop("AWS_PROFILE")

    ended = sageloop(tmp_path, environment | variables, "train", "job", "--yes", *options)

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert told in line
    assert aws.requests == []


def test_region_other_than_the_clouds_is_refused(tmp_path: Path, cloud: LocalCloud) -> None:
    ended = sageloop(
        tmp_path, cloud.environment(), "history", "--endpoint-url", cloud.endpoint_url,
        "--region", "eu-west-1",
    )  # fmt: skip

    assert ended.returncode == 2
    assert "speaks for us-east-1, not for eu-west-1" in ended.stderr
