"""Ports that processes bind later."""

from __future__ import annotations

import socket
from pathlib import Path

from sageloop.local_cloud.core.ports import free_port


def test_ports_are_below_the_range_of_outgoing_connections() -> None:
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(range_file.read_text().split()[0]) if range_file.exists() else 32_768

    assert all(1024 < free_port() < first for _ in range(50))


def test_port_is_returned_once_and_can_be_bound() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports[0]))
