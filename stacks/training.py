"""The training job, or the search in its place, and its role."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput
from constructs import Construct

from constructs_lib import JobSpecification, TrainingJob, TrainingRole, TuningJob, XGBoost

from .base import ProjectStack
from .data import DataStack
from .settings import Settings
from .values import compute, daily_data, search


class TrainingStack(ProjectStack):
    """The training or tuning job that data, an alarm or a hand starts."""

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
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        training, tuning = settings.training, settings.tuning
        algorithm = XGBoost(version=training.version, hyperparameters=training.hyperparameters)
        self.role = TrainingRole(
            self,
            "Role",
            key=data.store.key,
            repository_arns=[algorithm.image(self).repository_arn],
            tunes=tuning is not None,
        )
        group = data.network.security_group(
            self, "Group", description="Training", allow_self=training.instance_count > 1
        )
        specification = JobSpecification(
            algorithm=algorithm,
            store=data.store,
            data=daily_data(settings.data),
            role=self.role,
            subnet_ids=data.network.subnet_ids,
            security_group_ids=[group.security_group_id],
            compute=compute(training),
            max_runtime_seconds=training.max_runtime_seconds,
        )
        common: dict[str, Any] = {
            "job": settings.name,
            "specification": specification,
            "state": data.state,
            "network": data.network,
            "start_on_deploy": training.start_on_deploy,
            "alert_topic": data.alerts.topic,
        }
        self.job: TrainingJob | TuningJob
        if tuning is None:
            self.job = TrainingJob(self, "Job", **common)
        else:
            self.job = TuningJob(self, "Job", **common, **search(tuning, settings.gate))
        CfnOutput(self, "JobName", value=settings.name)
