"""Custom resource: a job's document."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.clients import Clients
from sageloop_runtime.custom_resource import run
from sageloop_runtime.functions import job_actions

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer one request of CloudFormation."""
    run(event, context, lambda: job_actions(os.environ, _clients))
