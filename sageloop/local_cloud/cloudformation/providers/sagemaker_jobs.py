"""Amazon SageMaker: jobs that a stack starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, Name, takes
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.errors import AwsError

# Deleted, or ended between the description and the request to stop it.
_NOTHING_TO_STOP = ("could not find requested job", "processing job is in status")
_ATTRIBUTES = (
    "ProcessingJobArn ProcessingJobStatus ExitMessage FailureReason CreationTime "
    "ProcessingStartTime ProcessingEndTime LastModifiedTime"
)


class _ProcessingJob(ApiResource):
    """A processing job that the stack starts once.

    Every property is create-only: any change starts a new job. The resource is complete when
    SageMaker has accepted the job, not when the job has ended; whether CloudFormation on AWS waits
    is not documented. Deleting the resource stops the job and keeps its record, as AWS documents;
    the attributes are those at the time of creation.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-processingjob.html
    """

    def _delete(self, context: ProviderContext) -> None:
        on = {"ProcessingJobName": context.name}
        try:
            job = context.call("DescribeProcessingJob", **on)
            if job["ProcessingJobStatus"] == "InProgress":
                context.call("StopProcessingJob", **on)
        except (ClientError, AwsError) as error:
            if not any(words in str(error).lower() for words in _NOTHING_TO_STOP):
                raise


def _described(context: ProviderContext) -> dict[str, Any]:
    job = context.call("DescribeProcessingJob", ProcessingJobName=context.name)
    return {
        name: _text(job[name]) for name in sorted(names(_ATTRIBUTES)) if job.get(name) is not None
    }


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::SageMaker::ProcessingJob": _ProcessingJob(
        service="sagemaker",
        create_call="CreateProcessingJob",
        name=Name(property="ProcessingJobName", param="ProcessingJobName", max_length=63),
        takes=takes(
            "AppSpecification Environment ExperimentConfig NetworkConfig ProcessingInputs "
            "ProcessingOutputConfig ProcessingResources RoleArn StoppingCondition"
        ),
        ref="ProcessingJobArn",
        more_attributes=_described,
        tagging=Tagging(
            tag="AddTags", untag="DeleteTags",
            on={"ResourceArn": "{att[ProcessingJobArn]}"},
        ),
        note="complete when the job is accepted; deleting stops the job",
    ),
}  # fmt: skip
