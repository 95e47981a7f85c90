"""Errors that travel to a client in AWS's own shapes."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error of a service, as AWS names it.

    ``code`` is the wire code (``ValidationException``), ``message`` what a person reads,
    ``status`` the HTTP status, ``fields`` further members of the error's shape.
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
    """The refusal of an operation the local cloud does not have: named, never silent."""
    return AwsError(
        "NotImplemented",
        f"the local cloud does not support {service}:{operation}; see docs/local-cloud-coverage.md",
        501,
    )
