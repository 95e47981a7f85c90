"""The model registry: one package a finished job, however often its end is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import is_transient, message_of
from sageloop_runtime.gate import Verdict
from sageloop_runtime.names import digest_of, package_version, split_uri

_GZIP = b"\x1f\x8b"
_JOB_KEY = "sageloop:training-job"
_TUNING_KEY = "sageloop:tuning-job"
_LONGEST_VALUE = 256


@dataclass(frozen=True, kw_only=True)
class Package:
    """What the endpoint needs of a model package."""

    arn: str
    image: str
    model_data_url: str
    environment: dict[str, str]

    @property
    def version(self) -> int:
        """Its number in its group."""
        return package_version(self.arn)


class Registry:
    """The packages of one group.

    Args:
        sagemaker: a SageMaker client.
        group: the model package group's name.

    """

    def __init__(self, sagemaker: Any, group: str) -> None:
        self._sagemaker = sagemaker
        self._group = group

    def approved(self) -> Iterator[str]:
        """ARNs of the approved packages, newest first."""
        yield from self._packages(ModelApprovalStatus="Approved")

    def read(self, arn: str) -> Package:
        """A package's container."""
        described = self._sagemaker.describe_model_package(ModelPackageName=arn)
        container = described["InferenceSpecification"]["Containers"][0]
        return Package(
            arn=arn,
            image=container["Image"],
            model_data_url=container["ModelDataUrl"],
            environment=dict(container.get("Environment", {})),
        )

    def newest(self) -> int:
        """The highest number of a package, of whatever approval; 0 where there is none."""
        return package_version(next(self._packages(), ""))

    def fault(self, arn: str) -> str | None:
        """Why a package cannot be asked for; None if it is an approved one of the group."""
        try:
            described = self._sagemaker.describe_model_package(ModelPackageName=arn)
        except ClientError as error:
            if is_transient(error):
                raise
            return f"package {arn} cannot be read: {message_of(error)}"
        group, status = described.get("ModelPackageGroupName"), described["ModelApprovalStatus"]
        if group != self._group:
            return f"package {arn} is of group {group!r}, not of {self._group!r}"
        return None if status == "Approved" else f"package {arn} is {status}, not Approved"

    def find(self, job_name: str) -> str | None:
        """The package an earlier try registered for a job, None if it did not get so far."""
        for arn in self._packages():
            described = self._sagemaker.describe_model_package(ModelPackageName=arn)
            properties = described.get("CustomerMetadataProperties", {})
            if job_name in {properties.get(_JOB_KEY), properties.get(_TUNING_KEY)}:
                return arn
        return None

    def register(
        self,
        name: str,
        job: dict[str, Any],
        verdict: Verdict,
        content_type: str,
        *,
        by_hand: bool = False,
    ) -> str:
        """Register a model, approved or rejected with its reason, or for a person to approve.

        Args:
            name: the job that the loop started: the training job, or the tuning job.
            job: the training job that made the model, as described.
            verdict: the gate's.
            content_type: of requests and answers.
            by_hand: whether one that passed the gate waits for a person's approval.

        """
        passed = "PendingManualApproval" if by_hand else "Approved"
        trained = job["TrainingJobName"]
        figures = {"challenger": verdict.challenger, "champion": verdict.champion}
        known = {f"sageloop:{key}": f"{v:g}" for key, v in figures.items() if v is not None}
        properties = {
            _JOB_KEY: trained,
            **({} if trained == name else {_TUNING_KEY: name}),
            "sageloop:reason": verdict.reason[:_LONGEST_VALUE],
            **known,
        }
        container = {
            "Image": job["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        }
        created = self._sagemaker.create_model_package(
            ModelPackageGroupName=self._group,
            ClientToken=digest_of(f"package|{self._group}|{name}", length=32),
            ModelApprovalStatus=passed if verdict.passed else "Rejected",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": [content_type],
                "SupportedResponseMIMETypes": [content_type],
            },
            CustomerMetadataProperties=properties,
        )
        return str(created["ModelPackageArn"])

    def _packages(self, **narrower: str) -> Iterator[str]:
        request: dict[str, Any] = {
            "ModelPackageGroupName": self._group,
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            **narrower,
        }
        while True:
            answer = self._sagemaker.list_model_packages(**request)
            found = [item["ModelPackageArn"] for item in answer["ModelPackageSummaryList"]]
            yield from sorted(found, key=package_version, reverse=True)
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]


def artifact_fault(s3: Any, job: dict[str, Any]) -> str | None:
    """What is wrong with a job's model artifact; None if it is a gzip archive."""
    uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if not uri:
        return "the job names no model artifact"
    if not uri.endswith(".tar.gz"):
        return f"the model artifact {uri} is no .tar.gz"
    bucket, key = split_uri(uri)
    try:
        head = s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-1")["Body"].read()
    except ClientError as error:
        if is_transient(error):
            raise
        return f"the model artifact {uri} is missing or empty"
    return None if bytes(head)[:2] == _GZIP else f"the model artifact {uri} is no gzip archive"
