"""Errors of the engine, with AWS's messages."""

from __future__ import annotations

import secrets
import uuid

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.core.errors import AwsError

_SUFFIX_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class ResourceFailed(Exception):
    """A resource could not be created, updated or deleted.

    ``reason`` is its status reason; ``physical_id`` is what was created nevertheless and must be
    deleted when the stack rolls back (``None``: nothing).
    """

    def __init__(self, reason: str, *, physical_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.physical_id = physical_id


class Cancelled(ResourceFailed):
    """An operation cancelled because another resource failed."""


def invalid(message: str) -> AwsError:
    """CloudFormation's ``ValidationError``, its response to most invalid requests."""
    return AwsError("ValidationError", message)


def refused(what: str) -> AwsError:
    """The error for a feature that the local cloud's engine does not support."""
    return invalid(f"{what} is not supported by the local cloud; see docs/local-cloud-coverage.md")


def reason_of(error: Exception) -> str:
    """The status reason for a provider's exception, in the form of a resource handler."""
    if isinstance(error, ResourceFailed):
        return error.reason
    if isinstance(error, ClientError):
        return _client_reason(error)
    if isinstance(error, AwsError):
        return _handler_message(error.message, _handler_code(error.code))
    kind = "" if isinstance(error, BotoCoreError) else f"{type(error).__name__}: "
    return _handler_message(f"{kind}{error}", "InternalFailure")


def random_suffix(length: int = 12) -> str:
    """The random suffix of a physical name."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(length))


def _client_reason(error: ClientError) -> str:
    details = error.response.get("Error", {})
    code = str(details.get("Code", "Unknown"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    message = (
        f"{details.get('Message', '')} ({error.operation_name}: {code}, Status Code: {status})"
    )
    return _handler_message(message, _handler_code(code))


def _handler_message(message: str, code: str) -> str:
    return (
        f'Resource handler returned message: "{message}" '
        f"(RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})"
    )


def _handler_code(code: str) -> str:
    kinds = (
        (("AlreadyExists", "InUse", "Conflict", "Duplicate"), "AlreadyExists"),
        (("NotFound", "NoSuch", "404"), "NotFound"),
        (("AccessDenied", "Unauthorized", "Forbidden"), "AccessDenied"),
        (("Validation", "Invalid", "Malformed"), "InvalidRequest"),
        (("Throttl", "TooManyRequests"), "Throttling"),
    )
    for marks, kind in kinds:
        if any(mark in code for mark in marks):
            return kind
    return "GeneralServiceException"
