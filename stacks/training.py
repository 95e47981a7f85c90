"""Training or tuning job, and its role."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput
from constructs import Construct

from constructs_lib import JobSpecification, TrainingJob, TrainingRole, TuningJob, XGBoost

from .base import ProjectStack
from .data import DataStack
from .settings import Settings
from .values import dataset, resource_config, tuning_arguments


class TrainingStack(ProjectStack):
    """Stack of the training or tuning job that data, an alarm or a manual request starts."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        """Define the resources; ``kwargs`` are arguments of ``Stack``."""
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
            data=dataset(settings.data),
            role=self.role,
            subnet_ids=data.network.subnet_ids,
            security_group_ids=[group.security_group_id],
            compute=resource_config(training),
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
            self.job = TuningJob(self, "Job", **common, **tuning_arguments(tuning, settings.gate))
        CfnOutput(self, "JobName", value=settings.name)
