"""Constructs for whole machine-learning stacks on Amazon SageMaker.

Example:
    >>> from constructs_lib import ChampionEndpoint, DataStore, PrivateNetwork

"""

from ._private.errors import ConfigurationError
from .data import DataStore, DataStoreBase, StateTable
from .identity import ExecutionRole, HostingRole, NotebookRole, TrainingRole
from .network import PrivateNetwork
from .operations import Alarms, Evaluation, Gate, Pages, RetrainingLoop
from .serving import (
    Canary,
    ChampionEndpoint,
    DataCapture,
    Endpoint,
    EndpointBase,
    ModelRegistry,
    Scaling,
    Variant,
)
from .training import (
    AlgorithmImage,
    DailyData,
    JobSpecification,
    TrainingJob,
    TrainingJobBase,
    XGBoost,
)
from .workbench import Notebook, NotebookBase

__all__ = [
    "Alarms", "AlgorithmImage", "Canary", "ChampionEndpoint", "ConfigurationError", "DailyData",
    "DataCapture", "DataStore", "DataStoreBase", "Endpoint", "EndpointBase", "Evaluation",
    "ExecutionRole", "Gate", "HostingRole", "JobSpecification", "ModelRegistry", "Notebook",
    "NotebookBase", "NotebookRole", "Pages", "PrivateNetwork", "RetrainingLoop", "Scaling",
    "StateTable", "TrainingJob", "TrainingJobBase", "TrainingRole", "Variant", "XGBoost",
]  # fmt: skip
