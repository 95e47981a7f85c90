"""Faults of AWS: failed calls, lost, repeated and late events, killed processes, clock jumps."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from .loop import DeployedLoop

HOUR = 3600.0
FUNCTIONS = "*:assumed-role/sageloop-*"
"""The principal of faults: the roles of the project's functions, not the clients of the soak."""

ACTIONS = (
    "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:CreateModelPackage",
    "sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages", "sagemaker:CreateModel",
    "sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig",
    "sagemaker:UpdateEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint",
    "sagemaker:ListEndpointConfigs", "sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel",
    "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem", "s3:GetObject", "s3:PutObject",
    "s3:ListObjectsV2", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData",
    "application-autoscaling:RegisterScalableTarget", "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:DescribeScalableTargets", "events:DescribeRule", "kms:DescribeKey",
    "lambda:Invoke", "sns:Publish",
)  # fmt: skip
NEEDED_BY_STARTS = frozenset({
    "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "dynamodb:GetItem",
    "dynamodb:UpdateItem", "dynamodb:PutItem", "s3:GetObject", "s3:PutObject", "s3:ListObjectsV2",
    "cloudwatch:DescribeAlarms", "lambda:Invoke",
})  # fmt: skip
"""The actions without which reconciler and start_training start no job."""
_CODES = (("ThrottlingException", 400), ("InternalFailure", 500), ("ServiceUnavailable", 503))
_EVENTS = (
    "SageMaker Training Job State Change", "SageMaker Model Package State Change",
    "SageMaker Endpoint State Change", "CloudWatch Alarm State Change", "Object Created",
    "Scheduled Event",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Injected:
    """A fault that was injected.

    Attributes:
        kind: Its kind.
        detail: What it concerns.
        lasts: Virtual seconds until it is withdrawn; 0 for a one-time fault.
        request: The members of the cloud's fault, if it is one.
        undo: Changes back what a person changed.
        label_shift: Minutes that are added to the ground truth while it lasts.
        prevents_starts: Whether no job can start while it lasts.

    """

    kind: str
    detail: str
    lasts: float = 0.0
    request: dict[str, Any] | None = None
    undo: Callable[[], None] | None = None
    label_shift: float = 0.0
    prevents_starts: bool = False


Inject = Callable[[DeployedLoop, random.Random], Injected]


def _inject(loop: DeployedLoop, injected: Injected) -> Injected:
    if injected.request is not None:
        loop.cloud.fault(**injected.request)
    return injected


def call_fails(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Calls of an action fail, some times, without an effect."""
    return _call(loop, dice, "call fails before its effect", after=False)


def response_is_lost(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Calls of an action have their effect, and then fail, some times."""
    return _call(loop, dice, "call fails after its effect", after=True)


def _call(loop: DeployedLoop, dice: random.Random, kind: str, *, after: bool) -> Injected:
    action, times = dice.choice(ACTIONS), dice.choice((1, 1, 2, 4, 8))
    code, status = dice.choice(_CODES)
    request = {
        "kind": "call", "match": action, "times": times, "code": code, "status": status,
        "after": after, "principal": FUNCTIONS,
    }  # fmt: skip
    detail = f"{action} {code} x{times}"
    return _inject(loop, Injected(kind=kind, detail=detail, request=request))


def access_is_denied(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Every call of an action is denied for an hour, as after an edit of a policy."""
    action = dice.choice(ACTIONS)
    request = {
        "kind": "call", "match": action, "times": None, "code": "AccessDeniedException",
        "status": 400, "principal": FUNCTIONS,
    }  # fmt: skip
    return _inject(loop, Injected(
        kind="access denied for an hour", detail=action, lasts=HOUR, request=request,
        prevents_starts=action in NEEDED_BY_STARTS,
    ))  # fmt: skip


def sns_refuses(loop: DeployedLoop, dice: random.Random) -> Injected:
    """SNS refuses every alert for some hours."""
    request = {
        "kind": "call", "match": "sns:Publish", "times": None, "code": "KMSDisabledException",
        "status": 400, "principal": FUNCTIONS,
    }  # fmt: skip
    hours = dice.randint(1, 6)
    return _inject(loop, Injected(
        kind="SNS refuses", detail=f"{hours} h", lasts=hours * HOUR, request=request
    ))  # fmt: skip


def event_is_lost(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Events of a detail type are lost."""
    return _event(loop, dice, "event lost", copies=0)


def event_is_repeated(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Events of a detail type arrive several times at once."""
    return _event(loop, dice, "event repeated", copies=dice.choice((2, 3)))


def event_is_late(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Events of a detail type arrive minutes or hours late."""
    delay = dice.choice((300.0, HOUR, 3 * HOUR, 8 * HOUR))
    return _event(loop, dice, "event late", copies=1, delay=delay)


def _event(loop: DeployedLoop, dice: random.Random, kind: str, **members: Any) -> Injected:
    event, times = dice.choice(_EVENTS), dice.choice((1, 1, 2, 3))
    request = {"kind": "event", "match": event, "times": times, **members}
    text = ", ".join(f"{key} {value:g}" for key, value in members.items())
    return _inject(loop, Injected(kind=kind, detail=f"{event} x{times}, {text}", request=request))


def function_is_killed(loop: DeployedLoop, dice: random.Random) -> Injected:
    """The process of a function ends while it runs, or between its work and its response."""
    part = dice.choice(("LoopStartTraining", "LoopOnJobChange", "Promoter", "LoopReconcile",
                        "LoopEvaluate"))  # fmt: skip
    place = dice.choice(("", ":answered"))
    match, times = f"lambda:{loop.function(part)}{place}", dice.choice((1, 1, 2, 3))
    request = {"kind": "process", "match": match, "times": times}
    detail = f"{part}{place} x{times}"
    return _inject(loop, Injected(kind="function killed", detail=detail, request=request))


def job_is_killed(loop: DeployedLoop, dice: random.Random) -> Injected:
    """The machine of the next job fails, or its container has an internal error."""
    job = f"{loop.names.job}-*"
    request = dice.choice((
        {"kind": "process", "match": f"training:{job}", "times": 1},
        {"kind": "internal", "match": job, "times": 1},
    ))  # fmt: skip
    kind = str(request["kind"])
    return _inject(loop, Injected(kind="job killed", detail=kind, request=request))


def capacity_is_refused(loop: DeployedLoop, dice: random.Random) -> Injected:
    """There is no capacity, or no quota, for the instance type of the next jobs."""
    kind, times = dice.choice(("capacity", "quota")), dice.choice((1, 2))
    request = {"kind": kind, "match": "*", "times": times}
    return _inject(loop, Injected(kind="capacity refused", detail=f"{kind} x{times}",
                                  request=request))  # fmt: skip


def server_is_killed(loop: DeployedLoop, dice: random.Random) -> Injected:
    """The model server of one instance is killed, now or when it starts."""
    label = f"endpoint:{loop.names.endpoint}"
    if dice.random() < 0.3:
        request = {"kind": "process", "match": label, "times": 1}
        return _inject(loop, Injected(kind="server killed", detail="at its start", request=request))
    running = loop.cloud.health()["processes"]
    pids = sorted(int(pid) for pid, name in running.items() if name == label)
    if pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(dice.choice(pids)).kill()
    return Injected(kind="server killed", detail=f"one of {len(pids)}")


def clock_jumps(loop: DeployedLoop, dice: random.Random) -> Injected:
    """The clock of the cloud jumps, whatever is in flight."""
    hours = dice.choice((0.25, 1.0, 3.0))
    loop.cloud.advance(hours=hours)
    return Injected(kind="clock jumps", detail=f"{hours:g} h")


def ground_truth_drifts(loop: DeployedLoop, dice: random.Random) -> Injected:
    """Flights take longer for some hours than any model predicts: the alarm fires."""
    hours, minutes = dice.choice((5, 8, 14)), float(dice.choice((15, 30)))
    return Injected(kind="ground truth drifts", detail=f"{minutes:g} min for {hours} h",
                    lasts=hours * HOUR, label_shift=minutes)  # fmt: skip


def event_is_malformed(loop: DeployedLoop, dice: random.Random) -> Injected:
    """An event that no attempt can handle: it becomes a dead letter."""
    part = dice.choice(("LoopStartTraining", "LoopOnJobChange"))
    loop.invoke(part, {"source": "unknown", "time": loop.iso_now()})
    return Injected(kind="malformed event", detail=part)


ALL: Sequence[tuple[Inject, int]] = (
    (call_fails, 6), (response_is_lost, 4), (access_is_denied, 3), (sns_refuses, 1),
    (event_is_lost, 3), (event_is_repeated, 3), (event_is_late, 2), (function_is_killed, 4),
    (job_is_killed, 2), (capacity_is_refused, 1), (server_is_killed, 2), (clock_jumps, 1),
    (ground_truth_drifts, 8), (event_is_malformed, 1),
)  # fmt: skip
