"""Errors that are returned to clients in AWS's formats."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error response of an AWS service.

    ``code`` is the error code (``ValidationException``), ``message`` the message, ``status`` the
    HTTP status, ``fields`` further members of the error's shape.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, *, fields: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields or {}


def not_supported(service: str, operation: str) -> AwsError:
    """The error for an operation that the local cloud does not implement."""
    return AwsError(
        "NotImplemented",
        f"the local cloud does not support {service}:{operation}; see docs/local-cloud-coverage.md",
        501,
    )
