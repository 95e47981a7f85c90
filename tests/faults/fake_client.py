"""Clients with the interface of boto3: every request is checked against botocore's model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator


def client_error(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "Operation",
    )


@cache
def _model(service: str) -> tuple[ServiceModel, dict[str, str]]:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    return model, {xform_name(name): name for name in model.operation_names}


_PREFIX = {"application-autoscaling": "application-autoscaling", "sagemaker-runtime": "sagemaker"}
_RENAMED = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "lambda:Invoke": "lambda:InvokeFunction",
}


def checked_action(service: str, name: str, request: dict[str, Any]) -> str:
    """The IAM action of a call, whose request the service's model allows."""
    model, operations = _model(service)
    operation = model.operation_model(operations[name])
    if operation.input_shape is not None:
        report = ParamValidator().validate(request, operation.input_shape)
        assert not report.has_errors(), report.generate_report()
    action = f"{_PREFIX.get(service, service)}:{operation.name}"
    return _RENAMED.get(action, action)


class FakeClient:
    """A client with the interface of boto3; the world responds."""

    def __init__(self, world: Any, service: str) -> None:
        self._world = world
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self._world.call(self._service, name, request)
