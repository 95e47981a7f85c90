"""CloudWatch Logs in virtual time: moto refuses events outside the wall clock's window."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from moto.logs import models, urls
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException


class VirtualTimeLogs(models.LogsBackend):
    """moto's logs without the comparison of each event with the wall clock."""

    @property
    def _url_module(self) -> ModuleType:
        return urls

    def put_log_events(
        self, log_group_name: str, log_stream_name: str, log_events: list[dict[str, Any]]
    ) -> tuple[str, dict[str, Any]]:
        """Store the events at any date."""
        group = self.groups.get(log_group_name)
        if group is None:
            raise ResourceNotFoundException
        stamps = [e["timestamp"] for e in log_events]
        if stamps != sorted(stamps):
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        return group.put_log_events(log_stream_name, log_events), {}


def use_virtual_time() -> None:
    """Make moto create backends of this class."""
    models.logs_backends.backend = VirtualTimeLogs
