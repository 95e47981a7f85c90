"""Custom resource: the document of a job."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, job_actions, job_id, run

_clients = Clients()


def handler(event: dict[str, Any], context: Any) -> None:
    """Respond to an event of CloudFormation."""
    run(
        event,
        context,
        lambda check: job_actions(os.environ, _clients.checked(check)),
        physical_id=job_id,
    )
