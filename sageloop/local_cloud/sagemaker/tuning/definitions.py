"""Training job definitions of a tuning job, and the training job requests made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.tuning.ranges import Parameter, combinations, parameters

Request = Mapping[str, Any]
OBJECTIVE_PARAMETER = "_tuning_objective_metric"  # added by the tuning service to every trial
_OF_TRAINING = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig",
    "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining", "RetryStrategy", "Environment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective metric and the direction of its optimization."""

    metric: str
    type: str

    @property
    def maximize(self) -> bool:
        """Whether the metric is maximized."""
        return self.type == "Maximize"

    def better(self, value: float, other: float) -> bool:
        """Whether ``value`` is strictly better than ``other``."""
        return value > other if self.maximize else value < other


@dataclass(frozen=True, slots=True)
class Definition:
    """A training job definition and its searched hyperparameters."""

    name: str | None
    objective: Objective
    searched: tuple[Parameter, ...]
    document: Mapping[str, Any]

    @property
    def static(self) -> dict[str, str]:
        """Static hyperparameters of each trial, without the one that the service adds."""
        parameters = self.document.get("StaticHyperParameters", {})
        return {k: v for k, v in parameters.items() if k != OBJECTIVE_PARAMETER}

    @property
    def combinations(self) -> float:
        """The number of combinations of the searched values."""
        return combinations(self.searched)

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The ResourceConfigs of a trial in the order in which they are tried (Prioritized)."""
        flexible = self.document.get("HyperParameterTuningResourceConfig")
        if flexible is None:
            return [dict(self.document["ResourceConfig"])]
        key = {m: flexible[m] for m in ("VolumeKmsKeyId",) if m in flexible}
        instances = flexible.get("InstanceConfigs")
        if instances is not None:
            return [dict(one) | key for one in instances]
        members = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
        return [{m: flexible[m] for m in members if m in flexible} | key]


def documents_of(request: Request) -> list[Mapping[str, Any]]:
    """The training job definitions of a request, one or several."""
    if "TrainingJobDefinition" in request:
        return [request["TrainingJobDefinition"]]
    return list(request.get("TrainingJobDefinitions", ()))


def objective_of(request: Request, document: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The objective of a definition: its own, or that of the tuning job."""
    config = request["HyperParameterTuningJobConfig"]
    objective: Mapping[str, str] | None = document.get(
        "TuningObjective", config.get("HyperParameterTuningJobObjective")
    )
    return objective


def ranges_of(request: Request, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ranges of a definition: its own, or those of the tuning job."""
    config = request["HyperParameterTuningJobConfig"]
    ranges: Mapping[str, Any] = document.get(
        "HyperParameterRanges", config.get("ParameterRanges", {})
    )
    return ranges


def definitions_of(request: Request) -> list[Definition]:
    """The definitions of a valid request."""
    return [_definition(request, document) for document in documents_of(request)]


def _definition(request: Request, document: Mapping[str, Any]) -> Definition:
    objective = objective_of(request, document) or {"MetricName": "", "Type": "Minimize"}
    return Definition(
        document.get("DefinitionName"),
        Objective(objective["MetricName"], objective["Type"]),
        parameters(ranges_of(request, document)),
        document,
    )


def training_request(
    definition: Definition, *, name: str, values: Mapping[str, str],
    resources: Mapping[str, Any], tags: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The CreateTrainingJob request of a trial.

    Each trial has its own checkpoint prefix below that of the definition, so no trial starts from
    the checkpoint of another.
    """
    document = definition.document
    request = {m: document[m] for m in _OF_TRAINING if m in document}
    injected = {OBJECTIVE_PARAMETER: definition.objective.metric}
    request |= {
        "TrainingJobName": name,
        "HyperParameters": definition.static | dict(values) | injected,
        "ResourceConfig": dict(resources),
    }
    checkpoints = document.get("CheckpointConfig")
    if checkpoints is not None:
        prefix = checkpoints["S3Uri"].rstrip("/")
        request["CheckpointConfig"] = dict(checkpoints) | {"S3Uri": f"{prefix}/{name}"}
    if tags:
        request["Tags"] = [dict(tag) for tag in tags]
    return request
