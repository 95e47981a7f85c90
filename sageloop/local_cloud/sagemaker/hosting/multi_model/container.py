"""The client of a multi-model container's API for loading and unloading models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    Connections,
    ContainerResponse,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.exchange import Headers

_UNLOAD_SECONDS = 60.0
_TARGET = "X-Amzn-SageMaker-Target-Model"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Container:
    """Calls to one container; they raise the exceptions of :class:`Connections`.

    Loading a model may take ``load_seconds`` wall seconds.
    """

    connections: Connections
    load_seconds: float

    def lists(self, timeout: float) -> bool:
        """Whether the container lists its models, which each multi-model container must support."""
        headers = {"Connection": "close"}
        return self.connections.request("GET", "/models", None, headers, timeout).status == 200

    def load(self, name: str, url: str) -> ContainerResponse:
        """Load a model from a directory."""
        body = json.dumps({"model_name": name, "url": url}).encode()
        return self.connections.request("POST", "/models", body, _JSON, self.load_seconds)

    def unload(self, name: str) -> ContainerResponse:
        """Unload a model."""
        path = f"/models/{name}"
        return self.connections.request("DELETE", path, None, {}, _UNLOAD_SECONDS)

    def invoke(
        self, name: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> ContainerResponse:
        """Invoke a loaded model."""
        target_headers = {**headers, _TARGET: target}
        return self.connections.request(
            "POST", f"/models/{name}/invoke", body, target_headers, timeout
        )


def refusal(status: HTTPStatus, message: str) -> ContainerResponse:
    """The error response of the platform for a model that it cannot load."""
    error: dict[str, Any] = {"code": status.value, "type": status.phrase, "message": message}
    return ContainerResponse(status.value, Headers({"content-type": "application/json"}),
                  json.dumps(error).encode())  # fmt: skip
