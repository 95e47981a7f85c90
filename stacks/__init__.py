"""The project's stacks: wiring of constructs, nothing else."""

from .data import DataStack
from .operations import OperationsStack
from .serving import ServingStack
from .settings import Settings, SettingsError, load_settings
from .training import TrainingStack
from .workbench import WorkbenchStack

__all__ = [
    "DataStack",
    "OperationsStack",
    "ServingStack",
    "Settings",
    "SettingsError",
    "TrainingStack",
    "WorkbenchStack",
    "load_settings",
]
