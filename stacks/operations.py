"""Alarms, retraining loop, dashboard and endpoint schedule."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput
from constructs import Construct

from constructs_lib import (
    Dashboard,
    EndpointAlarms,
    EndpointSchedule,
    ModelQualityAlarms,
    RetrainingLoop,
)

from .base import ProjectStack
from .data import DataStack
from .serving import ServingStack
from .settings import Settings
from .training import TrainingStack
from .values import alarm_arguments, endpoint_alarm_arguments, loop_arguments, schedule_arguments


class OperationsStack(ProjectStack):
    """Stack of the alarms, the retraining loop, the dashboard and the endpoint schedule."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        training: TrainingStack,
        serving: ServingStack,
        **kwargs: Any,
    ) -> None:
        """Define the resources; ``kwargs`` are arguments of ``Stack``."""
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        watch = settings.monitoring
        self.alarms = ModelQualityAlarms(
            self,
            "Alarms",
            endpoint=serving.endpoint,
            alert_topic=data.alerts.topic,
            **alarm_arguments(watch),
        )
        self.endpoint_alarms = EndpointAlarms(
            self,
            "EndpointAlarms",
            endpoint=serving.endpoint,
            alert_topic=data.alerts.topic,
            **endpoint_alarm_arguments(watch.serving, settings.serving),
        )
        self.loop = RetrainingLoop(
            self,
            "Loop",
            job=training.job,
            endpoint=serving.endpoint,
            network=data.network,
            model_quality_alarm=self.alarms.model_quality,
            **loop_arguments(watch, settings.gate),
        )
        self.schedule = None if settings.endpoint_schedule is None else EndpointSchedule(
            self, "EndpointSchedule", endpoint=serving.endpoint, state=data.state,
            network=data.network, alert_topic=data.alerts.topic,
            **schedule_arguments(settings.endpoint_schedule),
        )  # fmt: skip
        self.dashboard = None if not watch.dashboard else Dashboard(
            self, "Dashboard", endpoints=[serving.endpoint], loops=[self.loop],
            alarms=[*self.alarms.all, *self.endpoint_alarms.alarms.values()],
        )  # fmt: skip
        if self.schedule is not None:
            CfnOutput(self, "EndpointScheduleFunction", value=self.schedule.function.arn)
        if self.dashboard is not None:
            CfnOutput(self, "DashboardName", value=self.dashboard.dashboard.dashboard_name)
        CfnOutput(self, "ModelQualityAlarm", value=self.alarms.model_quality.alarm_name)
