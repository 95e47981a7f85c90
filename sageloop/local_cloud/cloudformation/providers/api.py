"""Resource types as data: an entry names the calls that make, change and remove a resource."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke, look, unless_gone
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, names
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.core.errors import AwsError

Convert = Callable[[Any], Any]


def takes(same: str = "", /, **renamed: str) -> dict[str, str]:
    """Property names to API parameters: ``same`` lists those of equal name."""
    return {**{name: name for name in same.split()}, **renamed}


@dataclass(frozen=True, kw_only=True)
class Name:
    """The property with the physical name; where absent, a name is made for it.

    ``param`` is the create call's parameter, ``lower`` for services that take no capitals.
    """

    property: str
    max_length: int
    param: str = ""
    lower: bool = False

    def of(self, request: ResourceRequest) -> str:
        """The name to use."""
        given = request.properties.get(self.property)
        if given is not None:
            return str(given)
        made = str(request.unique_name(max_length=self.max_length))
        return made.lower() if self.lower else made


@dataclass(frozen=True, kw_only=True)
class Step:
    """Further calls that carry properties out after create, and again when they change.

    ``apply`` finds the wanted value in ``scene.properties``; absent means taken away.
    Without ``on_create`` the create call has carried the properties out already.
    """

    properties: str
    apply: Callable[[Scene], None]
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

    When the property is taken away, ``remove(**on)`` is called, or ``call`` with ``reset``.
    """

    def apply(scene: Scene) -> None:
        value = scene.properties.get(name)
        if value is None and remove:
            scene.call(remove, **scene.fill(on))
            return
        if value is None:
            value = reset
        elif of is not None:
            value = of(value)
        if value is None:
            raise not_updatable(scene.request, name, "it cannot be taken away")
        scene.call(call, **scene.fill(on), **{to: value})

    return Step(properties=name, apply=apply, on_create=on_create)


@dataclass(frozen=True, kw_only=True)
class Update:
    """A call that changes some properties.

    It is made when one of ``takes`` changed. With ``whole`` it replaces everything and gets
    all of them; else it gets what changed, and for what was taken away the value in ``reset``.
    ``always`` names properties that are sent along whenever the call is made.
    """

    call: str
    on: Mapping[str, Any]
    takes: Mapping[str, str]
    whole: bool = False
    reset: Mapping[str, Any] = field(default_factory=dict)
    always: str = ""


def not_updatable(request: ResourceRequest, name: str, why: str) -> AwsError:
    """The refusal to change a property in place."""
    return AwsError(
        "NotUpdatable", f"{request.type_name} {request.logical_id}: property {name}: {why}"
    )


@dataclass(frozen=True, kw_only=True)
class ApiResource:
    """A resource type made of API calls.

    Args:
        service: boto3's name of the service.
        create: operation that makes it; ``takes`` maps properties to its parameters and
            ``on_create`` holds parameters that are always sent.
        name: its physical-name property, if it has one.
        ref: template or response path of the physical id; empty means the name.
        attributes: ``Fn::GetAtt`` names to templates (with ``{``) or response paths.
        describe: operation, parameters and path of the document that response paths refer
            to; without it they refer to create's answer.
        more_attributes: attributes that need calls of their own.
        convert: by property, from the template's form to the API's.
        prepare: a last change of the create call's parameters.
        steps: what follows create, in order, and what changes carry out.
        updates: calls that change properties in place.
        delete: operation that removes it, with ``delete_on``; codes in ``gone`` mean done.
        before_delete: what has to happen first.
        stored: properties that are kept in the stack only.

    """

    service: str
    create_call: str
    takes: Mapping[str, str] = field(default_factory=dict)
    on_create: Mapping[str, Any] = field(default_factory=dict)
    name: Name | None = None
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)
    describe: tuple[str, Mapping[str, Any], str] | None = None
    more_attributes: Callable[[Scene], dict[str, Any]] | None = None
    convert: Mapping[str, Convert] = field(default_factory=dict)
    prepare: Callable[[Scene, dict[str, Any]], None] | None = None
    steps: tuple[Step, ...] = ()
    updates: tuple[Update, ...] = ()
    tagging: Tagging | None = None
    delete_call: str = ""
    delete_on: Mapping[str, Any] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    before_delete: Callable[[Scene], None] | None = None
    stored: frozenset[str] = frozenset()
    at_next_change: frozenset[str] = frozenset()
    note: str = ""

    @property
    def coverage(self) -> Coverage:
        """What is carried out: everything a call takes when the resource is made.

        A property that only an update takes is not covered: create would ignore it.
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
        """Make it; if a call after the first fails, what was made is removed again."""
        refuse_unknown(request, self.coverage)
        scene = Scene(request=request, service=self.service)
        if self.name is not None:
            scene.name = self.name.of(request)
        scene.response = scene.call(self.create_call, **self._create_params(scene))
        scene.id = str(self._found(scene, self.ref, scene.response))
        try:
            self._complete(scene)
        except Exception:
            with contextlib.suppress(ClientError, AwsError):
                self._delete(scene)
            raise
        return Resource(scene.id, scene.attributes)

    def update(self, request: ResourceRequest) -> Resource:
        """Change what differs; a property that nothing can change is refused by name."""
        refuse_unknown(request, self.coverage)
        scene = self._scene_of(request)
        changed = changed_properties(request) & self.coverage.executed
        self._refuse_unchangeable(request, changed)
        for update in self.updates:
            if changed & set(update.takes):
                self._call_update(scene, update, changed)
        for step in self.steps:
            if step.touches(changed):
                step.apply(scene)
        if self.tagging is not None:
            self.tagging.on_update(scene)
        self._read_attributes(scene)
        return Resource(scene.id, scene.attributes)

    def delete(self, request: ResourceRequest) -> None:
        """Remove it."""
        self._delete(self._scene_of(request))

    def _scene_of(self, request: ResourceRequest) -> Scene:
        attributes = dict(request.attributes)
        name = attributes.get(self.name.property) if self.name else None
        if name is None and self.name is not None:
            name = {**request.previous, **request.properties}.get(self.name.property)
        return Scene(
            request=request, service=self.service, id=request.physical_id,
            name=request.physical_id if name is None else str(name), attributes=attributes,
        )  # fmt: skip

    def _create_params(self, scene: Scene) -> dict[str, Any]:
        params = dict(scene.fill(self.on_create))
        if self.name is not None and self.name.param:
            params[self.name.param] = scene.name
        for name, param in self.takes.items():
            if scene.properties.get(name) is not None:
                params[param] = self._converted(name, scene.properties[name])
        if self.tagging is not None:
            params |= self.tagging.on_create(scene)
        if self.prepare is not None:
            self.prepare(scene, params)
        return params

    def _complete(self, scene: Scene) -> None:
        self._read_attributes(scene)
        given = frozenset(k for k, v in scene.properties.items() if v is not None)
        for step in self.steps:
            if step.on_create and step.touches(given):
                step.apply(scene)
        if self.tagging is not None:
            self.tagging.after_create(scene)
        if self.describe is not None and self.steps:
            self._read_attributes(scene)

    def _read_attributes(self, scene: Scene) -> None:
        if self.name is not None:
            scene.attributes[self.name.property] = scene.name
        document: Any = scene.response
        if self.describe is not None:
            operation, on, path = self.describe
            document = look(scene.call(operation, **scene.fill(on)), path)
        for name, source in self.attributes.items():
            value = self._found(scene, source, document)
            if value is not None:
                scene.attributes[name] = value
        if self.more_attributes is not None:
            scene.attributes |= self.more_attributes(scene)

    @staticmethod
    def _found(scene: Scene, source: str, document: Any) -> Any:
        return scene.fill(source) if "{" in source else look(document, source)

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
            raise not_updatable(request, name, "the local cloud cannot change it in place")

    def _call_update(self, scene: Scene, update: Update, changed: frozenset[str]) -> None:
        params = dict(scene.fill(update.on))
        for name, param in update.takes.items():
            value = scene.properties.get(name)
            if not update.whole and name not in changed and name not in names(update.always):
                continue
            if value is not None:
                params[param] = self._converted(name, value)
            elif name in update.reset:
                params[param] = update.reset[name]
            elif not update.whole and name in changed:
                raise not_updatable(scene.request, name, "it cannot be taken away")
        invoke(scene.request.client(self.service), update.call, params)

    def _delete(self, scene: Scene) -> None:
        if self.before_delete is not None:
            before_delete = self.before_delete
            unless_gone(self.gone, lambda: before_delete(scene))
        if self.delete_call:
            on = scene.fill(self.delete_on)
            unless_gone(self.gone, lambda: scene.call(self.delete_call, **on))


def changed_properties(request: ResourceRequest) -> frozenset[str]:
    """Names of the properties whose values differ from those applied last."""
    both = request.properties.keys() | request.previous.keys()
    return frozenset(n for n in both if request.properties.get(n) != request.previous.get(n))


def refuse_unknown(request: ResourceRequest, coverage: Coverage) -> None:
    """Refuse a property that would have no effect, unless the user allowed it by name.

    Raises:
        AwsError: ``ValidationException`` naming the property and what is carried out.

    """
    allow = request.cloud.config.allow
    for name in sorted(request.properties):
        if not coverage.takes(name) and f"{request.type_name}.{name}" not in allow:
            raise AwsError(
                "ValidationException",
                f"{request.type_name} {request.logical_id}: property {name} is not carried out; "
                f"supported are {', '.join(sorted(coverage.executed | coverage.stored))}",
            )
