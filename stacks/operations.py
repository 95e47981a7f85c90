"""Alarms and the retraining loop."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from constructs_lib import Alarms, Evaluation, Gate, RetrainingLoop

from .data import DataStack
from .serving import ServingStack
from .settings import Settings
from .training import TrainingStack


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
        watch, gate = settings.monitoring, settings.gate
        self.alarms = Alarms(
            self,
            "Alarms",
            endpoint=serving.endpoint,
            page_topic=data.pages.topic,
            live_error=watch.live_error,
            window=Duration.minutes(watch.window_minutes),
            breaching=watch.breaching,
            windows=watch.windows,
            latency=Duration.millis(watch.latency_ms),
        )
        self.loop = RetrainingLoop(
            self,
            "Loop",
            job=training.job,
            endpoint=serving.endpoint,
            network=data.network,
            live_error=self.alarms.live_error,
            gate=Gate(**gate.model_dump()),
            evaluation=Evaluation(
                truth_prefix=watch.truth_prefix,
                window_minutes=watch.window_minutes,
                truth_delay_minutes=watch.truth_delay_minutes,
            ),
            cooldown=Duration.seconds(watch.cooldown_seconds),
            reconcile_every=Duration.minutes(watch.reconcile_minutes),
            backoff=Duration.seconds(watch.backoff_seconds),
            max_attempts=watch.max_attempts,
            reserve_concurrency=settings.project.reserve_concurrency,
        )
        CfnOutput(self, "LiveErrorAlarm", value=self.alarms.live_error.alarm_name)
