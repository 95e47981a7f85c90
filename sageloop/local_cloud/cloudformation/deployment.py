"""The way forward: bring a stack's resources to what a template wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sageloop.local_cloud.cloudformation.cancelling import Cancel
from sageloop.local_cloud.cloudformation.context import Context, LiveResources
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.differences import collides, compare
from sageloop.local_cloud.cloudformation.errors import ResourceFailed
from sageloop.local_cloud.cloudformation.exports import Imports, check_exports
from sageloop.local_cloud.cloudformation.graph import Graph, dependencies
from sageloop.local_cloud.cloudformation.intrinsics import Resolver, ResourceLookup, text_of
from sageloop.local_cloud.cloudformation.removal import failure_text
from sageloop.local_cloud.cloudformation.state import Desired, Output, Record, Stack
from sageloop.local_cloud.cloudformation.walk import walk
from sageloop.local_cloud.cloudformation.work import ResourceWork
from sageloop.local_cloud.core.errors import AwsError


class Blueprint:
    """A desired state, understood: conditions decided, dependencies known.

    Raises:
        AwsError: if the template refers to nothing, goes in circles, or asks for what is not
            supported.

    """

    def __init__(self, context: Context, stack: Stack, desired: Desired) -> None:
        self.context = context
        self.stack = stack
        self.desired = desired
        self.imports = Imports(context.store, stack.region)
        self.bare = context.resolver(stack, desired, self.imports)
        self.resources: dict[str, dict[str, Any]] = {
            logical_id: resource
            for logical_id, resource in desired.template.resources.items()
            if self.bare.is_active(resource)
        }
        self.graph: Graph = dependencies(
            self.resources, known=self.bare.scope.values, condition=self.bare.condition
        )

    def resolver(self, resources: ResourceLookup) -> Resolver:
        """The resolver over given resources."""
        return self.bare.with_resources(resources)

    def draft(self, logical_id: str, resolver: Resolver) -> Record:
        """A resource as the template wants it, not yet made.

        Raises:
            AwsError: if an expression cannot be resolved.
            ResourceFailed: if an import does not exist.

        """
        resource = self.resources[logical_id]
        return replace(
            self.outline(logical_id),
            properties=resolver.resolve(resource.get("Properties") or {}),
            metadata=_lenient(resolver, resource.get("Metadata") or {}),
        )

    def outline(self, logical_id: str) -> Record:
        """A resource without what must be resolved."""
        resource = self.resources[logical_id]
        return Record(
            logical_id=logical_id, type_name=resource["Type"], physical_id="",
            needs=self.graph[logical_id], tags=self.desired.tags,
            deletion_policy=resource.get("DeletionPolicy", "Delete"),
            replace_policy=resource.get("UpdateReplacePolicy", "Delete"),
        )  # fmt: skip

    def outputs(self, resolver: Resolver) -> list[tuple[str, Mapping[str, Any], Any, Any]]:
        """Each active output: key, entry, value and export name (``None``), resolved."""
        found = []
        for key, entry in self.desired.template.section("Outputs").items():
            if self.bare.is_active(entry):
                named = (entry.get("Export") or {}).get("Name")
                name = resolver.resolve(named) if named is not None else None
                found.append((key, entry, resolver.resolve(entry["Value"]), name))
        return found

    def takes_tags(self, type_name: str) -> bool:
        """Whether a change of the stack's tags reaches resources of a type."""
        schema = self.context.schema_of(type_name)
        return schema is not None and "Tags" in schema.properties


class Deployment:
    """One way forward. After :meth:`run`, ``problem`` says why it failed, if it did."""

    def __init__(self, blueprint: Blueprint, cancel: Cancel) -> None:
        self._plan = blueprint
        self._stack = blueprint.stack
        self._context = blueprint.context
        self._cancel = cancel
        self._work = ResourceWork(
            blueprint.context, blueprint.stack, tags=blueprint.desired.tags, cancel=cancel
        )
        self._resolver = blueprint.resolver(LiveResources(self._context, self._stack))
        self._new = blueprint.graph.keys() - self._stack.records.keys()

    def run(self) -> str | None:
        """Carry the blueprint out; the stack-level reason if it failed."""
        walked = walk(
            self._plan.graph, self._visit, label=self._stack.name, on_first_failure=self._cancel
        )
        if self._cancel.raised:
            if self._cancel.reason:
                return self._cancel.reason
            return self._failure(walked.failed)
        try:
            self._settle_outputs()
        except (AwsError, ResourceFailed) as error:
            return error.message if isinstance(error, AwsError) else error.reason
        return None

    def _visit(self, logical_id: str) -> bool:
        old = self._stack.records.get(logical_id)
        try:
            draft = self._plan.draft(logical_id, self._resolver)
            return self._apply(old, draft)
        except (AwsError, ResourceFailed) as error:
            return self._work.fail(self._plan.outline(logical_id), old, _plain(error))

    def _apply(self, old: Record | None, draft: Record) -> bool:
        if old is None:
            return self._work.create(draft)
        if old.failed == "create":
            self._stack.supersede(old, policy="Delete")
            return self._work.create(draft)
        schema = self._context.schema_of(draft.type_name)
        changed = compare(old.properties, draft.properties, schema)
        if old.type_name != draft.type_name:
            return self._work.replace(old, draft)
        if not is_custom(draft.type_name) and "Always" in changed.values():
            if collides(old.properties, draft.properties, schema):
                raise ResourceFailed(
                    "CloudFormation cannot update a stack when a custom-named resource requires "
                    f"replacing. Rename {old.physical_id} and update the stack again."
                )
            return self._work.replace(old, draft)
        retagged = old.tags != draft.tags and self._plan.takes_tags(draft.type_name)
        if changed or old.failed or retagged:
            return self._work.update(old, draft)
        self._stack.keep(replace(draft, physical_id=old.physical_id, attributes=old.attributes))
        return True

    def _settle_outputs(self) -> None:
        outputs = tuple(
            Output(
                key=key, value=text_of(value), description=entry.get("Description"),
                export=None if name is None else text_of(name),
            )
            for key, entry, value, name in self._plan.outputs(self._resolver)
        )  # fmt: skip
        check_exports(self._context.store, self._stack, outputs)
        with self._stack.lock:
            self._stack.outputs = outputs
            self._stack.imports = frozenset(self._plan.imports.names)

    def _failure(self, failed: tuple[str, ...]) -> str:
        new = [logical_id for logical_id in failed if logical_id in self._new]
        old = [logical_id for logical_id in failed if logical_id not in self._new]
        return (failure_text(new, "create") if new else "") + (
            failure_text(old, "update") if old else ""
        )


def _plain(error: AwsError | ResourceFailed) -> ResourceFailed:
    # A template's own mistake is told in its own words, not as a handler's answer.
    return ResourceFailed(error.message if isinstance(error, AwsError) else error.reason)


def _lenient(resolver: Resolver, metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        resolved: dict[str, Any] = resolver.resolve(metadata)
    except (AwsError, ResourceFailed):
        return metadata  # metadata may hold anything, and nothing depends on it
    return resolved
