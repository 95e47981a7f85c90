"""Errors of the functions, and classification of errors of AWS services."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

_TRANSIENT = frozenset(
    {
        "InternalFailure", "InternalServerError", "InternalServerException", "LimitExceeded",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestTimeout",
        "ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "Throttling",
        "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip


class BadInputError(ValueError):
    """The event, document or setting is invalid; a retry cannot succeed."""


class TryAgainError(RuntimeError):
    """A resource is not ready; the same call may succeed later."""


def code_of(error: ClientError) -> str:
    """The service's error code, such as ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """The service's error message."""
    return str(error.response.get("Error", {}).get("Message", ""))


def is_transient(error: Exception) -> bool:
    """Whether a retry may succeed: throttling, HTTP 5xx, connection errors."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return code_of(error) in _TRANSIENT or status >= 500
    return isinstance(error, BotoCoreError | TryAgainError)


def is_missing(error: ClientError) -> bool:
    """Whether the error of SageMaker means that the named resource does not exist.

    SageMaker has no error code for this: it returns a ValidationException with a message.
    """
    text = message_of(error).lower()
    return code_of(error) in {"ResourceNotFound", "ResourceNotFoundException"} or (
        code_of(error) == "ValidationException"
        and any(part in text for part in ("could not find", "does not exist", "not found"))
    )


def already_exists(error: ClientError) -> bool:
    """Whether the error of SageMaker means that a resource of this name exists already."""
    text = message_of(error).lower()
    return code_of(error) == "ResourceInUse" or (
        code_of(error) == "ValidationException"
        and ("already exist" in text or "already existing" in text)
    )
