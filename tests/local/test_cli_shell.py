"""`sageloop local env` and `run`: commands reach the local cloud or nothing, never an account."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from fake_aws import FakeAws, fake_aws

from sageloop.cli.running import listeners
from sageloop.local_cloud.client import LocalCloud
from tests import forked
from tests.docs.blocks import commands

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COMMAND = BIN / "sageloop"
PAGES = ("README.md", "docs/getting-started.md")
_CALL = "-c 'import boto3; boto3.client(\"sts\").get_caller_identity()'"
CALL = f"{sys.executable} {_CALL}"
SHOW = f'"{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"'


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeAws]:
    """The destination of the shell's own account."""
    with fake_aws(tmp_path) as made:
        yield made


def shell(
    folder: Path, environment: dict[str, str], script: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as a user types it."""
    return _bash(folder, environment, script, commands=BIN)


def forked_shell(
    folder: Path, environment: dict[str, str], script: str
) -> subprocess.CompletedProcess[str]:
    """The same, with a ``sageloop`` that is not loaded anew each time."""
    return _bash(folder, environment, script, commands=forked.launchers())


def forked_call() -> str:
    """:data:`CALL`, by a Python that has boto3 loaded."""
    return f"{forked.launchers() / 'python'} {_CALL}"


def _bash(
    folder: Path, environment: dict[str, str], script: str, *, commands: Path
) -> subprocess.CompletedProcess[str]:
    tools = [str(commands), str(BIN), str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]]
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, text=True, capture_output=True, check=False,
        env=environment | {"PATH": os.pathsep.join(tools)}, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running cloud."""
    folder = tmp_path_factory.mktemp("folder")
    started = shell(folder, dict(os.environ), "sageloop local up --port 0")
    assert started.returncode == 0, started.stderr
    yield folder
    shell(folder, dict(os.environ), "sageloop local down")


def facts(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / ".sageloop" / "local.json").read_text()))


@pytest.mark.parametrize(("page", "run"), list(zip(PAGES, (shell, forked_shell), strict=True)))
def test_documented_lines_after_a_failed_up_reach_nothing(
    tmp_path: Path, aws: FakeAws, page: str, run: Callable[..., Any]
) -> None:
    lines = commands(page)
    begin = lines.index("sageloop local up")
    end = next(n for n, line in enumerate(lines) if line.startswith("sageloop local down"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        script = "\n".join([f"sageloop local up --port {port}", *lines[begin + 1 : end]])

        ended = run(tmp_path, aws.environment(endpoint=True), script)

    assert "cannot be bound" in ended.stderr
    assert ended.stderr.count("no local cloud runs in this folder") >= 2
    assert aws.requests == []


def test_shell_without_env_reaches_its_account(tmp_path: Path, aws: FakeAws) -> None:
    shell(tmp_path, aws.environment(endpoint=True), CALL)
    forked_shell(tmp_path, aws.environment(), forked_call())

    endpoint, proxy = aws.requests
    assert endpoint == "POST /"
    assert proxy.startswith("CONNECT sts.")


def test_shell_after_a_failed_env_reaches_no_account(tmp_path: Path, aws: FakeAws) -> None:
    ended = shell(
        tmp_path, aws.environment(endpoint=True, AWS_SESSION_TOKEN="real", CDK_DEFAULT_ACCOUNT="1"),
        f'eval "$(sageloop local env)" && echo went on\n{CALL}\n{SHOW}',
    )  # fmt: skip

    variables = json.loads(ended.stdout)
    assert "went on" not in ended.stdout
    assert ended.stderr.startswith("no local cloud runs in this folder")
    assert "Could not connect" in ended.stderr
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "CDK_DEFAULT_ACCOUNT", "HTTPS_PROXY"} & {
        *variables
    }
    assert aws.requests == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["--unknown"], []), ([], ["typer"]), ([], ["typer", "sageloop.local_cloud"])],
    ids=["a wrong option", "no typer", "no extra"],
)
def test_shell_after_an_env_that_cannot_start_reaches_no_account(
    tmp_path: Path, aws: FakeAws, arguments: list[str], missing: list[str]
) -> None:
    program = (
        f"import sys; sys.argv = {['sageloop', 'local', 'env', *arguments]!r}\n"
        f"sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from sageloop.cli.main import main; main()"
    )
    printed = f'"{sys.executable}" -c {shlex.quote(program)}'
    ended = shell(
        tmp_path, aws.environment(), f'eval "$({printed})" && echo went on\n{forked_call()}'
    )

    assert ended.stdout == ""
    assert "Could not connect" in ended.stderr
    assert aws.requests == []


def test_shell_with_env_reaches_the_cloud_only(up: Path, aws: FakeAws) -> None:
    environment = aws.environment(
        AWS_SESSION_TOKEN="real", PYTHONPATH="mine", CDK_VALIDATION="false", CDK_OUTDIR="out"
    )
    ended = forked_shell(up, environment, f'eval "$(sageloop local env)" && {SHOW}')

    variables = json.loads(ended.stdout)
    assert variables["AWS_ENDPOINT_URL"] == facts(up)["endpoint_url"]
    assert variables["AWS_CONFIG_FILE"] == os.devnull
    assert (variables["PYTHONPATH"], variables["CDK_VALIDATION"]) == ("mine", "false")
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "CDK_OUTDIR", "HTTPS_PROXY"} & {*variables}


def test_run_and_env_give_the_same_environment(up: Path, aws: FakeAws) -> None:
    environment = aws.environment(AWS_SESSION_TOKEN="real", PYTHONPATH="mine")
    by_env = shell(up, environment, f'eval "$(sageloop local env)" && {SHOW}')
    by_run = shell(up, environment, f"sageloop local run -- {SHOW}")

    one, two = json.loads(by_env.stdout), json.loads(by_run.stdout)
    assert {k: v for k, v in one.items() if k != "_"} == {k: v for k, v in two.items() if k != "_"}


def test_run_passes_the_options_of_the_command(up: Path, aws: FakeAws) -> None:
    program = (
        "import boto3, sys\n"
        "print(boto3.client('sts').get_caller_identity()['Account'], *sys.argv[1:])"
    )
    ended = shell(
        up, aws.environment(endpoint=True),
        f"sageloop local run -- '{sys.executable}' -c \"{program}\" --help -- x",
    )  # fmt: skip

    assert ended.stdout == "123456789012 --help -- x\n"
    assert aws.requests == []


def test_run_passes_input_output_and_exit_code_through(up: Path) -> None:
    ended = forked_shell(
        up, dict(os.environ), "echo in | sageloop local run sh -c 'cat; echo err >&2; exit 7'"
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "in\n", "err\n")


def test_run_passes_signals_and_their_default_handling(up: Path) -> None:
    program = "trap 'echo ended; exit 5' TERM; echo ready; while :; do read -r _ || exit 1; done"
    with subprocess.Popen(
        [COMMAND, "local", "run", "--", "bash", "-c", program], cwd=up, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        with suppress(BrokenPipeError):  # a signal may end the shell's read, and the shell
            process.stdin.write("\n")
            process.stdin.close()

        assert process.stdout.readline() == "ended\n"
        assert process.wait(30) == 5
    # `| head` relies on the end of a program by SIGPIPE.
    piped = shell(up, dict(os.environ), "set -o pipefail; sageloop local run -- yes | head -1")
    assert (piped.returncode, piped.stdout) == (128 + signal.SIGPIPE, "y\n")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("nowhere-to-be-found", 127, "nowhere-to-be-found: command not found"),
        ("./script", 126, "./script cannot be executed: Permission denied"),
    ],
)
def test_run_reports_a_command_that_cannot_be_executed(
    up: Path, command: str, code: int, message: str
) -> None:
    (up / "script").touch()

    ended = forked_shell(up, dict(os.environ), f"sageloop local run -- {command}")

    assert (ended.returncode, ended.stderr.strip()) == (code, message)


def test_run_without_a_cloud_starts_nothing(tmp_path: Path, aws: FakeAws) -> None:
    ended = forked_shell(tmp_path, aws.environment(), "sageloop local run -- touch started")

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "no local cloud runs in this folder; start one: sageloop local up"
    ]
    assert not (tmp_path / "started").exists()


def write_facts(folder: Path, text: str, mode: int = 0o600) -> Path:
    (folder / ".sageloop").mkdir(mode=0o700)
    path = folder / ".sageloop" / "local.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def access(endpoint_url: str) -> str:
    return json.dumps({
        "endpoint_url": endpoint_url, "region": "us-east-1", "access_key_id": "LKIA",
        "secret_access_key": "s", "admin_token": "t", "pid": 1,
    })  # fmt: skip


def refused(folder: Path, aws: FakeAws, *, reason: str) -> None:
    """Neither of the two ways reaches anything, and both say why in one line."""
    ran = forked_shell(
        folder, aws.environment(endpoint=True), "sageloop local run -- touch started"
    )
    shown = forked_shell(
        folder, aws.environment(endpoint=True), f'eval "$(sageloop local env)"\n{forked_call()}'
    )

    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert reason in ran.stderr
    assert reason in shown.stderr.splitlines()[0]
    assert "Could not connect" in shown.stderr
    assert not (folder / "started").exists()
    assert aws.requests == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"endpoint_url": 3}', access("https://sts.amazonaws.com"), "\0\0", "[" * 9999],
)
def test_invalid_access_file_is_refused(tmp_path: Path, aws: FakeAws, text: str) -> None:
    write_facts(tmp_path, text)

    refused(tmp_path, aws, reason=".sageloop/local.json is unreadable")


def test_access_file_of_an_ended_cloud_is_refused(tmp_path: Path, aws: FakeAws) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    write_facts(tmp_path, access(url))

    refused(tmp_path, aws, reason=f"the one at {url} has ended")


def test_access_file_with_port_of_another_user_is_refused(tmp_path: Path, aws: FakeAws) -> None:
    (tmp_path / "other").mkdir()
    with fake_aws(tmp_path / "other") as other:
        write_facts(tmp_path, access(other.url))

        refused(tmp_path, aws, reason="no local cloud runs in this folder")


def test_access_file_readable_by_others_is_refused(tmp_path: Path, aws: FakeAws) -> None:
    write_facts(tmp_path, access("http://127.0.0.1:1"), mode=0o640)

    refused(tmp_path, aws, reason="local.json is open to other users (mode 640); chmod go=")


def test_access_file_in_a_folder_writable_by_others_is_refused(
    tmp_path: Path, aws: FakeAws
) -> None:
    write_facts(tmp_path, access("http://127.0.0.1:1")).parent.chmod(0o770)

    refused(tmp_path, aws, reason=".sageloop is open to other users (mode 770)")


def test_access_file_behind_a_link_is_refused(tmp_path: Path, aws: FakeAws) -> None:
    path = write_facts(tmp_path, access("http://127.0.0.1:1"))
    path.replace(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")

    refused(tmp_path, aws, reason="local.json is a symbolic link")


def test_listeners_are_mapped_to_their_users() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address, port = listener.getsockname()
        users = listeners(Path("/proc/net/tcp").read_text())

        assert users[address, port] == os.getuid()
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 0100007F:128B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 1\n"
        "   1: 0100007F:128C 0100007F:0050 01 00000000:00000000 00:00000000 00000000  1001  0 2\n"
    )
    assert listeners(table) == {("127.0.0.1", 4747): 1000}


@pytest.mark.parametrize(
    "command",
    [
        "--help", "--version", "version", "local --help", "local status", "local env",
        "local clock", "local logs", "local logs /aws/lambda/loud", "local alerts",
        "train --help", "train", "examples list", "no-such-command",
    ],
)  # fmt: skip
def test_command_with_closed_output_ends_without_error(up: Path, loud: str, command: str) -> None:
    assert loud == "/aws/lambda/loud"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [COMMAND, *command.split()], cwd=up, stdout=writer, stderr=subprocess.PIPE, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        both = subprocess.run(
            [COMMAND, *command.split()], cwd=up, stdout=writer, stderr=writer, check=False,
            timeout=600,
        )  # fmt: skip
    finally:
        os.close(writer)

    if ended.stderr:  # a refusal is written to standard error only
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
    else:
        assert ended.returncode == 128 + signal.SIGPIPE
    assert both.returncode == 128 + signal.SIGPIPE


@pytest.fixture(scope="module")
def loud(up: Path) -> str:
    """A log group whose lines fill more than a pipe's buffer."""
    logs = LocalCloud.from_file(up / ".sageloop" / "local.json").client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/loud")
    logs.create_log_stream(logGroupName="/aws/lambda/loud", logStreamName="one")
    now = int(logs.describe_log_groups()["logGroups"][0]["creationTime"])
    logs.put_log_events(
        logGroupName="/aws/lambda/loud", logStreamName="one",
        logEvents=[{"timestamp": now, "message": "x" * 2000} for _ in range(100)],
    )  # fmt: skip
    return "/aws/lambda/loud"


def test_head_of_a_long_log_ends_without_error(up: Path, loud: str) -> None:
    script = f"set -o pipefail; sageloop local logs {loud} | head -c 5"
    ended = shell(up, dict(os.environ), script)

    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGPIPE, "xxxxx", "")


@pytest.mark.parametrize("way", ["--version", "version"])
def test_version_is_that_of_the_package(tmp_path: Path, way: str) -> None:
    ended = shell(tmp_path, dict(os.environ), f"sageloop {way}")

    assert (ended.returncode, ended.stdout) == (0, f"{metadata.version('sageloop')}\n")
