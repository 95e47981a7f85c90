"""What every training job offers, whoever declared it."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import Checks
from .._private.policies import allow, arn, attach

NAME_LIMIT = 40
"""Job names append 13 characters and may have 63."""


class TrainingJobBase(Construct):
    """Training jobs of one name prefix, ``<job>-<12 hex digits>``.

    Attributes:
        job: The prefix, without the dash.

    """

    job: str

    @classmethod
    def from_job_name(cls, scope: Construct, construct_id: str, *, job: str) -> TrainingJobBase:
        """Use jobs that another stack declares: look at them, stop them, watch them.

        Starting one takes its specification, which only its own stack has.
        """
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("job", job, NAME_LIMIT)
        found = TrainingJobBase(scope, construct_id)
        found.job = job
        return found

    @property
    def jobs_arn(self) -> str:
        """ARN of all jobs of this name prefix."""
        return arn(self, "sagemaker", "training-job", f"{self.job}-*")

    def grant_stop(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone look at jobs and stop them."""
        return attach(grantee, self.stop_statements())

    def stop_statements(self) -> list[iam.PolicyStatement]:
        """The statements of ``grant_stop``."""
        actions = ["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"]
        return [allow(actions, [self.jobs_arn])]

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A metric of the project about this job, for example ``ChallengersRejected``."""
        return cloudwatch.Metric(
            namespace="sageloop",
            metric_name=name,
            dimensions_map={"Job": self.job},
            **{"statistic": "Sum", **options},
        )

    def metric_rejections(self, **options: Any) -> cloudwatch.Metric:
        """Finished models that did not pass the gate."""
        return self.metric("ChallengersRejected", **options)

    def metric_of_run(
        self, name: str, *, training_job: str, instance: int = 1, **options: Any
    ) -> cloudwatch.Metric:
        """A metric of one running job's instance, as SageMaker publishes it every minute.

        Args:
            name: ``CPUUtilization`` (100 for each core), ``MemoryUtilization``,
                ``DiskUtilization``, ``GPUUtilization`` or ``GPUMemoryUtilization``, in percent.
            training_job: Full name of the job.
            instance: Number of the instance, from 1.
            options: CDK's own.

        """
        return cloudwatch.Metric(
            namespace="/aws/sagemaker/TrainingJobs",
            metric_name=name,
            dimensions_map={"Host": f"{training_job}/algo-{instance}"},
            **{"statistic": "Average", **options},
        )
