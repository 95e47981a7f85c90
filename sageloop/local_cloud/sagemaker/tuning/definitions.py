"""Training job definitions of a tuning job, and the training jobs made from them."""

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
    """The metric to be optimised and the direction."""

    metric: str
    type: str

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self.type == "Maximize"

    def better(self, value: float, other: float) -> bool:
        """Whether ``value`` is strictly better than ``other``."""
        return value > other if self.maximize else value < other


@dataclass(frozen=True, slots=True)
class Definition:
    """One training job definition with what is searched in it."""

    name: str | None
    objective: Objective
    searched: tuple[Parameter, ...]
    document: Mapping[str, Any]

    @property
    def static(self) -> dict[str, str]:
        """Hyperparameters that every trial gets, without the one the service adds."""
        parameters = self.document.get("StaticHyperParameters", {})
        return {k: v for k, v in parameters.items() if k != OBJECTIVE_PARAMETER}

    @property
    def combinations(self) -> float:
        """How many combinations can be tried."""
        return combinations(self.searched)

    @property
    def resources(self) -> list[dict[str, Any]]:
        """ResourceConfigs of a trial in the order they are to be tried (Prioritized)."""
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
    """The definitions as they were given, one or several."""
    if "TrainingJobDefinition" in request:
        return [request["TrainingJobDefinition"]]
    return list(request.get("TrainingJobDefinitions", ()))


def objective_of(request: Request, document: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The objective of a definition: its own, or the tuning job's."""
    config = request["HyperParameterTuningJobConfig"]
    objective: Mapping[str, str] | None = document.get(
        "TuningObjective", config.get("HyperParameterTuningJobObjective")
    )
    return objective


def ranges_of(request: Request, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ranges of a definition: its own, or the tuning job's."""
    config = request["HyperParameterTuningJobConfig"]
    ranges: Mapping[str, Any] = document.get(
        "HyperParameterRanges", config.get("ParameterRanges", {})
    )
    return ranges


def definitions_of(request: Request) -> list[Definition]:
    """The definitions of a request that holds no mistakes."""
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
    """The CreateTrainingJob request of one trial.

    A trial's checkpoints go to a prefix of its own under the definition's, so that none starts
    from another's.
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
