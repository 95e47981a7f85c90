"""Members of requests that no code of the local cloud reads: what is dropped changes no response.

A member counts as read if its name is a text in the code of its service, or has an ending that the
filters of lists compose. ``python -m scripts.unread_members`` prints the members; the
page of coverage lists them as without effect.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.services import own_services

_SOURCE = Path(__file__).parents[1] / "sageloop" / "local_cloud"
# The packages that read the requests of a service. CloudFormation's are its templates.
_PACKAGES = {
    "application-autoscaling": "scaling", "cloudwatch": "cloudwatch", "events": "events",
    "lambda": "functions", "sagemaker": "sagemaker", "sagemaker-runtime": "sagemaker",
    "scheduler": "events",
}  # fmt: skip

_COMPOSED = ("After", "Before", "Equals")


def unread(operations: Mapping[str, Sequence[str]]) -> dict[str, dict[str, list[str]]]:
    """The members by service and by the shape that declares them, as ``Shape`` or ``Operation``.

    ``operations`` has the operations of each service.
    """
    return {
        service: _of_service(service, names)
        for service, names in sorted(operations.items())
        if service in _PACKAGES
    }


def _of_service(service: str, operations: Sequence[str]) -> dict[str, list[str]]:
    texts = _texts(_PACKAGES[service])
    model = botocore.session.Session().get_service_model(service)
    members: dict[str, set[str]] = {}
    for name in operations:
        shape = model.operation_model(name).input_shape
        for owner, member in _members(shape, name, texts, frozenset()):
            members.setdefault(owner, set()).add(member)
    return {owner: sorted(names) for owner, names in sorted(members.items())}


def _members(
    shape: Any, owner: str, texts: frozenset[str], inside: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """The unread members of a shape, not those below an unread one."""
    if shape is None or shape.name in inside:
        return
    if shape.type_name == "list":
        yield from _members(shape.member, shape.member.name, texts, inside)
    elif shape.type_name == "map":
        yield from _members(shape.value, shape.value.name, texts, inside)
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in texts or name.endswith(_COMPOSED):
                yield from _members(member, member.name, texts, inside | {shape.name})
            else:
                yield owner, name


@cache
def _texts(package: str) -> frozenset[str]:
    """The texts in the code of a package."""
    trees = (ast.parse(path.read_text()) for path in (_SOURCE / package).rglob("*.py"))
    return frozenset(
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def main() -> int:
    """Print the members, one shape a line."""
    cloud = Cloud(CloudConfig())
    try:
        served = {service.model: service.operations for service in own_services(cloud)}
    finally:
        cloud.stop()
    for service, shapes in unread(served).items():
        for shape, names in shapes.items():
            sys.stdout.write(f"{service} {shape}: {', '.join(names)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
