"""The lineage of an endpoint's models: data, job, gate decision, approval, times of service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from sageloop.champions.endpoints import Promotion, champion_row, read_row, version_of
from sageloop.existing import describe_existing
from sageloop.jobs.kinds import final_metrics

_PROPERTY = "sageloop:"
_PENDING = "PendingManualApproval"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The origin of a model.

    Attributes:
        training_job: The job that trained it.
        tuning_job: The tuning job of which that job was the best trial.
        data: S3 URI and data type (``S3Prefix``, ``ManifestFile``) of each channel.
        hyperparameters: The first 12 hex digits of their SHA-256.
        metrics: Final metrics of the job.

    """

    training_job: str | None = None
    tuning_job: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    hyperparameters: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A period in which a model served, in epoch seconds; ``until`` is None for the champion.

    Attributes:
        since: Start.
        until: End.
        by: The caller of a manual request; None for the loop.

    """

    since: float
    until: float | None = None
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A registered model.

    Attributes:
        version: Its version in the model package group.
        package_arn: The ARN of its model package.
        created: The time of its registration, in epoch seconds.
        status: ``champion`` (``stopped champion`` while its endpoint is stopped), ``promoting``,
        ``former champion``, ``rolled back``, ``waits for approval``, ``rejected`` or
        ``approved`` (and never served).
        approval: SageMaker's approval status.
        reason: The gate's reason, or the reason of its rollback.
        outcome: The outcome in ``result#<job>``: the gate's decision.
        origin: Its data, job and metrics.
        served: The periods in which it served, oldest first.

    """

    version: int
    package_arn: str
    created: float
    status: str
    approval: str
    reason: str
    outcome: str | None
    origin: Origin
    served: list[Term]


def lineage_of(client: Any, promotion: Promotion) -> list[Model]:
    """Every model of an endpoint's registry, newest first.

    Args:
        client: Creates the boto3 client of a service.
        promotion: The resources of the endpoint.

    """
    row = champion_row(client("dynamodb"), promotion)
    terms = terms_of(row)
    return [
        _model(client, promotion.table, arn, row, terms.get(arn, []))
        for arn in _packages(client("sagemaker"), promotion.group)
    ]


def terms_of(row: Mapping[str, Any]) -> dict[str, list[Term]]:
    """The periods of service of each package, from the champion's record."""
    served = list(row.get("served", []))
    if not served and row.get("live_since") is not None and row.get("state") == "live":
        # Records of earlier releases contain the last champion only.
        served = [{"package_arn": row["package_arn"], "since": row["live_since"]}]
    terms: dict[str, list[Term]] = {}
    for each, following in zip_longest(served, served[1:]):
        since = float(each.get("since", 0.0))
        until = None if following is None else float(following.get("since", since))
        term = Term(since=since, until=until, by=each.get("by"))
        terms.setdefault(str(each["package_arn"]), []).append(term)
    return terms


def status_of(row: Mapping[str, Any], arn: str, approval: str, served: list[Term]) -> str:
    """The status of a package at its endpoint."""
    current = row.get("package_arn") == arn
    if arn in row.get("quarantined", []):
        return "rolled back"
    if current and row.get("state") == "promoting":
        return "promoting"
    if current and row.get("state") in {"live", "rolled_back"}:
        # Rows of the previous release have "parked".
        return "stopped champion" if row.get("stopped", row.get("parked")) else "champion"
    if served:
        return "former champion"
    other = {"Rejected": "rejected", _PENDING: "waits for approval"}
    return other.get(approval, "approved")


def _packages(sagemaker: Any, group: str) -> Iterator[str]:
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    arns = [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]
    yield from sorted(arns, key=version_of, reverse=True)


def _model(client: Any, table: str, arn: str, row: Mapping[str, Any], served: list[Term]) -> Model:
    sagemaker = client("sagemaker")
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    properties = described.get("CustomerMetadataProperties", {})
    origin = _origin(sagemaker, properties)
    job = origin.training_job if origin.tuning_job is None else origin.tuning_job
    result = {} if job is None else read_row(client("dynamodb"), table, f"result#{job}")
    approval = described["ModelApprovalStatus"]
    status = status_of(row, arn, approval, served)
    why = str(properties.get(f"{_PROPERTY}reason", ""))
    message = str(row.get("reason", ""))
    return Model(
        version=version_of(arn),
        package_arn=arn,
        created=described["CreationTime"].timestamp(),
        status=status,
        approval=approval,
        reason=message if status == "rolled back" and f"{arn})" in message else why,
        # Rows of the previous release have "verdict".
        outcome=result.get("outcome", result.get("verdict")),
        origin=origin,
        served=served,
    )


def _origin(sagemaker: Any, properties: Mapping[str, str]) -> Origin:
    name = properties.get(f"{_PROPERTY}training-job")
    tuning = properties.get(f"{_PROPERTY}tuning-job")
    describe = sagemaker.describe_training_job
    job = None if name is None else describe_existing(describe, TrainingJobName=name)
    if job is None:
        return Origin(training_job=name, tuning_job=tuning)
    text = json.dumps(job.get("HyperParameters", {}), sort_keys=True, separators=(",", ":"))
    return Origin(
        training_job=name,
        tuning_job=tuning,
        data=dict(_channels(job)),
        hyperparameters=hashlib.sha256(text.encode()).hexdigest()[:12],
        metrics=final_metrics(job),
    )


def _channels(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for channel in job.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            yield channel["ChannelName"], ", ".join(channel["DataSource"])
        else:
            yield channel["ChannelName"], f"{source['S3Uri']} ({source['S3DataType']})"
