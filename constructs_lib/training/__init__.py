"""Job specification, training job and algorithms."""

from .base import TrainingJobBase
from .images import AlgorithmImage
from .job import TrainingJob
from .specification import DailyData, JobSpecification
from .xgboost import XGBoost

__all__ = [
    "AlgorithmImage", "DailyData", "JobSpecification", "TrainingJob", "TrainingJobBase", "XGBoost",
]  # fmt: skip
