"""Pages, alarms, dashboard, the retraining loop and the cost switch."""

from .alarms import Alarms
from .cost_switch import CostSwitch, SwitchTimes
from .dashboard import Dashboard
from .pages import Pages
from .retraining import RetrainingLoop
from .serving_alarms import ServingAlarms, Silence
from .values import Evaluation, Gate

__all__ = [
    "Alarms", "CostSwitch", "Dashboard", "Evaluation", "Gate", "Pages", "RetrainingLoop",
    "ServingAlarms", "Silence", "SwitchTimes",
]  # fmt: skip
