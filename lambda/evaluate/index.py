"""Publishes the model quality of the live configuration."""

from __future__ import annotations

import os
from typing import Any

from sageloop_runtime.functions import Clients, HourlyFiles, evaluator

_clients = Clients()
_files: list[HourlyFiles] = []


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Evaluate the window that ends before the event by the delay of the ground truth."""
    if not _files:
        _files.append(HourlyFiles(_clients("s3")))
    return evaluator(
        os.environ,
        _clients,
        _files[0],
        function_arn=context.invoked_function_arn,
        remaining=lambda: context.get_remaining_time_in_millis() / 1000.0,
    ).handle(event)
