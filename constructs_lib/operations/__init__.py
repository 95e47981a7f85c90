"""Alert topic, alarms, dashboard, retraining loop and endpoint schedule."""

from .alert_topic import AlertTopic
from .dashboard import Dashboard
from .endpoint_alarms import EndpointAlarms, NoTrafficAlarm
from .endpoint_schedule import EndpointSchedule, StopStartSchedule
from .model_quality_alarms import ModelQualityAlarms
from .retraining import RetrainingLoop
from .values import Evaluation, Gate

__all__ = [
    "AlertTopic",
    "Dashboard",
    "EndpointAlarms",
    "EndpointSchedule",
    "Evaluation",
    "Gate",
    "ModelQualityAlarms",
    "NoTrafficAlarm",
    "RetrainingLoop",
    "StopStartSchedule",
]  # fmt: skip
