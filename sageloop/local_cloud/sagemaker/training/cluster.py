"""The hosts of a job: their names, instance types, groups and addresses."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

_GROUP = "homogeneousCluster"
_ON_LINUX = sys.platform == "linux"
# On AWS this is eth0. Programs bind collective communication to this interface (for example
# by GLOO_SOCKET_IFNAME of gloo), so it must exist on this machine.
NETWORK_INTERFACE = "lo" if _ON_LINUX else "lo0"


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host: its number, instance type and instance group."""

    number: int
    instance_type: str
    group: str

    @property
    def name(self) -> str:
        """The host name that the other hosts use: ``algo-<number>``."""
        return f"algo-{self.number}"

    @property
    def address(self) -> str:
        """The host's own loopback address, where the system has more than one."""
        return str(IPv4Address("127.0.0.0") + self.number) if _ON_LINUX else "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of a job in AWS's order, sorted by name (algo-10 before algo-2)."""

    hosts: tuple[HostPlan, ...]
    groups: tuple[str, ...]

    @property
    def instance_types(self) -> list[str]:
        """The distinct instance types in the order of the groups."""
        by_number = sorted(self.hosts, key=lambda host: host.number)
        return list(dict.fromkeys(host.instance_type for host in by_number))

    @property
    def leader(self) -> HostPlan:
        """The first host, ``algo-1``."""
        return self.hosts[0]

    def addresses(self) -> dict[str, str]:
        """The address of each host by name."""
        return {host.name: host.address for host in self.hosts}

    def resource_config(self, current: HostPlan) -> dict[str, Any]:
        """The content of ``resourceconfig.json`` for one host."""
        return {
            "current_host": current.name,
            "current_instance_type": current.instance_type,
            "current_group_name": current.group,
            "hosts": [host.name for host in self.hosts],
            "instance_groups": [self._group(name) for name in self.groups],
            "network_interface_name": NETWORK_INTERFACE,
            "topology": None,
        }

    def hosts_file(self) -> str:
        """The ``/etc/hosts`` file of all hosts of the job."""
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        return "\n".join([*lines, *(f"{h.address} {h.name}" for h in self.hosts)]) + "\n"

    def _group(self, name: str) -> dict[str, Any]:
        members = [host for host in self.hosts if host.group == name]
        return {
            "instance_group_name": name,
            "instance_type": members[0].instance_type,
            "hosts": [host.name for host in members],
        }


def cluster_of(resources: dict[str, Any]) -> Cluster:
    """The hosts that a ResourceConfig requests."""
    groups = resources.get("InstanceGroups") or [
        {
            "InstanceGroupName": _GROUP, "InstanceType": resources["InstanceType"],
            "InstanceCount": resources.get("InstanceCount", 1),
        }
    ]  # fmt: skip
    return Cluster(
        tuple(sorted(_numbered(groups), key=lambda host: host.name)),
        tuple(group["InstanceGroupName"] for group in groups),
    )


def _numbered(groups: Iterable[dict[str, Any]]) -> Iterable[HostPlan]:
    number = 0
    for group in groups:
        for _ in range(group["InstanceCount"]):
            number += 1
            yield HostPlan(number, group["InstanceType"], group["InstanceGroupName"])
