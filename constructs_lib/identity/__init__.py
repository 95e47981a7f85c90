"""Execution roles."""

from .execution import ExecutionRole
from .hosting import HostingRole
from .notebook import NotebookRole
from .processing import ProcessingRole
from .training import TrainingRole

__all__ = ["ExecutionRole", "HostingRole", "NotebookRole", "ProcessingRole", "TrainingRole"]
