"""Moto's settings and state, which it keeps by process."""

from __future__ import annotations

import os
from typing import Any

_SETTINGS = {
    # Loading EC2's catalogue of images takes seconds and 175 MB, and nothing uses it.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    # A user's stack may attach a managed policy; without the policies it would be ignored.
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}


def configure() -> None:
    """Set moto's environment variables, which it reads when it creates state."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def track_no_instances() -> None:
    """Make moto keep no list of all objects that it ever created.

    It would keep every version, copy and deleted object, with its body, for its own dashboard and
    to close files when all state is reset: memory that grows with each read and write.
    """
    from moto.core.common_models import BaseModel

    def new(cls: type[BaseModel], *_args: Any, **_members: Any) -> BaseModel:
        return super(BaseModel, cls).__new__(cls)

    BaseModel.__new__ = new  # type: ignore[method-assign]


def forget() -> None:
    """Empty moto's state."""
    from moto.iam.models import iam_backends
    from moto.moto_api._internal.models import moto_api_backend

    # Before the reset, which would create it again with all of AWS's policies.
    iam_backends.clear()
    moto_api_backend.reset()


def reseed() -> None:
    """Make the identifiers of a forked process differ from those of its siblings."""
    from moto.moto_api._internal import mock_random

    mock_random.seed()
