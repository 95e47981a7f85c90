"""Jobs of each kind, as the tests of constructs need them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from aws_cdk import Stack
from constructs import Construct

from constructs_lib import (
    ContinuousRange,
    DatePartitionedDataset,
    HostingRole,
    IntegerRange,
    JobSpecification,
    ProcessingInput,
    ProcessingJob,
    ProcessingOutput,
    ProcessingRole,
    ProcessingSpecification,
    TrainingRole,
    TransformJob,
    TransformSpecification,
    TuningJob,
    XGBoost,
)

from .conftest import Ground

_HYPERPARAMETERS = {"num_round": 10, "eval_metric": "mae"}


def specification(ground: Ground, **changes: Any) -> JobSpecification:
    """What trains: built-in XGBoost on daily data, by a role that tunes."""
    role = ground.stack.node.try_find_child("TuningRole")
    values: dict[str, Any] = {
        "algorithm": XGBoost(hyperparameters=_HYPERPARAMETERS),
        "store": ground.store,
        "data": DatePartitionedDataset(prefix="datasets/demo/"),
        "role": role or TrainingRole(ground.stack, "TuningRole", key=ground.store.key, tunes=True),
        "subnet_ids": ground.network.subnet_ids,
        "security_group_ids": ["sg-1"],
        **changes,
    }
    return JobSpecification(**values)


def tuning(ground: Ground, **changes: Any) -> TuningJob:
    """A search; changes that a specification knows go to it."""
    own = {each.name for each in fields(JobSpecification)} - {"max_runtime_seconds", "overrides"}
    provided = {name: changes.pop(name) for name in list(changes) if name in own}
    values: dict[str, Any] = {"job": "demo", "max_jobs": 6, "max_parallel": 2, **changes}
    if "definitions" not in values:
        values.setdefault("specification", specification(ground, **provided))
        values.setdefault(
            "ranges", [IntegerRange("max_depth", 3, 9), ContinuousRange("eta", 0.05, 0.4)]
        )
    return TuningJob(ground.stack, "Search", state=ground.state, network=ground.network, **values)


def processing(ground: Ground, **changes: Any) -> ProcessingJob:
    """A processing job with a custom image; other changes go to its specification."""
    of_job = ("job", "start_on_deploy", "alert_topic")
    provided = {name: changes.pop(name) for name in list(changes) if name in of_job}
    values: dict[str, Any] = {
        "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/prepare:1",
        "store": ground.store,
        "role": ProcessingRole(ground.stack, "ProcessingRole", key=ground.store.key),
        "inputs": [ProcessingInput(name="raw", prefix="raw/")],
        "outputs": [ProcessingOutput(name="train", prefix="datasets/train/")],
        "subnet_ids": ground.network.subnet_ids,
        "security_group_ids": ["sg-1"],
        **changes,
    }
    return ProcessingJob(
        ground.stack, "Prepare", specification=ProcessingSpecification(**values),
        state=ground.state, network=ground.network, **{"job": "prepare", **provided},
    )  # fmt: skip


def transform(ground: Ground, **changes: Any) -> TransformJob:
    """A batch transform job; changes go to its specification, but the job's own."""
    of_job = ("job", "start_on_deploy", "alert_topic")
    provided = {name: changes.pop(name) for name in list(changes) if name in of_job}
    values: dict[str, Any] = {
        "model_name": "flights",
        "store": ground.store,
        "role": HostingRole(ground.stack, "ModelRole", key=ground.store.key),
        "input_prefix": "to-score/",
        "output_prefix": "scored/",
        **changes,
    }
    return TransformJob(
        ground.stack, "Score", specification=TransformSpecification(**values),
        state=ground.state, network=ground.network, **{"job": "score", **provided},
    )  # fmt: skip


def literal(scope: Construct, value: Any) -> Any:
    """What a value may be once deployed: each reference becomes a text of the right kind."""
    return _literal(Stack.of(scope).resolve(value))


def _literal(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_literal(each, key) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        delimiter, parts = value["Fn::Join"]
        return str(delimiter).join(str(_literal(part, "part")) for part in parts)
    if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
        return _REFERENCES.get(key, "value-1")
    return {name: _literal(each, name) for name, each in value.items()}


_REFERENCES = {
    "S3Uri": "s3://bucket/key",
    "RoleArn": "arn:aws:iam::123456789012:role/demo",
    "KmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/demo",
    "VolumeKmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/demo",
}
