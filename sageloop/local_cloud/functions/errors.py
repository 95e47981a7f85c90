"""Lambda's errors, by the names AWS gives them."""

from __future__ import annotations

from sageloop.local_cloud.core.errors import AwsError


def not_found(what: str) -> AwsError:
    """A function, alias, layer or policy is not there."""
    return AwsError("ResourceNotFoundException", what, 404, fields={"Type": "User"})


def function_not_found(arn: str) -> AwsError:
    """There is no such function (or no such version or alias of it)."""
    return not_found(f"Function not found: {arn}")


def conflict(what: str) -> AwsError:
    """It exists already, or is still in use."""
    return AwsError("ResourceConflictException", what, 409, fields={"Type": "User"})


def invalid(what: str) -> AwsError:
    """A parameter's value is not allowed."""
    return AwsError("InvalidParameterValueException", what, fields={"Type": "User"})


def throttled(reason: str) -> AwsError:
    """No concurrency is left; ``reason`` is AWS's."""
    return AwsError(
        "TooManyRequestsException", "Rate Exceeded.", 429, fields={"Type": "User", "Reason": reason}
    )


def stale_revision(operation: str = "GetFunction/GetAlias") -> AwsError:
    """The caller's ``RevisionId`` is not the latest."""
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {operation} API to retrieve the latest Revision Id",
        412,
        fields={"Type": "User"},
    )
