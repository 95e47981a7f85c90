"""Resource types as tables of the API calls that create, update and delete them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke, unless_gone, value_at
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import scalar_text
from sageloop.local_cloud.core.errors import AwsError

Convert = Callable[[Any], Any]


def takes(same: str = "", /, **renamed: str) -> dict[str, str]:
    """Property names to API parameters: ``same`` lists those of equal name."""
    return {**{name: name for name in same.split()}, **renamed}


@dataclass(frozen=True, kw_only=True)
class Name:
    """The property with the physical name; without it, a name is generated.

    ``param`` is the create call's parameter, ``lower`` is for services whose names are lower-case.
    """

    property: str
    max_length: int
    param: str = ""
    lower: bool = False

    def of(self, request: ResourceRequest) -> str:
        """The physical name."""
        name = request.properties.get(self.property)
        if name is not None:
            return scalar_text(name)
        made = str(request.unique_name(max_length=self.max_length))
        return made.lower() if self.lower else made


@dataclass(frozen=True, kw_only=True)
class Step:
    """Further calls that apply properties after the create call, and again on change.

    ``apply`` reads the desired value from ``context.properties``; an absent value is removed. With
    ``on_create`` false, the create call itself applies the properties.
    """

    properties: str
    apply: Callable[[ProviderContext], None]
    on_create: bool = True

    def touches(self, changed: frozenset[str]) -> bool:
        """Whether one of the step's properties is among ``changed``."""
        return bool(names(self.properties) & changed)


def setting(
    name: str,
    call: str,
    *,
    to: str,
    on: Mapping[str, Any],
    remove: str = "",
    reset: Any = None,
    of: Convert | None = None,
    on_create: bool = True,
) -> Step:
    """The step of one property with one call: ``call(**on, to=value)``.

    When the property is removed, ``remove(**on)`` is called, or ``call`` with ``reset``.
    """

    def apply(context: ProviderContext) -> None:
        value = context.properties.get(name)
        if value is None and remove:
            context.call(remove, **context.fill(on))
            return
        if value is None:
            value = reset
        elif of is not None:
            value = of(value)
        if value is None:
            raise not_updatable(context.request, name, "it cannot be removed")
        context.call(call, **context.fill(on), **{to: value})

    return Step(properties=name, apply=apply, on_create=on_create)


@dataclass(frozen=True, kw_only=True)
class Update:
    """A call that changes some properties.

    It is called when one of ``takes`` changed. With ``whole`` it replaces all of them and receives
    all; otherwise it receives the changed ones, and for removed ones the value in ``reset``.
    ``always`` names properties that every call includes.
    """

    call: str
    on: Mapping[str, Any]
    takes: Mapping[str, str]
    whole: bool = False
    reset: Mapping[str, Any] = field(default_factory=dict)
    always: str = ""


def not_updatable(request: ResourceRequest, name: str, why: str) -> AwsError:
    """The error for a property that cannot be changed in place."""
    return AwsError(
        "NotUpdatable", f"{request.type_name} {request.logical_id}: property {name}: {why}"
    )


@dataclass(frozen=True, kw_only=True)
class ApiResource:
    """A resource type implemented by API calls.

    Args:
        service: boto3's name of the service.
        create: Operation that creates it; ``takes`` maps properties to its parameters and
            ``on_create`` holds parameters that are always sent.
        name: Its physical-name property, if it has one.
        ref: Template or response path of the physical id; empty means the name.
        attributes: ``Fn::GetAtt`` names to templates (with ``{``) or response paths.
        describe: Operation, parameters and path of the document that response paths refer
            to; without it they refer to the response of create.
        more_attributes: Attributes that need other calls.
        convert: By property, from the template's form to the API's.
        prepare: Last change of the create call's parameters.
        steps: Calls after create, in order, which also apply changes.
        updates: Calls that change properties in place.
        delete: Operation that deletes it, with ``delete_on``; error codes in ``gone`` mean
            that it no longer exists.
        before_delete: Calls before the deletion.
        stored: Properties that are stored without effect.

    """

    service: str
    create_call: str
    takes: Mapping[str, str] = field(default_factory=dict)
    on_create: Mapping[str, Any] = field(default_factory=dict)
    name: Name | None = None
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)
    describe: tuple[str, Mapping[str, Any], str] | None = None
    more_attributes: Callable[[ProviderContext], dict[str, Any]] | None = None
    convert: Mapping[str, Convert] = field(default_factory=dict)
    prepare: Callable[[ProviderContext, dict[str, Any]], None] | None = None
    steps: tuple[Step, ...] = ()
    updates: tuple[Update, ...] = ()
    tagging: Tagging | None = None
    delete_call: str = ""
    delete_on: Mapping[str, Any] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    before_delete: Callable[[ProviderContext], None] | None = None
    stored: frozenset[str] = frozenset()
    at_next_change: frozenset[str] = frozenset()
    note: str = ""

    @property
    def coverage(self) -> Coverage:
        """The supported properties: those that create and its steps apply.

        A property that only an update applies is not supported: create would ignore it.
        """
        executed = {*self.takes, *self.at_next_change}
        executed |= {self.name.property} if self.name else set()
        executed |= {self.tagging.property} if self.tagging else set()
        for step in self.steps:
            executed |= names(step.properties) if step.on_create else frozenset()
        return Coverage(
            executed=frozenset(executed) - self.stored, stored=self.stored, note=self.note
        )

    def create(self, request: ResourceRequest) -> Resource:
        """Create it; if a call after the first fails, it is deleted again."""
        refuse_unknown(request, self.coverage)
        context = ProviderContext(request=request, service=self.service)
        if self.name is not None:
            context.name = self.name.of(request)
        context.response = context.call(self.create_call, **self._create_params(context))
        context.id = str(self._value_of(context, self.ref, context.response))
        try:
            self._complete(context)
        except Exception:
            with contextlib.suppress(ClientError, AwsError):
                self._delete(context)
            raise
        return Resource(context.id, context.attributes)

    def update(self, request: ResourceRequest) -> Resource:
        """Apply changed properties; a property that no call can change is refused by name."""
        refuse_unknown(request, self.coverage)
        context = self._context_of(request)
        changed = changed_properties(request) & self.coverage.executed
        self._refuse_unchangeable(request, changed)
        for update in self.updates:
            if changed & set(update.takes):
                self._call_update(context, update, changed)
        for step in self.steps:
            if step.touches(changed):
                step.apply(context)
        if self.tagging is not None:
            self.tagging.on_update(context)
        self._read_attributes(context)
        return Resource(context.id, context.attributes)

    def delete(self, request: ResourceRequest) -> None:
        """Delete it."""
        self._delete(self._context_of(request))

    def _context_of(self, request: ResourceRequest) -> ProviderContext:
        attributes = dict(request.attributes)
        name = attributes.get(self.name.property) if self.name else None
        if name is None and self.name is not None:
            name = {**request.previous, **request.properties}.get(self.name.property)
        return ProviderContext(
            request=request, service=self.service, id=request.physical_id,
            name=request.physical_id if name is None else scalar_text(name), attributes=attributes,
        )  # fmt: skip

    def _create_params(self, context: ProviderContext) -> dict[str, Any]:
        params = dict(context.fill(self.on_create))
        if self.name is not None and self.name.param:
            params[self.name.param] = context.name
        for name, param in self.takes.items():
            if context.properties.get(name) is not None:
                params[param] = self._converted(name, context.properties[name])
        if self.tagging is not None:
            params |= self.tagging.on_create(context)
        if self.prepare is not None:
            self.prepare(context, params)
        return params

    def _complete(self, context: ProviderContext) -> None:
        self._read_attributes(context)
        present = frozenset(k for k, v in context.properties.items() if v is not None)
        for step in self.steps:
            if step.on_create and step.touches(present):
                step.apply(context)
        if self.tagging is not None:
            self.tagging.after_create(context)
        if self.describe is not None and self.steps:
            self._read_attributes(context)

    def _read_attributes(self, context: ProviderContext) -> None:
        if self.name is not None:
            context.attributes[self.name.property] = context.name
        document: Any = context.response
        if self.describe is not None:
            operation, on, path = self.describe
            document = value_at(context.call(operation, **context.fill(on)), path)
        for name, source in self.attributes.items():
            value = self._value_of(context, source, document)
            if value is not None:
                context.attributes[name] = value
        if self.more_attributes is not None:
            context.attributes |= self.more_attributes(context)

    @staticmethod
    def _value_of(context: ProviderContext, source: str, document: Any) -> Any:
        return context.fill(source) if "{" in source else value_at(document, source)

    def _converted(self, name: str, value: Any) -> Any:
        convert = self.convert.get(name)
        return value if convert is None else convert(value)

    def _refuse_unchangeable(self, request: ResourceRequest, changed: frozenset[str]) -> None:
        changeable = set(self.at_next_change)
        changeable |= {self.tagging.property} if self.tagging else set()
        for step in self.steps:
            changeable |= names(step.properties)
        for update in self.updates:
            changeable |= set(update.takes)
        for name in sorted(changed - changeable):
            raise not_updatable(request, name, "the local cloud cannot update it in place")

    def _call_update(
        self, context: ProviderContext, update: Update, changed: frozenset[str]
    ) -> None:
        params = dict(context.fill(update.on))
        for name, param in update.takes.items():
            value = context.properties.get(name)
            if not update.whole and name not in changed and name not in names(update.always):
                continue
            if value is not None:
                params[param] = self._converted(name, value)
            elif name in update.reset:
                params[param] = update.reset[name]
            elif not update.whole and name in changed:
                raise not_updatable(context.request, name, "it cannot be removed")
        invoke(context.request.client(self.service), update.call, params)

    def _delete(self, context: ProviderContext) -> None:
        if self.before_delete is not None:
            before_delete = self.before_delete
            unless_gone(self.gone, lambda: before_delete(context))
        if self.delete_call:
            on = context.fill(self.delete_on)
            unless_gone(self.gone, lambda: context.call(self.delete_call, **on))


def changed_properties(request: ResourceRequest) -> frozenset[str]:
    """Names of the properties that differ from the last applied ones."""
    both = request.properties.keys() | request.previous.keys()
    return frozenset(n for n in both if request.properties.get(n) != request.previous.get(n))


def refuse_unknown(request: ResourceRequest, coverage: Coverage) -> None:
    """Refuse a property without effect, unless the user allowed it by name.

    Raises:
        AwsError: ``ValidationException`` with the property and the supported ones.

    """
    allow = request.cloud.config.allow
    for name in sorted(request.properties):
        if not coverage.takes(name) and f"{request.type_name}.{name}" not in allow:
            raise AwsError(
                "ValidationException",
                f"{request.type_name} {request.logical_id}: property {name} is not supported; "
                f"supported are {', '.join(sorted(coverage.executed | coverage.stored))}",
            )
