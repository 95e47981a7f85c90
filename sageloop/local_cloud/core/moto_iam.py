"""Loads AWS's managed policies only in the partitions that are used.

moto searches an access key in every partition of an account and creates the partition for it, with
fifteen hundred policies each. That costs a new cloud two seconds.
"""

from __future__ import annotations

from typing import Any

from moto.iam import urls
from moto.iam.models import IAMBackend, ManagedPolicy, iam_backends
from moto.utilities.utils import get_partition

_inhabited: set[str] = set()


class SparseIam(IAMBackend):
    """moto's IAM with managed policies in the used partitions only."""

    @property
    def _url_module(self) -> Any:
        return urls  # moto would search it beside this module

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        return super()._init_aws_policies() if self.region_name in _inhabited else []


def load_policies_where(region: str) -> None:
    """Load AWS's managed policies in the partition of a region; other partitions have none."""
    iam_backends.backend = SparseIam
    partition = get_partition(region)
    if partition in _inhabited:
        return
    _inhabited.add(partition)
    for account in iam_backends.values():
        if partition in account.keys():  # noqa: SIM118 - ``in account`` checks known regions
            account[partition].reset()
