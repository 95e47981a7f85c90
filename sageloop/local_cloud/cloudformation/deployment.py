"""Updates a stack's resources to the desired state of a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.context import Context, LiveResources, MaskedResources
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.deletion import failure_text
from sageloop.local_cloud.cloudformation.differences import collides, compare
from sageloop.local_cloud.cloudformation.dynamic import check_dynamic, resolve_plain
from sageloop.local_cloud.cloudformation.errors import ResourceFailed
from sageloop.local_cloud.cloudformation.exports import Imports, check_exports
from sageloop.local_cloud.cloudformation.graph import Graph, dependencies
from sageloop.local_cloud.cloudformation.graph_walk import walk
from sageloop.local_cloud.cloudformation.intrinsics import Resolver, ResourceLookup
from sageloop.local_cloud.cloudformation.parameters import MASK
from sageloop.local_cloud.cloudformation.plain_parameters import PlainParameters
from sageloop.local_cloud.cloudformation.resource_operations import ResourceOperations
from sageloop.local_cloud.cloudformation.scalars import text_of
from sageloop.local_cloud.cloudformation.state import DesiredState, Output, Record, Stack
from sageloop.local_cloud.core.errors import AwsError


class Blueprint:
    """A desired state with evaluated conditions and dependencies.

    Raises:
        AwsError: The template has an unresolved or circular reference, or an unsupported part.

    """

    def __init__(
        self, context: Context, stack: Stack, desired: DesiredState, plain: PlainParameters
    ) -> None:
        self.context = context
        self.stack = stack
        self.desired = desired
        self._plain = plain
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
        """The resolver over these resources."""
        return self.bare.with_resources(resources)

    def draft(self, logical_id: str, resolver: Resolver) -> Record:
        """A resource as the template defines it, without a physical id.

        Raises:
            AwsError: An expression cannot be resolved.
            ResourceFailed: An import does not exist.

        """
        resource = self.resources[logical_id]
        expressions = resource.get("Properties") or {}
        return replace(
            self.outline(logical_id),
            properties=self._evaluated(resource["Type"], expressions, resolver),
            shown=self._shown(resource["Type"], expressions, resolver),
            metadata=_lenient(resolver, resource.get("Metadata") or {}),
        )

    def _evaluated(
        self, type_name: str, expressions: dict[str, Any], resolver: Resolver
    ) -> dict[str, Any]:
        properties: dict[str, Any] = resolver.resolve(expressions)
        check_dynamic(type_name, properties)
        plain: dict[str, Any] = resolve_plain(properties, self._plain.text)
        return plain

    def _shown(
        self, type_name: str, expressions: dict[str, Any], resolver: Resolver
    ) -> dict[str, Any] | None:
        """The properties with asterisks for values with NoEcho; ``None`` if there are none."""
        masks = {p.name: p.masked for p in self.desired.parameters.values() if p.no_echo}
        if not masks and not any(record.no_echo for record in self.stack.records.values()):
            return None
        masked = resolver.masked(masks, MaskedResources(resolver.resources, self.stack))
        shown: dict[str, Any] = {}
        for name, expression in expressions.items():
            try:
                shown |= self._evaluated(type_name, {name: expression}, masked)
            except AwsError:  # a function of a masked value may have none
                shown[name] = MASK
        return shown

    def outline(self, logical_id: str) -> Record:
        """A resource without the parts that must be resolved."""
        resource = self.resources[logical_id]
        return Record(
            logical_id=logical_id, type_name=resource["Type"], physical_id="",
            needs=self.graph[logical_id], tags=self.desired.tags,
            deletion_policy=resource.get("DeletionPolicy", "Delete"),
            replace_policy=resource.get("UpdateReplacePolicy", "Delete"),
        )  # fmt: skip

    def outputs(self, resolver: Resolver) -> list[tuple[str, Mapping[str, Any], Any, Any]]:
        """Each active output, resolved: key, entry, value and export name (or ``None``)."""
        outputs = []
        for key, entry in self.desired.template.section("Outputs").items():
            if self.bare.is_active(entry):
                named = (entry.get("Export") or {}).get("Name")
                name = resolver.resolve(named) if named is not None else None
                outputs.append((key, entry, resolver.resolve(entry["Value"]), name))
        return outputs

    def takes_tags(self, type_name: str) -> bool:
        """Whether a change of the stack's tags applies to resources of a type."""
        schema = self.context.schema_of(type_name)
        return schema is not None and "Tags" in schema.properties


class Deployment:
    """One create or update; after :meth:`run`, ``problem`` is the reason of a failure."""

    def __init__(self, blueprint: Blueprint, cancel: Cancellation) -> None:
        self._plan = blueprint
        self._stack = blueprint.stack
        self._context = blueprint.context
        self._cancel = cancel
        self._work = ResourceOperations(
            blueprint.context, blueprint.stack, tags=blueprint.desired.tags, cancel=cancel
        )
        self._resolver = blueprint.resolver(LiveResources(self._context, self._stack))
        self._new = blueprint.graph.keys() - self._stack.records.keys()

    def run(self) -> str | None:
        """Deploy the blueprint; returns the stack-level reason of a failure."""
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
        self._stack.keep(
            replace(
                draft,
                physical_id=old.physical_id,
                attributes=old.attributes,
                no_echo=old.no_echo,
            )
        )
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
    # An error of the template itself has its own message, not a resource handler's.
    return ResourceFailed(error.message if isinstance(error, AwsError) else error.reason)


def _lenient(resolver: Resolver, metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        resolved: dict[str, Any] = resolver.resolve(metadata)
    except (AwsError, ResourceFailed):
        return metadata  # metadata may contain anything, and nothing depends on it
    return resolved
