"""Pages, alarms and the retraining loop."""

from .alarms import Alarms
from .pages import Pages
from .retraining import RetrainingLoop
from .values import Evaluation, Gate

__all__ = ["Alarms", "Evaluation", "Gate", "Pages", "RetrainingLoop"]
