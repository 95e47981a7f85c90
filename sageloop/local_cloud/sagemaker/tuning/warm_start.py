"""Warm start: permitted changes of a child job, and the results of its parent jobs.

See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sageloop.local_cloud.sagemaker.tuning.definitions import (
    Definition,
    definitions_of,
    documents_of,
)
from sageloop.local_cloud.sagemaker.tuning.limits import jobs_limit, max_jobs

Document = Mapping[str, Any]
_ENDED = ("Completed", "Stopped", "Failed")
_MAX_CHANGES = 10
IDENTICAL = "IdenticalDataAndAlgorithm"


def parent_names(request: Document) -> list[str]:
    """The names of the parent tuning jobs in a request."""
    config = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    return [parent.get("HyperParameterTuningJobName", "") for parent in config]


def violations(request: Document, parents: Sequence[Document], launched: int) -> Iterator[str]:
    """The reasons why a request cannot start from its parents, one line each.

    ``launched`` is the number of training jobs that the parents launched together.
    """
    names = parent_names(request)
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"The parent tuning job {name} is specified more than once."
    limit = jobs_limit(request["HyperParameterTuningJobConfig"]["Strategy"])
    config = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    requested = max_jobs(request) if "MaxNumberOfTrainingJobs" in config else 0
    if launched + requested > limit:
        yield (
            f"The training jobs of the parents count: {launched} of them and {requested} new ones "
            f"are more than the {limit} of one tuning job."
        )
    identical = request["WarmStartConfig"]["WarmStartType"] == IDENTICAL
    for parent in parents:
        yield from _of_parent(request, parent, identical=identical)


def _of_parent(request: Document, parent: Document, *, identical: bool) -> Iterator[str]:
    name, status = parent["HyperParameterTuningJobName"], parent["HyperParameterTuningJobStatus"]
    if status not in _ENDED:
        yield (
            f"The parent tuning job {name} is in status {status}; it must be "
            f"{', '.join(_ENDED[:-1])} or {_ENDED[-1]}."
        )
    if len(documents_of(parent)) != 1:
        yield f"The parent tuning job {name} has several training job definitions, not one."
        return
    (child,), (before,) = definitions_of(request), definitions_of(parent)
    if child.objective != before.objective:
        yield (
            f"The objective must be the parent's: {name} has {before.objective.type} "
            f"{before.objective.metric}, got {child.objective.type} {child.objective.metric}."
        )
    yield from _of_hyperparameters(child, before, name)
    yield from _of_algorithm(child, before, name, identical=identical)


def _of_hyperparameters(child: Definition, before: Definition, name: str) -> Iterator[str]:
    names, theirs = _names(child), _names(before)
    if names != theirs:
        yield (
            "The set of tunable plus static HyperParameter names is not the same across current "
            "and parent tuning jobs. Please ensure this set is constant when warm starting. Note "
            "that previously static HyperParameters can be tuned in warm start jobs and vice "
            f"versa. Different from {name}: {', '.join(sorted(names ^ theirs))}."
        )
    kinds = {p.name: p.kind for p in before.searched}
    for parameter in child.searched:
        kind = kinds.get(parameter.name, parameter.kind)
        if kind != parameter.kind:
            yield (
                f"The hyperparameter {parameter.name} must keep the type of its range: {kind} in "
                f"{name}, got {parameter.kind}."
            )
    changed = _changes(child, before)
    if changed > _MAX_CHANGES:
        yield (
            f"{changed} changes of static hyperparameters since {name}; the maximum is "
            f"{_MAX_CHANGES} (each categorical value counts, a changed value as two)."
        )


def _of_algorithm(
    child: Definition, before: Definition, name: str, *, identical: bool
) -> Iterator[str]:
    image, theirs = _image(child), _image(before)
    if _repository(image) != _repository(theirs):
        yield f"The training image must be the parent's: {name} has {theirs}, got {image}."
    if identical and child.document.get("InputDataConfig") != before.document.get(
        "InputDataConfig"
    ):
        yield (
            f"{IDENTICAL} needs the InputDataConfig of {name}; with other data the WarmStartType "
            "is TransferLearning."
        )


def _changes(child: Definition, before: Definition) -> int:
    static, theirs = child.static, before.static
    to_static = sum(
        int(p.size) if p.kind == "Categorical" else 1 for p in before.searched if p.name in static
    )
    values = sum(2 for key, value in static.items() if theirs.get(key, value) != value)
    return to_static + values


def _names(definition: Definition) -> set[str]:
    return set(definition.static) | {p.name for p in definition.searched}


def _image(definition: Definition) -> str:
    specification = definition.document["AlgorithmSpecification"]
    return str(specification.get("TrainingImage", specification.get("AlgorithmName", "")))


def _repository(image: str) -> str:
    # A new version of the image is allowed, so the tag or digest is ignored.
    head, _, tail = image.partition("@")[0].rpartition("/")
    return f"{head}/{tail.partition(':')[0]}"
