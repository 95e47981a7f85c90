"""The one module that handlers import: the Lambda functions, built from their parts.

A name is imported at its first use, so that a function loads only the packages that it needs:
Lambda compiles the layer at each cold start.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "Clients": "aws.clients",
    "HourlyFiles": "monitoring.files",
    "champion_endpoint_actions": "builders.champion",
    "champion_endpoint_id": "champion.endpoint_resource",
    "default_security_group_actions": "builders.network",
    "default_security_group_id": "aws.default_security_group",
    "endpoint_schedule": "builders.scaling",
    "evaluator": "builders.monitoring",
    "invoke_proxy": "builders.serving",
    "job_actions": "builders.jobs",
    "job_change": "builders.jobs",
    "job_id": "jobs.job_resource",
    "job_starter": "builders.jobs",
    "promote": "builders.champion",
    "reconciler": "builders.reconciler",
    "run": "aws.custom_resource",
    "scaled_variants": "builders.scaling",
    "scaling_actions": "builders.scaling",
    "scaling_id": "scaling.scaled_variants",
    "single_attempt_client": "aws.clients",
}


def __getattr__(name: str) -> Any:
    """Import a name from the module that defines it.

    Raises:
        AttributeError: if there is no such name.

    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sageloop_runtime.{_MODULES[name]}"), name)
