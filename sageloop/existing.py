"""Reads of resources that may not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

_MISSING = frozenset({
    "404", "NoSuchKey", "NotFound", "ParameterNotFound", "ResourceNotFound",
    "ResourceNotFoundException", "ValidationException",
})  # fmt: skip
"""SageMaker has no error code for this: it answers ValidationException."""


def describe_existing(call: Callable[..., Any], **request: Any) -> dict[str, Any] | None:
    """The response of a call that reads one resource; None if the resource does not exist."""
    try:
        return dict(call(**request))
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
