"""The project's stacks, each composed of constructs."""

from .data import DataStack
from .operations import OperationsStack
from .serving import ServingStack
from .settings import Settings
from .settings_file import SettingsError, load_settings
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
