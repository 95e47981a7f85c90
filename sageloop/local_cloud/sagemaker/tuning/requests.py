"""Constraints of CreateHyperParameterTuningJob that the service model does not declare.

The rules are those of the developer guide on automatic model tuning
(https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning.html) and of the API
reference. Each violation is one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.training.metrics import definitions_for
from sageloop.local_cloud.sagemaker.tuning import limits, ranges, resources
from sageloop.local_cloud.sagemaker.tuning.definitions import (
    Definition,
    Request,
    definitions_of,
    documents_of,
    objective_of,
    ranges_of,
)

_MAX_HYPERPARAMETERS = 100


def check(request: Request) -> list[Definition]:
    """The definitions of a request. Raises ``AwsError`` with the first violation."""
    for stage in (_of_structure, _of_ranges, limits.violations):
        for message in stage(request):
            raise AwsError("ValidationException", message)
    for message in limits.over_quota(request):
        raise AwsError("ResourceLimitExceeded", message)
    return definitions_of(request)


def _of_structure(request: Request) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    yield from _not_executed(request)
    several = "TrainingJobDefinitions" in request
    if several == ("TrainingJobDefinition" in request):
        yield (
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be specified, "
            f"got {'both' if several else 'none'}."
        )
        return
    if several:
        yield from _of_several(config, request["TrainingJobDefinitions"])
    else:
        yield from _of_one(config, request["TrainingJobDefinition"])
    for document in documents_of(request):
        yield from resources.violations(document)


def _not_executed(request: Request) -> Iterator[str]:
    members = ["Autotune"] if "Autotune" in request else []
    config = request["HyperParameterTuningJobConfig"]
    configured = [config.get("ParameterRanges", {})]
    configured += [d.get("HyperParameterRanges", {}) for d in documents_of(request)]
    if any(one.get("AutoParameters") for one in configured):
        members.append("ParameterRanges.AutoParameters")
    if members:
        yield (
            f"not executed by the local cloud: {', '.join(members)}; nothing was started. "
            "Specify a range for each searched hyperparameter."
        )


def _of_one(config: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for member, own_member in (
        ("HyperParameterTuningJobObjective", "TuningObjective"),
        ("ParameterRanges", "HyperParameterRanges"),
    ):
        if (member in config) == (own_member in document):
            yield (
                f"With one TrainingJobDefinition, exactly one of HyperParameterTuningJobConfig."
                f"{member} and TrainingJobDefinition.{own_member} must be specified, got "
                f"{'both' if own_member in document else 'none'}."
            )


def _of_several(config: Mapping[str, Any], documents: list[Mapping[str, Any]]) -> Iterator[str]:
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if member in config:
            yield (
                f"HyperParameterTuningJobConfig.{member} must not be specified with "
                "TrainingJobDefinitions; each of them has its own."
            )
    for number, document in enumerate(documents, 1):
        for member in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
            if member not in document:
                yield f"TrainingJobDefinitions.{number} has no {member}, which is required."
    names = [d.get("DefinitionName") for d in documents]
    for name in dict.fromkeys(names):
        if name is not None and names.count(name) > 1:
            yield f"TrainingJobDefinitions has the DefinitionName {name} more than once."
    types = sorted({d.get("TuningObjective", {}).get("Type", "") for d in documents})
    if len(types) > 1:
        yield f"All TuningObjectives must have the same Type, got {' and '.join(types)}."


def _of_ranges(request: Request) -> Iterator[str]:
    for document in documents_of(request):
        searched = ranges_of(request, document)
        yield from ranges.violations(searched)
        yield from _of_names(document, searched)
        yield from _of_objective(request, document)


def _of_names(document: Mapping[str, Any], configured: Mapping[str, Any]) -> Iterator[str]:
    static = document.get("StaticHyperParameters", {})
    searched = [one["Name"] for listed in configured.values() for one in listed]
    for name in searched:
        if name in static:
            yield f"The hyperparameter {name} is in StaticHyperParameters and has a range too."
    total = len(static.keys() | set(searched))
    if total > _MAX_HYPERPARAMETERS:
        yield (
            f"{total} hyperparameters are static or searched; the maximum is "
            f"{_MAX_HYPERPARAMETERS}."
        )
    image = document["AlgorithmSpecification"].get("TrainingImage", "")
    known = resources.known_hyperparameters(image, document)
    for name in searched if known else ():
        if name not in known:
            yield (
                f"The hyperparameter {name} is not one of the algorithm {image}; it has "
                f"{', '.join(sorted(known))}."
            )


def _of_objective(request: Request, document: Mapping[str, Any]) -> Iterator[str]:
    objective = objective_of(request, document)
    specification = document["AlgorithmSpecification"]
    known = [
        d["Name"]
        for d in definitions_for(
            specification.get("TrainingImage", ""), specification.get("MetricDefinitions", ())
        )
    ]
    if objective is not None and objective["MetricName"] not in known:
        yield (
            "A metric is required for this hyperparameter tuning job objective. Provide a metric "
            f"in the metric definitions. Got {objective['MetricName']}, which is none of "
            f"[{', '.join(known)}]."
        )
