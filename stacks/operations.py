"""Alarms, the retraining loop, the dashboard and the cost switch."""

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
from .values import alarms, limits, looping, switching


class OperationsStack(ProjectStack):
    """What watches the model and replaces it."""

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
        """Wire the loop; ``kwargs`` are the stack's."""
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        watch = settings.monitoring
        self.alarms = ModelQualityAlarms(
            self,
            "Alarms",
            endpoint=serving.endpoint,
            alert_topic=data.alerts.topic,
            **alarms(watch),
        )
        self.serving_alarms = EndpointAlarms(
            self,
            "EndpointAlarms",
            endpoint=serving.endpoint,
            alert_topic=data.alerts.topic,
            **limits(watch.serving, settings.serving),
        )
        self.loop = RetrainingLoop(
            self,
            "Loop",
            job=training.job,
            endpoint=serving.endpoint,
            network=data.network,
            model_quality_alarm=self.alarms.model_quality,
            **looping(watch, settings.gate),
        )
        self.switch = None if settings.endpoint_schedule is None else EndpointSchedule(
            self, "EndpointSchedule", endpoint=serving.endpoint, state=data.state,
            network=data.network, alert_topic=data.alerts.topic,
            **switching(settings.endpoint_schedule),
        )  # fmt: skip
        self.board = None if not watch.dashboard else Dashboard(
            self, "Dashboard", endpoints=[serving.endpoint], loops=[self.loop],
            alarms=[*self.alarms.all, *self.serving_alarms.alarms.values()],
        )  # fmt: skip
        if self.switch is not None:
            CfnOutput(self, "EndpointScheduleFunction", value=self.switch.function.arn)
        if self.board is not None:
            CfnOutput(self, "DashboardName", value=self.board.dashboard.dashboard_name)
        CfnOutput(self, "ModelQualityAlarm", value=self.alarms.model_quality.alarm_name)
