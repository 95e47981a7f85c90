"""Pages, alarms and the retraining loop."""

from .alarms import Alarms
from .pages import Pages
from .retraining import Evaluation, Gate, RetrainingLoop

__all__ = ["Alarms", "Evaluation", "Gate", "Pages", "RetrainingLoop"]
