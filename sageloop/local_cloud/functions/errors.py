"""Errors of Lambda, with AWS's error codes."""

from __future__ import annotations

from sageloop.local_cloud.core.errors import AwsError


def not_found(what: str) -> AwsError:
    """A function, alias, layer or policy does not exist."""
    return AwsError("ResourceNotFoundException", what, 404, fields={"Type": "User"})


def function_not_found(arn: str) -> AwsError:
    """The function, or its version or alias, does not exist."""
    return not_found(f"Function not found: {arn}")


def conflict(what: str) -> AwsError:
    """The resource already exists or is in use."""
    return AwsError("ResourceConflictException", what, 409, fields={"Type": "User"})


def invalid(what: str) -> AwsError:
    """A parameter's value is not allowed."""
    return AwsError("InvalidParameterValueException", what, fields={"Type": "User"})


def throttled(reason: str) -> AwsError:
    """No concurrency is available; ``reason`` is AWS's."""
    return AwsError(
        "TooManyRequestsException", "Rate Exceeded.", 429, fields={"Type": "User", "Reason": reason}
    )


def stale_revision(operation: str = "GetFunction/GetAlias") -> AwsError:
    """The request's ``RevisionId`` is not the latest."""
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {operation} API to retrieve the latest Revision Id",
        412,
        fields={"Type": "User"},
    )
