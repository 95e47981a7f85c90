"""Job specification, jobs of three kinds, algorithms, code, instances and triggers."""

from .algorithm import Algorithm
from .base import JobBase, TrainingJobBase
from .channel import Channel
from .compute import Compute, InstanceGroup, Spot
from .custom import CustomImage
from .daily import DailyData
from .distribution import Distribution
from .frameworks import PyTorch, SKLearn, TensorFlow, XGBoostScript
from .images import AlgorithmImage
from .job import TrainingJob
from .kmeans import KMeans
from .linear_learner import LinearLearner
from .metric import MetricDefinition
from .processing import ProcessingInput, ProcessingOutput, ProcessingSpecification
from .processing_job import ProcessingJob
from .ranges import CategoricalRange, ContinuousRange, IntegerRange, ScalingType
from .source import SourceCode
from .specification import JobSpecification
from .triggers import JobTriggers
from .tuning_definition import TuningDefinition
from .tuning_job import TuningJob
from .tuning_rules import Completion, Hyperband, Objective, Strategy, WarmStart
from .xgboost import XGBoost

__all__ = [
    "Algorithm", "AlgorithmImage", "CategoricalRange", "Channel", "Completion", "Compute",
    "ContinuousRange", "CustomImage", "DailyData", "Distribution", "Hyperband", "InstanceGroup",
    "IntegerRange", "JobBase", "JobSpecification", "JobTriggers", "KMeans", "LinearLearner",
    "MetricDefinition", "Objective", "ProcessingInput", "ProcessingJob", "ProcessingOutput",
    "ProcessingSpecification", "PyTorch", "SKLearn", "ScalingType", "SourceCode", "Spot",
    "Strategy", "TensorFlow", "TrainingJob", "TrainingJobBase", "TuningDefinition", "TuningJob",
    "WarmStart", "XGBoost", "XGBoostScript",
]  # fmt: skip
