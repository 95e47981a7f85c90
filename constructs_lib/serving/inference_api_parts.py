"""Parts that the two inference APIs share."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from .._private.checks import Checks
from .._private.encryption import admit_logs
from .base import EndpointBase
from .endpoint import Endpoint
from .kinds import Asynchronous, InferenceComponents

STAGE = "live"
_CONTENT_TYPE = r"[a-z]+/[a-z0-9.+-]+"


def check_api(
    check: Checks,
    *,
    endpoint: EndpointBase,
    content_types: Sequence[str],
    requests_per_second: float,
    burst: int,
) -> None:
    """Refuse endpoints without synchronous inference, and invalid throttling."""
    check.not_empty("content_types", content_types)
    for each in content_types:
        check.matches("content_types", each, _CONTENT_TYPE, 127)
    check.between("requests_per_second", requests_per_second, 1, 10_000)
    check.whole("burst", burst, 1, 5_000)
    if not isinstance(endpoint, Endpoint):
        return
    if isinstance(endpoint.kind, Asynchronous | InferenceComponents):
        check.refuse("KindNotAllowed", "an inference API needs a real-time or serverless endpoint, "
                     f"got {endpoint.kind.SPOKEN}")  # fmt: skip


def access_log_group(scope: Construct, key: kms.IKey | None) -> logs.LogGroup:
    """The log group of the access logs, with a retention of one year."""
    if key is not None:
        admit_logs(key, scope)
    return logs.LogGroup(
        scope, "Logs", encryption_key=key, retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=RemovalPolicy.DESTROY,
    )  # fmt: skip
