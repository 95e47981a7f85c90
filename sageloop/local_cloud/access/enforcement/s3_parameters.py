"""Parameters of requests to S3 from path, query and headers.

The front leaves bodies of S3 unread, which may be large. Members of the few bodies that name a
resource or a condition key are read.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

from moto.core.utils import get_service_model

from sageloop.local_cloud.core import wire

if TYPE_CHECKING:
    from moto.core.request import Request

_WITH_BODY = frozenset({"DeleteObjects", "CreateBucket", "PutObjectTagging"})


def parameters(operation: wire.Operation, request: Request) -> dict[str, Any]:
    """The parameters of a request by the names of botocore's input shape."""
    if operation.name in _WITH_BODY:
        body = request.get_data()
        params = wire.parse(operation, request)
        request.environ["wsgi.input"] = io.BytesIO(body)  # moto reads the same body again
        return params
    params = dict(operation.path_params)
    for member, location, name in _members(operation.service, operation.name):
        value = (request.args if location == "querystring" else request.headers).get(name)
        if value is not None:
            params[member] = value
    return params


@cache
def _members(service: str, operation: str) -> tuple[tuple[str, str, str], ...]:
    shape = get_service_model(service).operation_model(operation).input_shape
    return tuple(
        (member, model.serialization["location"], model.serialization["name"])
        for member, model in (shape.members if shape is not None else {}).items()
        if model.serialization.get("location") in ("querystring", "header")
    )
