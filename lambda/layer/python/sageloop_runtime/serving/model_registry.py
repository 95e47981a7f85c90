"""The model registry: one model package per finished job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import is_transient, message_of
from sageloop_runtime.names import digest_of, package_version, split_uri

_GZIP = b"\x1f\x8b"
_JOB_KEY = "sageloop:training-job"
_TUNING_KEY = "sageloop:tuning-job"
_LONGEST_VALUE = 256


@dataclass(frozen=True, kw_only=True)
class ModelPackage:
    """The container of a model package."""

    arn: str
    image: str
    model_data_url: str
    environment: dict[str, str]

    @property
    def version(self) -> int:
        """The version of the package in its group."""
        return package_version(self.arn)


class ModelRegistry:
    """The model packages of one group.

    Args:
        sagemaker: a SageMaker client.
        group: the name of the model package group.

    """

    def __init__(self, sagemaker: Any, group: str) -> None:
        self._sagemaker = sagemaker
        self._group = group

    def approved(self) -> Iterator[str]:
        """ARNs of the approved packages, newest first."""
        yield from self._packages(ModelApprovalStatus="Approved")

    def read(self, arn: str) -> ModelPackage:
        """The container of a package."""
        described = self._sagemaker.describe_model_package(ModelPackageName=arn)
        container = described["InferenceSpecification"]["Containers"][0]
        return ModelPackage(
            arn=arn,
            image=container["Image"],
            model_data_url=container["ModelDataUrl"],
            environment=dict(container.get("Environment", {})),
        )

    def newest_version(self) -> int:
        """The highest version of the group, whatever its approval status; 0 if it is empty."""
        return package_version(next(self._packages(), ""))

    def refusal(self, arn: str) -> str | None:
        """Why a package cannot be promoted; None for an approved package of the group."""
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
        """The package that an earlier attempt registered for a job; None if there is none."""
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
        *,
        approval: str,
        reason: str,
        metrics: Mapping[str, float | None],
        content_type: str,
    ) -> str:
        """Register the model of a job; the ARN of its package.

        Args:
            name: the job of the loop: the training job, or the tuning job.
            job: the training job of the model, as described.
            approval: the model approval status.
            reason: why it has this status.
            metrics: the errors that were compared, by name; None for a missing one.
            content_type: of requests and responses.

        """
        training_job = job["TrainingJobName"]
        known = {f"sageloop:{key}": f"{v:g}" for key, v in metrics.items() if v is not None}
        properties = {
            _JOB_KEY: training_job,
            **({} if training_job == name else {_TUNING_KEY: name}),
            "sageloop:reason": reason[:_LONGEST_VALUE],
            **known,
        }
        container = {
            "Image": job["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        }
        created = self._sagemaker.create_model_package(
            ModelPackageGroupName=self._group,
            ClientToken=digest_of(f"package|{self._group}|{name}", length=32),
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": [content_type],
                "SupportedResponseMIMETypes": [content_type],
            },
            CustomerMetadataProperties=properties,
        )
        return str(created["ModelPackageArn"])

    def _packages(self, **filters: str) -> Iterator[str]:
        request: dict[str, Any] = {
            "ModelPackageGroupName": self._group,
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            **filters,
        }
        while True:
            response = self._sagemaker.list_model_packages(**request)
            arns = [item["ModelPackageArn"] for item in response["ModelPackageSummaryList"]]
            yield from sorted(arns, key=package_version, reverse=True)
            if not response.get("NextToken"):
                return
            request["NextToken"] = response["NextToken"]


def artifact_error(s3: Any, job: dict[str, Any]) -> str | None:
    """Why the model artifact of a job is invalid; None for a gzip archive."""
    uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if not uri:
        return "the job has no model artifact"
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
