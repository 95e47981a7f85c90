"""Global condition keys of a request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sageloop.local_cloud.access.caller import Caller
    from sageloop.local_cloud.core.operations import Call

# Keys whose values differ at each request: the record of decisions omits them.
VOLATILE = frozenset({"aws:CurrentTime", "aws:EpochTime", "aws:TokenIssueTime", "aws:UserAgent"})


def global_keys_at(now: float, region: str) -> dict[str, Any]:
    """The global condition keys that every request has, at a time of the virtual clock."""
    return {
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": region,
        "aws:ViaAWSService": "false",
        "aws:CurrentTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now)),
    }


def session_keys(caller: Caller) -> dict[str, Any]:
    """The condition keys that follow from a caller's session and the service that calls for it."""
    keys: dict[str, Any] = {}
    if caller.issued is not None:
        issued = datetime.fromtimestamp(caller.issued, UTC)
        keys["aws:TokenIssueTime"] = issued.strftime("%Y-%m-%dT%H:%M:%SZ")
    if caller.via:
        keys |= {
            "aws:ViaAWSService": "true", "aws:CalledVia": [caller.via],
            "aws:CalledViaFirst": caller.via, "aws:CalledViaLast": caller.via,
        }  # fmt: skip
    return keys


def global_keys(call: Call, now: float) -> dict[str, Any]:
    """The global condition keys of a call at a time of the virtual clock.

    On loopback the transport counts as TLS 1.3: AWS's clients use it.
    """
    environ: Mapping[str, Any] = call.request.environ
    keys = global_keys_at(now, call.region)
    address = environ.get("REMOTE_ADDR")
    if address:
        keys["aws:SourceIp"] = address
    agent = environ.get("HTTP_USER_AGENT")
    if agent:
        keys["aws:UserAgent"] = agent
    referer = environ.get("HTTP_REFERER")
    if referer:
        keys["aws:referer"] = referer
    if call.service == "s3":
        keys["s3:TlsVersion"] = "1.3"
        keys["s3:signatureversion"] = "AWS4-HMAC-SHA256"
        keys["s3:authType"] = "REST-HEADER" if environ.get("HTTP_AUTHORIZATION") else (
            "REST-QUERY-STRING"
        )  # fmt: skip
        digest = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
        if digest:
            keys["s3:x-amz-content-sha256"] = digest
    if call.service == "kms":
        keys["kms:CallerAccount"] = call.caller.account_id
    return keys
