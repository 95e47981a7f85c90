"""How large requests may be, and what is answered to one that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.core.request import Request

    from sageloop.local_cloud.core.wire import Operation

# 50 MB as base64: AWS tells this number when a package is uploaded with the request.
_LAMBDA_BYTES = 69_905_067
# Where AWS documents no limit of a request's bytes this is ours, since a request is read into
# memory as a whole. What a service bounds itself (6 MB for an invocation) is its own business.
_OTHERS_BYTES = 64 * 1024**2
_OBJECT_BYTES = 5 * 1024**3
_KEY_BYTES = 1024
_QUERY = ("query", "ec2")


def read_body(service: str, request: Request) -> None:
    """Read a request's body, which the request then keeps.

    Raises RequestEntityTooLargeException before more than the service takes is read.
    """
    most = _LAMBDA_BYTES if service == "lambda" else _OTHERS_BYTES
    request.max_content_length = most
    try:
        request.get_data()
    except RequestEntityTooLarge:
        raise AwsError(
            "RequestEntityTooLargeException",
            f"Request must be smaller than {most} bytes for the {service} service", 413,
        ) from None  # fmt: skip
    except HTTPException as error:
        raise AwsError("IncompleteBody", str(error.description), 400) from None


def check_object(request: Request, path_params: Mapping[str, str]) -> None:
    """Raise S3's error for a key or an object that is too large."""
    if len(str(path_params.get("Key", "")).encode()) > _KEY_BYTES:
        raise AwsError("KeyTooLongError", "Your key is too long")
    if request.content_length is not None and request.content_length > _OBJECT_BYTES:
        raise AwsError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
        )


def unreadable(operation: Operation, error: Exception) -> AwsError:
    """The error of a request whose parameters cannot be read, by its protocol."""
    what = "the request is nested too deeply" if isinstance(error, RecursionError) else str(error)
    code = "MalformedInput" if operation.protocol in _QUERY else "SerializationException"
    return AwsError(code, what)
