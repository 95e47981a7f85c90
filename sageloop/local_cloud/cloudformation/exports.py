"""Exports: values that stacks of one region share by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sageloop.local_cloud.cloudformation.errors import ResourceFailed
from sageloop.local_cloud.cloudformation.state import Output, Stack, StackStore


def exported(store: StackStore, region: str) -> dict[str, tuple[Stack, Output]]:
    """Every export of a region by name, with its stack."""
    return {
        output.export: (stack, output)
        for stack in store.all(region, _is_live)
        for output in stack.outputs
        if output.export
    }


def importers(store: StackStore, region: str, name: str) -> list[str]:
    """Names of the stacks that import an export."""
    return sorted(s.name for s in store.all(region, _is_live) if name in s.imports)


class Imports:
    """Reads exports for one deployment and records which ones."""

    def __init__(self, store: StackStore, region: str) -> None:
        self._store = store
        self._region = region
        self.names: set[str] = set()

    def read(self, name: str) -> str:
        """An export's value. Raises ``ResourceFailed`` if no export has that name."""
        entry = exported(self._store, self._region).get(name)
        if entry is None:
            raise ResourceFailed(f"No export named {name} found.")
        self.names.add(name)
        return entry[1].value


def check_exports(
    store: StackStore, stack: Stack, outputs: Iterable[Output], *, deleting: bool = False
) -> None:
    """Refuse a change or removal of an export in use, or a name in use by another stack.

    Raises:
        ResourceFailed: With the status reason of the stack.

    """
    new = {output.export: output.value for output in outputs if output.export}
    for output in stack.outputs:
        if not output.export or new.get(output.export) == output.value:
            continue
        users = importers(store, stack.region, output.export)
        if users:
            verb = "update" if output.export in new else "delete"
            lead = "Delete canceled. " if deleting else ""
            raise ResourceFailed(
                f"{lead}Cannot {verb} export {output.export} as it is in use by {', '.join(users)}."
            )
    others = exported(store, stack.region)
    for name in new:
        if name in others and others[name][0] is not stack:
            raise ResourceFailed(
                f"Export with name {name} is already exported by stack {others[name][0].name}."
            )


_is_live: Callable[[Stack], bool] = lambda stack: stack.status != "DELETE_COMPLETE"  # noqa: E731
