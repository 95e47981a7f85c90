"""Constraints of a definition's resources, and the hyperparameters of a built-in algorithm."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.images import builtin

Document = Mapping[str, Any]
_SINGLE = ("InstanceType", "InstanceCount", "VolumeSizeInGB")


def violations(document: Document) -> Iterator[str]:
    """The violated constraints of the resources of a definition, one line each."""
    flexible = document.get("HyperParameterTuningResourceConfig")
    if (flexible is None) == ("ResourceConfig" not in document):
        yield (
            "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig must be "
            f"specified in a training job definition, got {'none' if flexible is None else 'both'}."
        )
    if flexible is None:
        return
    single = [member for member in _SINGLE if member in flexible]
    if "InstanceConfigs" in flexible and single:
        yield (
            "HyperParameterTuningResourceConfig has InstanceConfigs, so it must not have "
            f"{', '.join(single)}."
        )
    if "InstanceConfigs" not in flexible and "InstanceType" not in flexible:
        yield "HyperParameterTuningResourceConfig needs InstanceConfigs or InstanceType."
    if "AllocationStrategy" in flexible and "InstanceConfigs" not in flexible:
        yield "AllocationStrategy needs InstanceConfigs to choose from."


def known_hyperparameters(image: str, document: Document) -> Collection[str]:
    """The hyperparameters of a built-in algorithm; empty for a user's program."""
    algorithm = builtin.algorithm_of(image)
    scripted = "sagemaker_program" in document.get("StaticHyperParameters", {})
    if scripted or algorithm is None or algorithm.algorithm is None:
        return ()
    package = algorithm.algorithm.partition(".")[0]
    known: Collection[str] = importlib.import_module(
        f"{images.__name__}.{package}.hyperparameters"
    ).NAMES
    return known
