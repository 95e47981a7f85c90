"""Notebook instance and its role."""

from __future__ import annotations

from typing import Any

from constructs import Construct

from constructs_lib import Notebook, NotebookRole

from .base import ProjectStack
from .data import DataStack
from .settings import Settings
from .training import TrainingStack


class WorkbenchStack(ProjectStack):
    """Stack of the notebook instance."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataStack,
        training: TrainingStack,
        **kwargs: Any,
    ) -> None:
        """Define the resources; ``kwargs`` are arguments of ``Stack``."""
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        work, key = settings.workbench, data.store.encryption_key
        self.role = NotebookRole(
            self,
            "Role",
            jobs=f"{settings.project.name}-",
            training_role=training.role,
            endpoints=[settings.name],
            key=key,
        )
        data.store.grant_read(self.role, prefix=settings.data.prefix)
        self.notebook = Notebook(
            self,
            "Notebook",
            network=data.network,
            role=self.role,
            key=key,
            instance_type=work.instance_type,
            volume_gb=work.volume_gb,
            idle_minutes=work.idle_minutes,
        )
