"""Reserved concurrency of the functions, switched by a CDK context key."""

from __future__ import annotations

from constructs import Construct

from .errors import ConfigurationError

RESERVE_CONCURRENCY = "sageloop:reserveConcurrency"
"""CDK context key: ``false`` reserves no concurrency for any function in the scope."""


def reserved_executions(scope: Construct, executions: int) -> int | None:
    """Reserved concurrent executions of a function; ``None`` where the context switches them off.

    Lambda leaves at least 100 executions unreserved; an account whose limit is lower (new accounts
    have 10) cannot reserve any.

    Args:
        scope: The function's construct.
        executions: Reserved concurrent executions, at least 1.

    Raises:
        ConfigurationError: If the context value is neither ``true`` nor ``false``.

    See https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html

    """
    value = scope.node.try_get_context(RESERVE_CONCURRENCY)
    if value in (None, True, "true"):
        return executions
    if value in (False, "false"):
        return None
    raise ConfigurationError(
        "ContextNotAllowed", scope,
        f"context {RESERVE_CONCURRENCY} must be true or false, got {value!r}",
    )  # fmt: skip
