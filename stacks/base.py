"""Base class of the project's stacks."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from .settings import Settings


class ProjectStack(Stack):
    """A stack of the project; sets the context keys that come from the settings."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, **kwargs: Any
    ) -> None:
        """Define an empty stack.

        Args:
            scope: Parent, usually the app.
            construct_id: Name of the stack.
            settings: Settings of the environment.
            kwargs: Arguments of ``Stack``, for example ``tags``.

        """
        super().__init__(scope, construct_id, **kwargs)
        self.node.set_context("sageloop:reserveConcurrency", settings.project.reserve_concurrency)
