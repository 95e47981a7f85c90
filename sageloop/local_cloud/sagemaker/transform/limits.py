"""Request limits of a transform job: payload size, records per request and concurrency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.transform.splitting import MEGABYTE

_STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
_DEFAULT_PAYLOAD_MB = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a job. ``payload_mb`` 0 means no limit; bodies are then sent in chunks."""

    concurrent: int
    payload_mb: int
    strategy: str

    @property
    def payload_bytes(self) -> int | None:
        """The maximum size of a request body, or ``None`` without a limit."""
        return self.payload_mb * MEGABYTE if self.payload_mb else None

    def log_line(self) -> str:
        """The first line of the data log."""
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload_mb}, "
            f"BatchStrategy={_upper_snake_case(self.strategy)}"
        )


def limits_of(request: Mapping[str, Any], offered: Mapping[str, Any]) -> Limits:
    """The limits of a job: from the request, else from the container, else AWS's defaults.

    ``offered`` is the response to ``GET /execution-parameters``; values of a wrong type are
    ignored. A MaxConcurrentTransforms of 0 in the request counts as not specified.
    """
    requested = request.get("MaxConcurrentTransforms", 0)
    payload = request.get("MaxPayloadInMB")
    strategy = request.get("BatchStrategy")
    own_strategy = _STRATEGIES.get(str(offered.get("BatchStrategy")), "MultiRecord")
    return Limits(
        concurrent=requested
        if requested > 0
        else max(1, _number(offered, "MaxConcurrentTransforms", 1)),
        payload_mb=_number(offered, "MaxPayloadInMB", _DEFAULT_PAYLOAD_MB)
        if payload is None
        else payload,
        strategy=own_strategy if strategy is None else strategy,
    )


def container_environment(request: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that a batch container gets; only those that the user set."""
    environment = {"SAGEMAKER_BATCH": "true"}
    if "MaxPayloadInMB" in request:
        environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(request["MaxPayloadInMB"])
    if "BatchStrategy" in request:
        environment["SAGEMAKER_BATCH_STRATEGY"] = _upper_snake_case(request["BatchStrategy"])
    if "MaxConcurrentTransforms" in request:
        environment["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(request["MaxConcurrentTransforms"])
    return environment


def _upper_snake_case(strategy: str) -> str:
    return next(name for name, default in _STRATEGIES.items() if default == strategy)


def _number(offered: Mapping[str, Any], name: str, default: int) -> int:
    value = offered.get(name)
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if usable and value is not None else default
