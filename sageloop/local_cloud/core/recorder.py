"""The record of all calls: principal, action, resource and outcome."""

from __future__ import annotations

import itertools
import pickle
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from sys import intern
from typing import Any

_RESOURCE_MEMBERS = (
    "Bucket", "TableName", "FunctionName", "TopicArn", "QueueUrl", "KeyId", "TrainingJobName",
    "EndpointName", "EndpointConfigName", "ModelName", "ModelPackageName",
    "ModelPackageGroupName", "NotebookInstanceName", "RoleArn", "RoleName", "AlarmName",
    "AlarmNames", "Name", "Rule", "StackName", "LogGroupName", "logGroupName", "ResourceId",
    "ParameterName", "SecretId", "Namespace", "AutoScalingGroupName", "ResourceArn",
)  # fmt: skip
_ACTION = 3
_RANKS = {member: rank for rank, member in enumerate(_RESOURCE_MEMBERS)}


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One API call; ``time`` is virtual epoch seconds, ``outcome`` OK or the error's code.

    ``access`` names the policy and statement that allow it, or the reason of a denial; it is empty
    where access is not decided.
    """

    number: int
    time: float
    principal: str
    action: str
    resource: str
    region: str
    outcome: str
    status: int
    seconds: float
    access: str
    params: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return asdict(self)


class Recorder:
    """Keeps the last ``capacity`` calls; readers query the calls after a number."""

    def __init__(self, *, capacity: int = 200_000) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        # The garbage collector does not track tuples of plain values. It would traverse a few
        # hundred thousand records or dictionaries and delay all requests. Parameters are kept as
        # bytes, which need a quarter of the memory of dictionaries, and names of roles, actions
        # and policies, which most calls share, once: else a full record has half a gigabyte.
        self._calls: deque[tuple[Any, ...]] = deque(maxlen=capacity)

    def add(
        self, *, time: float, principal: str, action: str, params: dict[str, Any], region: str,
        outcome: str, status: int, seconds: float, access: str = "",
    ) -> None:  # fmt: skip
        """Append one call."""
        resource, packed = resource_of(params), pickle.dumps(params, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._calls.append(
                (next(self._numbers), time, *map(intern, (principal, action, resource, region,
                 outcome)), status, seconds, intern(access), packed)
            )  # fmt: skip

    def calls(self, *, after: int = 0, action: str | None = None) -> list[CallRecord]:
        """Calls numbered above ``after``, of one ``action`` (``s3:PutObject``) if it is passed."""
        with self._lock:
            kept = list(self._calls)
        return [
            _read(entry) for entry in kept if entry[0] > after and action in (None, entry[_ACTION])
        ]

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(self.calls())


def _read(entry: tuple[Any, ...]) -> CallRecord:
    return CallRecord(*(*entry[:-1], pickle.loads(entry[-1])))  # noqa: S301 - packed above


def resource_of(params: dict[str, Any]) -> str:
    """The name or ARN of the resource in a request's parameters, else ``*``."""
    # Most requests have fewer members than the tuple above has names, and one of these at most.
    named = [member for member in params if member in _RANKS]
    if len(named) > 1:
        named.sort(key=_RANKS.__getitem__)
    for member in named:
        value = params[member]
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value:
            return f"{value}/{params['Key']}" if member == "Bucket" and "Key" in params else value
    return "*"
