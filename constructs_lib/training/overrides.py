"""Overrides of request members that the library does not model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .._private.checks import Checks

_NOT_OURS = {
    **dict.fromkeys(("HyperParameterTuningJobName", "ProcessingJobName", "TrainingJobName",
                     "TransformJobName"), "the trigger sets the job's name"),
    "RoleArn": "permissions are given to the specification's role",
}  # fmt: skip


def merged(check: Checks, request: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A request with overrides applied.

    Args:
        check: Collects the errors.
        request: The request, which is not changed.
        overrides: Values by path (``ResourceConfig.VolumeSizeInGB``, a number for a place in a
            list) or nested as in the API. Mappings are merged, anything else is replaced.

    """
    result = copy.deepcopy(request)
    for path, value in overrides.items():
        parts = path.split(".")
        if parts[0] in _NOT_OURS:
            message = f"overrides: {parts[0]} cannot be set: {_NOT_OURS[parts[0]]}"
            check.refuse("OverrideNotAllowed", message)
            continue
        _put(check, result, path, parts, value)
    return result


def _put(check: Checks, target: Any, path: str, parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        target = _step(target, part)
        if target is None:
            break
    last = parts[-1]
    if isinstance(target, dict):
        target[last] = _over(target.get(last), value)
    elif isinstance(target, list) and last.isdigit() and int(last) < len(target):
        target[int(last)] = _over(target[int(last)], value)
    else:
        check.refuse("OverrideNotAllowed", f"overrides: there is no member {path!r} in the request")


def _step(target: Any, part: str) -> Any:
    if isinstance(target, dict):
        return target.setdefault(part, {})
    if isinstance(target, list) and part.isdigit() and int(part) < len(target):
        return target[int(part)]
    return None


def _over(present: Any, value: Any) -> Any:
    if isinstance(present, dict) and isinstance(value, Mapping):
        return {**present, **{key: _over(present.get(key), each) for key, each in value.items()}}
    return copy.deepcopy(value)
