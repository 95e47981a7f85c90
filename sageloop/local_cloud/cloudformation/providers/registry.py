"""Every resource type the local cloud supports, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from sageloop.local_cloud.cloudformation.providers.base import Provider
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, CoveredProvider

_MODULES = (
    "backup", "cloudwatch", "dynamodb", "ec2", "ecr", "events", "iam", "keep", "kms", "lambda_",
    "logs", "messaging", "parameters", "s3", "sagemaker", "sagemaker_components",
    "sagemaker_jobs", "scaling",
)  # fmt: skip


@cache
def _providers() -> Mapping[str, CoveredProvider]:
    found: dict[str, CoveredProvider] = {}
    for module in _MODULES:
        found |= import_module(f"{__package__}.{module}").PROVIDERS
    return found


def provider_of(type_name: str) -> Provider | None:
    """The provider of a resource type, or ``None`` if there is none (custom resources too)."""
    return _providers().get(type_name)


def coverage_of(type_name: str) -> Coverage | None:
    """What is carried out of a resource type, or ``None`` if it is not supported."""
    provider = _providers().get(type_name)
    return None if provider is None else provider.coverage


def supported() -> dict[str, Coverage]:
    """Every supported type and what is executed or stored of it, sorted by name."""
    return {name: provider.coverage for name, provider in sorted(_providers().items())}
