"""`sageloop local`: its cloud is started by a real process, its other commands run in forks.

That each command starts as a program of its own is tested in ``test_cli_shell.py``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from deployed import family, function_template, survivors
from roles import ACCOUNT, make_role, session_keys

from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.assembly import deploy_template
from sageloop.local_cloud.client import LocalCloud
from tests import forked

COMMAND = Path(sys.executable).with_name("sageloop")


class Shell:
    """A folder in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def local(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run("sageloop", "local", *arguments, cwd=self.folder, env=self._environment())

    def real(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "local", *arguments], cwd=self.folder, text=True, capture_output=True,
            check=False, env=self._environment(), timeout=600,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "AWS_PROFILE": "production"}

    def facts(self) -> dict[str, str]:
        return dict(json.loads((self.folder / ".sageloop" / "local.json").read_text()))

    def cloud(self) -> LocalCloud:
        return LocalCloud.from_file(self.folder / ".sageloop" / "local.json")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell with a running cloud."""
    shell = Shell(tmp_path_factory.mktemp("folder"))
    started = shell.real("up", "--port", "0", "--rate", "2")
    assert started.returncode == 0, started.stderr
    yield shell
    shell.real("down")


def test_up_prints_the_endpoint_url(shell: Shell) -> None:
    facts = shell.facts()

    assert facts["endpoint_url"].startswith("http://127.0.0.1:")
    assert psutil.pid_exists(int(facts["pid"]))
    assert shell.cloud().health()["ok"] is True


def test_keys_and_token_are_readable_by_the_user_only(shell: Shell) -> None:
    folder = shell.folder / ".sageloop"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "local.json").stat().st_mode & 0o777 == 0o600
    output = shell.local("env").stdout
    assert f"SAGELOOP_LOCAL_CLOUD={folder / 'local.json'}" in output
    assert str(shell.facts()["admin_token"]) not in output


def test_clock_is_advanced_and_printed(shell: Shell) -> None:
    before = shell.cloud().time()

    output = shell.local("clock", "--hours", "2", "--minutes", "30", "--json", "clock.json")

    assert output.returncode == 0, output.stderr
    now = datetime.fromisoformat(output.stdout.strip())
    assert now.timestamp() >= int(before) + 2.5 * 3600
    assert json.loads((shell.folder / "clock.json").read_text()) == {"time": now.isoformat()}


def test_clock_cannot_go_back(shell: Shell) -> None:
    refused = shell.local("clock", "--hours", "-1")

    assert refused.returncode == 2
    assert "'--hours': Input should be greater than or equal to 0" in refused.stderr


def test_clock_rate_is_changed(shell: Shell) -> None:
    assert shell.local("clock", "--rate", "3600").returncode == 0
    first, second = shell.cloud().time(), shell.cloud().time()
    assert shell.local("clock", "--rate", "2").returncode == 0

    assert second > first


def test_second_up_is_refused_with_the_remedy(shell: Shell) -> None:
    again = shell.local("up", "--port", "0")

    assert again.returncode == 2
    assert again.stderr.strip() == (
        f"a local cloud is already running at {shell.facts()['endpoint_url']}; "
        "stop it: sageloop local down"
    )


def test_status_report_has_services_and_address(shell: Shell, tmp_path: Path) -> None:
    report = tmp_path / "status.json"

    output = shell.local("status", "--json", str(report))

    content = json.loads(report.read_text())
    assert output.returncode == 0
    assert shell.facts()["endpoint_url"] in output.stdout
    assert content["ok"] is True
    assert content["account"] == "123456789012"
    assert {"cloudformation", "lambda", "sagemaker"} <= set(content["services"])
    assert (content["processes"], content["in_flight"]) == ({}, [])


def test_status_counts_and_names_what_policies_deny(shell: Shell) -> None:
    cloud = shell.cloud()
    trusted = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    role = make_role(
        cloud.client("iam"), "reader", {"Version": "2012-10-17", "Statement": [statement]}
    )
    keys = session_keys(cloud.client("sts"), role)
    s3 = boto3.client("s3", endpoint_url=cloud.endpoint_url, region_name="us-east-1", **keys)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_buckets()

    shown = shell.local("status", "--json", "access.json")

    access = json.loads((shell.folder / "access.json").read_text())["iam"]
    assert (access["mode"], access["denied"]) == ("enforce", 1)
    assert "access policies are enforced: calls that they deny are refused" in shown.stdout
    assert "denied calls: 1" in shown.stdout.splitlines()
    assert f"  {role} was denied s3:ListAllMyBuckets on arn:aws:s3:::*: " in shown.stdout


def test_up_takes_the_access_mode(tmp_path: Path) -> None:
    shell = Shell(tmp_path)

    started = shell.real("up", "--port", "0", "--iam", "warn", "--json", "up.json")

    assert "access policies are not enforced: calls that they deny are recorded" in started.stdout
    assert json.loads((tmp_path / "up.json").read_text())["iam"] == "warn"
    assert shell.cloud().access_summary()["mode"] == "warn"
    assert shell.local("down").returncode == 0


def test_logs_lists_groups_and_prints_one(shell: Shell) -> None:
    code = "def handler(event, context):\n    print('hello from inside')\n"
    cloud = shell.cloud()
    name = deploy_template(cloud, "hello", function_template(code))["Function"]
    cloud.client("lambda").invoke(FunctionName=name)
    cloud.settle()

    groups, lines = shell.local("logs"), shell.local("logs", f"/aws/lambda/{name}")

    assert groups.stdout.splitlines() == [f"/aws/lambda/{name}"]
    assert "hello from inside" in lines.stdout.splitlines()
    unknown = shell.local("logs", "nowhere")
    assert (unknown.returncode, unknown.stderr.strip()) == (
        2, "no log group nowhere; sageloop local logs lists them"
    )  # fmt: skip


def test_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = Shell(tmp_path).local("up", "--port", str(port))

    assert refused.returncode == 2
    assert refused.stderr.strip().startswith(f"port {port} cannot be bound on 127.0.0.1")
    assert not (tmp_path / ".sageloop" / "local.json").exists()


@pytest.mark.parametrize(
    ("option", "value", "output"),
    [
        ("--rate", "0", "the clock's rate must be above 0 and at most 100000, got 0.0"),
        ("--rate", "nan", "the clock's rate must be above 0 and at most 100000, got nan"),
        ("--rate", "inf", "the clock's rate must be above 0 and at most 100000, got inf"),
        ("--rate", "-1", "the clock's rate must be above 0 and at most 100000, got -1.0"),
        ("--port", "-1", "the port must be from 0 (a free one) to 65535, got -1"),
        ("--port", "70000", "the port must be from 0 (a free one) to 65535, got 70000"),
        ("--region", "eu-wst-1", "the region must be one of AWS's"),
        ("--region", "", "the region must be one of AWS's"),
        ("--iam", "strict", "the access mode must be one of enforce, warn, off, got 'strict'"),
    ],
)  # fmt: skip
def test_up_with_invalid_options_is_refused_and_leaves_no_files(
    tmp_path: Path, option: str, value: str, output: str
) -> None:
    refused = Shell(tmp_path).local("up", option, value)

    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", ["0", "nan", "inf", "-1"])
def test_invalid_clock_rate_is_refused(shell: Shell, rate: str) -> None:
    refused = shell.local("clock", "--rate", rate)

    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("the clock's rate must be above 0")


def test_up_refuses_a_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / ".sageloop").symlink_to(tmp_path / "elsewhere")

    refused = Shell(tmp_path).local("up", "--port", "0")

    assert refused.returncode == 2
    assert refused.stderr.startswith(".sageloop must be your own folder, not a link")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_access_file_is_closed_to_other_users(shell: Shell) -> None:
    folder = shell.folder / ".sageloop"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "local.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", ["down", "status", "env", "logs", "alerts"])
def test_command_without_a_cloud_reports_it(tmp_path: Path, command: str) -> None:
    output = Shell(tmp_path).local(command)

    assert output.returncode == 2
    assert output.stderr.startswith("no local cloud runs in this folder")


def test_status_without_a_cloud_reports_it_as_json(tmp_path: Path) -> None:
    Shell(tmp_path).local("status", "--json", "status.json")

    assert json.loads((tmp_path / "status.json").read_text()) == {"ok": False}


def test_down_does_not_end_a_process_that_reuses_the_process_id(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as other:  # fmt: skip
        CloudAccess(
            endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}", region="us-east-1",
            access_key_id="LKIA", secret_access_key="s", pid=other.pid,
        ).write(tmp_path / ".sageloop" / "local.json")  # fmt: skip

        output = Shell(tmp_path).local("down")

        assert (output.returncode, output.stderr) == (2, "no local cloud runs in this folder\n")
        assert other.poll() is None
        other.communicate()


def test_status_reports_that_state_is_in_memory(shell: Shell) -> None:
    assert "its state is in memory" in shell.local("status").stdout


def test_access_lists_needed_and_spare_permissions_and_denials(shell: Shell) -> None:
    cloud = shell.cloud()
    role = make_role(
        cloud.client("iam"), "lister", {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            }],
        }, "s3:ListAllMyBuckets", "s3:GetObject",
    )  # fmt: skip
    keys = session_keys(cloud.client("sts"), role)
    s3 = boto3.client("s3", endpoint_url=cloud.endpoint_url, region_name="us-east-1", **keys)
    s3.list_buckets()
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.create_bucket(Bucket="another")

    shown = shell.local("access", "lister", "--suggest", "--json", "access.json")

    assert shown.returncode == 0, shown.stderr
    first, *lines = shown.stdout.splitlines()
    assert first == f"{role}: 1 needed, 0 redundant, 1 spare, 1 denied"
    assert lines[0].startswith("  spare  s3:GetObject (work, Statement[0])")
    assert lines[1].startswith("  denied  s3:CreateBucket on arn:aws:s3:::another: because no")
    assert json.loads("\n".join(lines[2:]))["Statement"] == [{
        "Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": ["arn:aws:s3:::*"],
    }]  # fmt: skip
    (usage,) = json.loads((shell.folder / "access.json").read_text())["roles"]
    assert usage["role"] == role


def test_access_of_an_unknown_role_is_refused_in_one_line(shell: Shell) -> None:
    refused = shell.local("access", "missing")

    assert refused.returncode == 2
    assert refused.stderr.splitlines() == ["no role missing; sageloop local access lists them"]


def test_down_ends_the_cloud_and_its_processes(shell: Shell) -> None:
    everyone = family(int(shell.facts()["pid"]))

    output = shell.real("down")

    assert output.returncode == 0
    assert "all its processes have stopped" in output.stdout
    assert survivors(everyone) == []
    assert shell.local("status").returncode == 2
