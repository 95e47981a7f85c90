"""What can go wrong, sorted by what the caller should do about it."""

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
    """The event or document says something that can never work; a retry would not help."""


class TryAgainError(RuntimeError):
    """Something is not ready yet; the same call may succeed later."""


def code_of(error: ClientError) -> str:
    """The service's error code, such as ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """The service's error message."""
    return str(error.response.get("Error", {}).get("Message", ""))


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttling, 5xx, connection trouble."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return code_of(error) in _TRANSIENT or status >= 500
    return isinstance(error, BotoCoreError | TryAgainError)


def is_missing(error: ClientError) -> bool:
    """Whether SageMaker says that the named thing does not exist.

    SageMaker has no code of its own for this: it is a ValidationException with a sentence.
    """
    text = message_of(error).lower()
    return code_of(error) in {"ResourceNotFound", "ResourceNotFoundException"} or (
        code_of(error) == "ValidationException"
        and any(part in text for part in ("could not find", "does not exist", "not found"))
    )


def already_exists(error: ClientError) -> bool:
    """Whether SageMaker says that the name is taken, so the thing of that name is ours."""
    text = message_of(error).lower()
    return code_of(error) == "ResourceInUse" or (
        code_of(error) == "ValidationException"
        and ("already exist" in text or "already existing" in text)
    )
