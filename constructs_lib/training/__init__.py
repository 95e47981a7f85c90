"""Training, tuning and processing jobs, algorithms, instances and triggers."""

from .algorithm import Algorithm
from .base import JobBase, TrainingJobBase
from .channel import Channel
from .custom import CustomImage
from .date_partitioned_dataset import DatePartitionedDataset
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
from .resource_config import InstanceGroup, ResourceConfig, Spot
from .source import SourceCode
from .specification import JobSpecification
from .triggers import JobTriggers
from .tuning_definition import TuningDefinition
from .tuning_job import TuningJob
from .tuning_rules import CompletionCriteria, Hyperband, Objective, Strategy, WarmStart
from .xgboost import XGBoost

__all__ = [
    "Algorithm",
    "AlgorithmImage",
    "CategoricalRange",
    "Channel",
    "CompletionCriteria",
    "ContinuousRange",
    "CustomImage",
    "DatePartitionedDataset",
    "Distribution",
    "Hyperband",
    "InstanceGroup",
    "IntegerRange",
    "JobBase",
    "JobSpecification",
    "JobTriggers",
    "KMeans",
    "LinearLearner",
    "MetricDefinition",
    "Objective",
    "ProcessingInput",
    "ProcessingJob",
    "ProcessingOutput",
    "ProcessingSpecification",
    "PyTorch",
    "ResourceConfig",
    "SKLearn",
    "ScalingType",
    "SourceCode",
    "Spot",
    "Strategy",
    "TensorFlow",
    "TrainingJob",
    "TrainingJobBase",
    "TuningDefinition",
    "TuningJob",
    "WarmStart",
    "XGBoost",
    "XGBoostScript",
]  # fmt: skip
