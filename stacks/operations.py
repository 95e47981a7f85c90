"""Alarms, the retraining loop, the dashboard and the cost switch."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from constructs_lib import Alarms, CostSwitch, Dashboard, RetrainingLoop, ServingAlarms

from .data import DataStack
from .serving import ServingStack
from .settings import Settings
from .training import TrainingStack
from .values import alarms, limits, looping, switching


class OperationsStack(Stack):
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
        super().__init__(scope, construct_id, **kwargs)
        watch, reserve = settings.monitoring, settings.project.reserve_concurrency
        self.alarms = Alarms(
            self, "Alarms", endpoint=serving.endpoint, page_topic=data.pages.topic, **alarms(watch)
        )
        self.serving_alarms = ServingAlarms(
            self,
            "ServingAlarms",
            endpoint=serving.endpoint,
            page_topic=data.pages.topic,
            **limits(watch.serving, settings.serving),
        )
        self.loop = RetrainingLoop(
            self,
            "Loop",
            job=training.job,
            endpoint=serving.endpoint,
            network=data.network,
            live_error=self.alarms.live_error,
            reserve_concurrency=reserve,
            **looping(watch, settings.gate),
        )
        self.switch = None if settings.cost_switch is None else CostSwitch(
            self, "CostSwitch", endpoint=serving.endpoint, state=data.state, network=data.network,
            page_topic=data.pages.topic, reserve_concurrency=reserve,
            **switching(settings.cost_switch),
        )  # fmt: skip
        self.board = None if not watch.dashboard else Dashboard(
            self, "Dashboard", endpoints=[serving.endpoint], loops=[self.loop],
            alarms=[*self.alarms.all, *self.serving_alarms.alarms.values()],
        )  # fmt: skip
        if self.switch is not None:
            CfnOutput(self, "CostSwitchFunction", value=self.switch.function.arn)
        if self.board is not None:
            CfnOutput(self, "DashboardName", value=self.board.dashboard.dashboard_name)
        CfnOutput(self, "LiveErrorAlarm", value=self.alarms.live_error.alarm_name)
