"""The training job and its role."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from constructs_lib import DailyData, JobSpecification, TrainingJob, TrainingRole, XGBoost

from .data import DataStack
from .settings import Settings


class TrainingStack(Stack):
    """The training job that data, an alarm or a hand starts."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        """Wire the job; ``kwargs`` are the stack's."""
        super().__init__(scope, construct_id, **kwargs)
        training, source = settings.training, settings.data
        algorithm = XGBoost(version=training.version, hyperparameters=training.hyperparameters)
        self.role = TrainingRole(
            self,
            "Role",
            key=data.store.key,
            repository_arns=[algorithm.image(self).repository_arn],
        )
        group = data.network.workload_group(
            self, "Group", description="Training", together=training.instance_count > 1
        )
        specification = JobSpecification(
            algorithm=algorithm,
            store=data.store,
            data=DailyData(
                prefix=source.prefix,
                manifest=source.manifest,
                validation_days=source.validation_days,
                window_days=source.window_days,
            ),
            role=self.role,
            subnet_ids=data.network.subnet_ids,
            security_group_ids=[group.security_group_id],
            instance_type=training.instance_type,
            instance_count=training.instance_count,
            volume_gb=training.volume_gb,
            max_runtime_seconds=training.max_runtime_seconds,
        )
        self.job = TrainingJob(
            self,
            "Job",
            job=settings.name,
            specification=specification,
            state=data.state,
            network=data.network,
            start_on_deploy=training.start_on_deploy,
            page_topic=data.pages.topic,
            reserve_concurrency=settings.project.reserve_concurrency,
        )
        CfnOutput(self, "JobName", value=settings.name)
