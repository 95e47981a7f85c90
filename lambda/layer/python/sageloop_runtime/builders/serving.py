"""Builds the proxy that invokes an endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.config import InvokeProxyConfig
from sageloop_runtime.serving.invoke_proxy import InvokeProxy

Environment = Mapping[str, str]


def invoke_proxy(environment: Environment, clients: Clients) -> InvokeProxy:
    """invoke_proxy."""
    config = InvokeProxyConfig.read(environment)
    return InvokeProxy(config, runtime=clients("sagemaker-runtime"))
