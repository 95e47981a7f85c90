"""The error of a denied request, as each service answers it."""

from __future__ import annotations

from sageloop.local_cloud.access.policy import Decision
from sageloop.local_cloud.core.errors import AwsError

# Code and HTTP status by botocore's name of the service. The others have the code of their
# protocol, below.
_CODES = {
    "ec2": ("UnauthorizedOperation", 403),
    "s3": ("AccessDenied", 403),
    "s3control": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "sqs": ("AccessDenied", 403),
    "lambda": ("AccessDeniedException", 403),
    "sagemaker-runtime": ("AccessDeniedException", 403),
    "scheduler": ("AccessDeniedException", 403),
    "efs": ("AccessDeniedException", 403),
    "backup": ("AccessDeniedException", 403),
    "resource-groups": ("ForbiddenException", 403),
}
_OF_PROTOCOL = {"query": ("AccessDenied", 403), "rest-xml": ("AccessDenied", 403)}
_OTHERS = ("AccessDeniedException", 400)
# CloudWatch answers in CBOR with the code of its query protocol.
_QUERY_CODES = ("cloudwatch", "cloudformation", "iam", "sts")


def denial(service: str, protocol: str, decision: Decision) -> AwsError:
    """The error of a denied request of a service."""
    message = decision.s3_message if service in ("s3", "s3control") else decision.message
    if service == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
    return access_denied(service, protocol, message)


def access_denied(service: str, protocol: str, message: str) -> AwsError:
    """An access denied error with a message."""
    if service in _QUERY_CODES:
        code, status = _OF_PROTOCOL["query"]
    else:
        code, status = _CODES.get(service) or _OF_PROTOCOL.get(protocol, _OTHERS)
    return AwsError(code, message, status)
