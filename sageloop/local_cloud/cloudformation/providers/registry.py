"""Every supported resource type by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from sageloop.local_cloud.cloudformation.providers.base import Provider
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, CoveredProvider

_MODULES = (
    "backup", "cloudwatch", "dynamodb", "ec2", "ecr", "events", "iam", "kms", "lambda_", "logs",
    "messaging", "parameters", "s3", "sagemaker", "sagemaker_components",
    "sagemaker_jobs", "scaling", "stored_only",
)  # fmt: skip


@cache
def _providers() -> Mapping[str, CoveredProvider]:
    providers: dict[str, CoveredProvider] = {}
    for module in _MODULES:
        providers |= import_module(f"{__package__}.{module}").PROVIDERS
    return providers


def provider_of(type_name: str) -> Provider | None:
    """The provider of a resource type, or ``None`` (custom resources included)."""
    return _providers().get(type_name)


def coverage_of(type_name: str) -> Coverage | None:
    """The supported properties of a resource type, or ``None`` if it is not supported."""
    provider = _providers().get(type_name)
    return None if provider is None else provider.coverage


def supported() -> dict[str, Coverage]:
    """Every supported type with its executed and stored properties, sorted by name."""
    return {name: provider.coverage for name, provider in sorted(_providers().items())}
