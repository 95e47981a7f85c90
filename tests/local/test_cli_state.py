"""`sageloop local status`, `logs` and `alerts` show what a local cloud contains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed import function_template

from sageloop.local_cloud.assembly import deploy_template
from sageloop.local_cloud.client import LocalCloud
from tests import forked

COMMAND = Path(sys.executable).with_name("sageloop")


class Shell:
    """A folder with a running cloud, in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / ".sageloop" / "local.json"
        self.cloud = LocalCloud.start(access_file=file, rate=2)

    def local(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run("sageloop", "local", *arguments, cwd=self.folder, env=dict(os.environ))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("folder")
    (folder / ".sageloop").mkdir(mode=0o700)
    made = Shell(folder)
    yield made
    made.cloud.stop()


def test_log_lines_of_all_streams_are_in_order_of_time(shell: Shell) -> None:
    logs = shell.cloud.client("logs")
    logs.create_log_group(logGroupName="many")
    for number in range(3):
        logs.create_log_stream(logGroupName="many", logStreamName=f"stream{number}")
        logs.put_log_events(
            logGroupName="many", logStreamName=f"stream{number}",
            logEvents=[{"timestamp": 1_000 * at + number, "message": f"{at}.{number}"}
                       for at in range(1, 4)],
        )  # fmt: skip

    shown = shell.local("logs", "many", "--lines", "4", "--json", "logs.json")

    assert shown.stdout.splitlines() == ["2.2", "3.0", "3.1", "3.2"]
    events = json.loads((shell.folder / "logs.json").read_text())["events"]
    assert events[-1] == {"timestamp": 3002, "stream": "stream2", "message": "3.2"}


@pytest.mark.parametrize("arguments", [("--follow",), ("many", "--follow", "--json", "x.json")])
def test_follow_without_a_group_or_with_a_report_is_refused(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    refused = shell.local("logs", *arguments)

    assert (refused.returncode, refused.stderr) == (
        2, "--follow needs a log group, and no --json\n"
    )  # fmt: skip


def test_status_shows_clock_stacks_endpoints_alarms_and_errors(shell: Shell) -> None:
    cloud = shell.cloud
    code = "def handler(event, context):\n    raise ValueError('no such day')\n"
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {
        "AlarmName": "breaching", "Namespace": "demo", "MetricName": "m", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 0, "TreatMissingData": "breaching",
        "ComparisonOperator": "GreaterThanThreshold",
    }}  # fmt: skip
    name = deploy_template(cloud, "failing", function_template(code, Alarm=alarm))["Function"]
    well = "def handler(event, context):\n    return 1\n"
    other = deploy_template(cloud, "well", function_template(well))["Function"]
    cloud.client("lambda").invoke(FunctionName=other)
    for _ in range(2):
        cloud.client("lambda").invoke(FunctionName=name)
    cloud.advance(minutes=5)
    cloud.settle()

    shown = shell.local("status", "--json", "status.json")

    lines = shown.stdout.splitlines()
    assert any(line.startswith("clock: 20") and "2 virtual seconds" in line for line in lines)
    assert "  failing  CREATE_COMPLETE" in lines
    assert "endpoints: 0" in lines
    assert any(line.startswith("  breaching  ALARM: ") for line in lines)
    assert f"  {name}: 2 (sageloop local logs /aws/lambda/{name})" in lines
    report = json.loads((shell.folder / "status.json").read_text())
    assert {"name": "failing", "status": "CREATE_COMPLETE", "reason": ""} in report["stacks"]
    assert report["function_errors"] == {name: 2}
    assert report["rate"] == 2.0


def test_alerts_shows_what_was_published_and_to_whom(shell: Shell) -> None:
    sns = shell.cloud.client("sns")
    topic = sns.create_topic(Name="oncall")["TopicArn"]
    sns.create_topic(Name="quiet")
    for address, policy in (("a@example.org", "{}"), ("b@example.org", '{"kind": ["other"]}')):
        sns.subscribe(
            TopicArn=topic, Protocol="email", Endpoint=address, Attributes={"FilterPolicy": policy}
        )
    sns.publish(TopicArn=topic, Subject="model quality", Message="worse\nthan before")
    state = json.dumps({"AlarmName": "errors", "NewStateReason": "3 datapoints were above"})
    sns.publish(TopicArn=topic, Message=state)

    shown = shell.local("alerts", "oncall", "--json", "alerts.json")

    lines = shown.stdout.splitlines()
    assert lines[0].endswith("  oncall  model quality")
    assert lines[1:3] == ["    worse than before", "    to email a@example.org"]
    assert lines[4] == "    3 datapoints were above"
    assert len(lines) == 6
    full = shell.local("alerts", topic, "--full", "--lines", "2").stdout.splitlines()
    assert full[1:3] == ["    worse", "    than before"]
    (last, *_) = shell.local("alerts", topic, "--lines", "1").stdout.splitlines()
    assert last.endswith("Z  oncall")
    (first, _) = json.loads((shell.folder / "alerts.json").read_text())["alerts"]
    assert first["recipients"] == [{"protocol": "email", "endpoint": "a@example.org"}]
    assert shell.local("alerts", "quiet").stdout == "no message was published\n"


def test_alarm_of_a_stack_is_in_the_alerts(shell: Shell) -> None:
    cloud = shell.cloud
    topic = cloud.client("sns").create_topic(Name="alarms")["TopicArn"]
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="noticed", Namespace="demo", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=0, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching", AlarmActions=[topic],
    )  # fmt: skip
    cloud.advance(minutes=5)
    cloud.settle()

    (head, reason, *rest) = shell.local("alerts", "alarms").stdout.splitlines()

    assert 'ALARM: "noticed"' in head
    assert "Threshold Crossed" in reason
    assert rest == []


def _put(logs: Any, message: str) -> None:
    now = int(logs.describe_log_groups()["logGroups"][0]["creationTime"])
    logs.put_log_events(
        logGroupName="/aws/lambda/followed", logStreamName="one",
        logEvents=[{"timestamp": now, "message": message}],
    )  # fmt: skip


def test_followed_log_prints_each_event_once_until_interrupted(shell: Shell) -> None:
    logs = shell.cloud.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/followed")
    logs.create_log_stream(logGroupName="/aws/lambda/followed", logStreamName="one")
    _put(logs, "before")

    # As a terminal starts it: below a shell's background job the signal is ignored.
    interruptible = ["env", "--default-signal=INT", COMMAND]
    with subprocess.Popen(
        [*interruptible, "local", "logs", "/aws/lambda/followed", "--follow"], cwd=shell.folder,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as command:  # fmt: skip
        assert command.stdout is not None
        lines = [command.stdout.readline()]
        for message in ("first", "second", "third"):
            _put(logs, message)
            lines.append(command.stdout.readline())
        command.send_signal(signal.SIGINT)
        rest, errors = command.communicate(timeout=600)

    assert lines == ["before\n", "first\n", "second\n", "third\n"]
    assert (command.returncode, rest, errors) == (128 + signal.SIGINT, "", "")


def test_data_in_s3_is_checked(shell: Shell) -> None:
    s3 = shell.cloud.client("s3")
    s3.create_bucket(Bucket="deliveries")
    for day, row in (("dt=2026-01-01", b"1,2\n3,4\n"), ("dt=2026-01-02", b"1,2,3\n")):
        s3.put_object(Bucket="deliveries", Key=f"in/{day}/a.csv", Body=row)
    s3.put_object(Bucket="deliveries", Key="in/manifest.json", Body=b"{}")

    checked = forked.run(
        "sageloop", "data", "check", "s3://deliveries/in/", "--local", "--validation-days", "1",
        "--minimum-rows", "1", cwd=shell.folder, env=dict(os.environ),
    )  # fmt: skip

    lines = checked.stdout.splitlines()
    assert checked.returncode == 1
    assert lines[0].startswith("ColumnsDiffer: in/dt=2026-01-02/a.csv, row 1 has 3 columns")
    assert lines[1].startswith("NothingToTrain: the data has 1 partitions and 1 are held out")
