"""The state of a champion endpoint and its loop: how it is, why, and what happens next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.champions.endpoints import Promotion, champion_row, read_row, version_of
from sageloop.existing import describe_existing
from sageloop.jobs.kinds import KINDS

_PARAMETER = "/sageloop/endpoints/{endpoint}/loop"
_LATE = 3
"""The reconciler is late after this number of its intervals."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The settings of a retraining loop, from the parameter of its stack.

    Attributes:
        job: The job.
        alarm: Name of the alarm that starts it.
        cooldown: Seconds between two jobs that the alarm starts.
        reconcile_every: Seconds between two invocations of the reconciler.
        max_attempts: Jobs that one trigger may start.

    """

    job: str
    alarm: str
    cooldown: float
    reconcile_every: float
    max_attempts: int


@dataclass(kw_only=True)
class Status:
    """The state of a champion endpoint and its loop.

    Attributes:
        endpoint: Name of the endpoint.
        endpoint_status: SageMaker's status; None if there is no endpoint.
        champion: Version of the champion's package; None without one.
        state: ``live``, ``promoting``, ``rolled_back``, ``failed``, ``stopped`` or ``no champion``.
        job: Name of the job of the loop; None without a loop.
        problems: What needs a person, one sentence each.
        facts: What the state follows from, one sentence each.
        next: What happens next, one sentence each.

    """

    endpoint: str
    endpoint_status: str | None
    champion: int | None
    state: str
    job: str | None = None
    problems: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    @property
    def needs_attention(self) -> bool:
        """Whether a person should act."""
        return bool(self.problems)


def find_loop(ssm: Any, endpoint: str) -> Loop | None:
    """The loop of an endpoint; None for an endpoint without one."""
    response = describe_existing(ssm.get_parameter, Name=_PARAMETER.format(endpoint=endpoint))
    if response is None:
        return None
    record = json.loads(response["Parameter"]["Value"])
    return Loop(
        job=str(record["job"]),
        alarm=str(record["alarm"]),
        cooldown=float(record["cooldown_seconds"]),
        reconcile_every=float(record["reconcile_seconds"]),
        max_attempts=int(record["max_attempts"]),
    )


def status_of(client: Callable[[str], Any], promotion: Promotion, *, now: float) -> Status:
    """The status of an endpoint and its loop.

    Args:
        client: Creates the boto3 client of a service.
        promotion: The resources of the endpoint.
        now: The present time in epoch seconds.

    """
    row = champion_row(client("dynamodb"), promotion)
    describe = client("sagemaker").describe_endpoint
    described = describe_existing(describe, EndpointName=promotion.endpoint)
    package = row.get("package_arn")
    status = Status(
        endpoint=promotion.endpoint,
        endpoint_status=None if described is None else str(described["EndpointStatus"]),
        champion=None if package is None else version_of(package),
        state="stopped" if row.get("stopped") else str(row.get("state", "no champion")),
    )
    _add_champion(status, row, described)
    loop = find_loop(client("ssm"), promotion.endpoint)
    if loop is not None:
        status.job = loop.job
        _add_loop(status, client, promotion.table, loop, now)
    _add_alerts(status, "endpoint", row)
    return status


# the endpoint


def _add_champion(
    status: Status, row: Mapping[str, Any], described: Mapping[str, Any] | None
) -> None:
    if row.get("reason") and status.state in {"failed", "rolled_back"}:
        place = status.facts if status.state == "rolled_back" else status.problems
        place.append(str(row["reason"]))
    if row.get("frozen"):
        status.next.append("Promotions are suspended until the next deployment of the stack.")
    if status.state == "no champion":
        status.next.append("The first approved model is promoted.")
    if status.state == "promoting":
        status.next.append(
            f"Package {status.champion} is being rolled out; then it is live, or rolled back."
        )
    if status.state == "stopped":
        status.next.append("The endpoint is created again with its champion when it is started.")
    if status.state in {"live", "rolled_back"}:
        status.problems.extend(_differences(row, described))


def _differences(row: Mapping[str, Any], described: Mapping[str, Any] | None) -> Iterator[str]:
    """What the endpoint serves, if it is not the champion."""
    if described is None:
        yield "The endpoint is deleted; the next reconciliation creates it again."
        return
    if described["EndpointStatus"] not in {"InService", "Updating", "SystemUpdating"}:
        yield f"The endpoint is {described['EndpointStatus']}."
    elif described.get("EndpointConfigName") != row.get("config_name"):
        left = row.get("left_as_is") == described.get("EndpointConfigName")
        then = (
            "it is left until the next promotion" if left else "the next reconciliation replaces it"
        )
        yield (f"The endpoint serves configuration {described.get('EndpointConfigName')}, which "
               f"is not the champion's: {then}.")  # fmt: skip


# the loop


def _add_loop(
    status: Status, client: Callable[[str], Any], table: str, loop: Loop, now: float
) -> None:
    dynamodb = client("dynamodb")
    row = read_row(dynamodb, table, f"loop#{loop.job}")
    findings = read_row(dynamodb, table, f"findings#{loop.job}")
    for finding in findings.get("findings", {}).values():
        status.problems.append(str(finding["text"]))
    checked = findings.get("checked_at")
    if checked is None:
        status.facts.append("The reconciler has not run yet.")
    elif now - float(checked) > _LATE * loop.reconcile_every:
        status.problems.append(
            f"The reconciler last completed {_ago(now - float(checked))} ago, and should every "
            f"{_ago(loop.reconcile_every)}: its event rule or its log has the reason."
        )
    _add_alerts(status, "job", row)
    _add_alerts(status, "comparison", findings)
    alarm = _alarm_state(client("cloudwatch"), loop.alarm)
    if alarm is not None:
        status.facts.append(f"The alarm {loop.alarm} is {alarm}.")
    if row.get("in_flight"):
        status.next.append(_in_flight(client, table, loop, str(row["in_flight"])))
    else:
        _add_idle(status, loop, row, alarm, now)


def _add_idle(
    status: Status, loop: Loop, row: Mapping[str, Any], alarm: str | None, now: float
) -> None:
    """What happens next while no job is in flight."""
    if row.get("outcome"):
        status.facts.append(f"The last job: {row['outcome']}, {row.get('reason', 'no reason')}.")
    if row.get("pending"):
        status.next.append("A trigger is pending; its job starts after the back-off.")
        return
    attempts, last = int(row.get("attempts", 0)), row.get("last_started_at")
    failed = row.get("outcome") == "failed"
    if (alarm == "ALARM" or row.get("retry")) and failed and attempts >= loop.max_attempts:
        status.problems.append(
            f"No job is started after {attempts} failed attempts, until the alarm is OK, new data "
            f"arrive, or `sageloop train {loop.job}` starts one."
        )
    elif alarm == "ALARM" and last is not None and now - float(last) < loop.cooldown:
        wait = loop.cooldown - (now - float(last))
        status.next.append(f"The alarm may start a job in {_ago(wait)}, after the cooldown.")
    elif alarm == "ALARM" or row.get("retry"):
        status.next.append("The next reconciliation starts a job.")
    else:
        status.next.append("A job starts when new data arrive or the alarm fires.")


def _in_flight(client: Callable[[str], Any], table: str, loop: Loop, name: str) -> str:
    document = read_row(client("dynamodb"), table, f"job#{loop.job}").get("document", "{}")
    kind = KINDS[json.loads(document).get("kind", "training")]
    job_described = describe_existing(kind.describe, sagemaker=client("sagemaker"), name=name)
    if job_described is None:
        return f"The job {name} is being created."
    status = kind.status(job_described)
    if status == "InProgress":
        return f"The job {name} is in progress; when it completes, the gate evaluates its model."
    return f"The job {name} is {status}; its model is evaluated next."


def _alarm_state(cloudwatch: Any, name: str) -> str | None:
    response = cloudwatch.describe_alarms(
        AlarmNames=[name], AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    alarms = [*response.get("MetricAlarms", []), *response.get("CompositeAlarms", [])]
    return str(alarms[0]["StateValue"]) if alarms else None


def _add_alerts(status: Status, subject: str, row: Mapping[str, Any]) -> None:
    """Alerts that SNS has refused."""
    waiting = len(row.get("alerts", [])) + bool(row.get("alert"))
    if waiting:
        error = row.get("alerts_error", "not tried yet")
        status.problems.append(f"{waiting} alerts about the {subject} were not sent: {error}.")


def _ago(seconds: float) -> str:
    """A duration in its largest unit: 90 s, 15 min, 30 h, 4 days."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
