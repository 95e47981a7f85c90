"""Constructs for whole machine-learning stacks on Amazon SageMaker.

Example:
    >>> from constructs_lib import ChampionEndpoint, DataStore, PrivateNetwork

"""

from ._private.errors import ConfigurationError
from .data import DataStore, DataStoreBase, StateTable
from .identity import (
    ExecutionRole,
    HostingRole,
    NotebookRole,
    ProcessingRole,
    TrainingRole,
)
from .network import PrivateNetwork
from .operations import Alarms, Evaluation, Gate, Pages, RetrainingLoop
from .serving import (
    Canary,
    ChampionEndpoint,
    DataCapture,
    DataProcessing,
    Endpoint,
    EndpointBase,
    ModelRegistry,
    Scaling,
    TransformJob,
    TransformSpecification,
    Variant,
)
from .training import (
    Algorithm,
    AlgorithmImage,
    CategoricalRange,
    Channel,
    Completion,
    Compute,
    ContinuousRange,
    CustomImage,
    DailyData,
    Distribution,
    Hyperband,
    InstanceGroup,
    IntegerRange,
    JobBase,
    JobSpecification,
    JobTriggers,
    KMeans,
    LinearLearner,
    MetricDefinition,
    Objective,
    ProcessingInput,
    ProcessingJob,
    ProcessingOutput,
    ProcessingSpecification,
    PyTorch,
    ScalingType,
    SKLearn,
    SourceCode,
    Spot,
    Strategy,
    TensorFlow,
    TrainingJob,
    TrainingJobBase,
    TuningDefinition,
    TuningJob,
    WarmStart,
    XGBoost,
    XGBoostScript,
)
from .workbench import Notebook, NotebookBase

__all__ = [
    "Alarms", "Algorithm", "AlgorithmImage", "Canary", "CategoricalRange", "ChampionEndpoint",
    "Channel", "Completion", "Compute", "ConfigurationError", "ContinuousRange", "CustomImage",
    "DailyData", "DataCapture", "DataProcessing", "DataStore", "DataStoreBase", "Distribution",
    "Endpoint", "EndpointBase", "Evaluation", "ExecutionRole", "Gate", "HostingRole", "Hyperband",
    "InstanceGroup", "IntegerRange", "JobBase", "JobSpecification", "JobTriggers", "KMeans",
    "LinearLearner", "MetricDefinition", "ModelRegistry", "Notebook", "NotebookBase",
    "NotebookRole", "Objective", "Pages", "PrivateNetwork", "ProcessingInput", "ProcessingJob",
    "ProcessingOutput", "ProcessingRole", "ProcessingSpecification", "PyTorch", "RetrainingLoop",
    "SKLearn", "Scaling", "ScalingType", "SourceCode", "Spot", "StateTable", "Strategy",
    "TensorFlow", "TrainingJob", "TrainingJobBase", "TrainingRole", "TransformJob",
    "TransformSpecification", "TuningDefinition", "TuningJob", "Variant", "WarmStart", "XGBoost",
    "XGBoostScript",
]  # fmt: skip
