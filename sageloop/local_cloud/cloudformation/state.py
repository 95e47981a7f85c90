"""The engine's state: stacks, their resources, events and change sets."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.parameters import Parameter
from sageloop.local_cloud.cloudformation.template import EMPTY, Template
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A resource of a stack as it was last applied.

    ``properties`` are resolved except for references to secrets; ``shown`` are the properties with
    asterisks for values with NoEcho (``None``: nothing is masked). ``failed`` names the last
    operation on it (``create``, ``update``) if that failed, so that the next one does not treat it
    as current. ``no_echo`` is that of a custom resource's response.
    """

    logical_id: str
    type_name: str
    physical_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    tags: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    no_echo: bool = False

    @property
    def visible(self) -> Mapping[str, Any]:
        """The properties as events and change sets show them."""
        return self.properties if self.shown is None else self.shown


@dataclass(slots=True)
class ResourceStatus:
    """A resource as DescribeStackResources returns it."""

    logical_id: str
    type_name: str
    physical_id: str
    status: str
    reason: str | None
    updated: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One stack event."""

    event_id: str
    operation_id: str
    logical_id: str
    physical_id: str
    type_name: str
    status: str
    reason: str | None
    timestamp: datetime
    properties: str | None
    token: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A resolved output."""

    key: str
    value: str
    description: str | None = None
    export: str | None = None


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """The desired state of a deployment: a template with parameters, tags and options."""

    template: Template
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The last good state of a stack, to which a failed update rolls back."""

    desired: DesiredState
    records: Mapping[str, Record]
    outputs: tuple[Output, ...]
    imports: frozenset[str]


@dataclass(kw_only=True)
class ChangeSet:
    """A change set. ``desired`` is kept until it is executed."""

    change_set_id: str
    name: str
    kind: str
    desired: DesiredState
    role_arn: str | None
    created: datetime
    description: str | None = None
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution_status: str = "AVAILABLE"
    changes: list[dict[str, Any]] = field(default_factory=list)
    on_failure: str = "ROLLBACK"


@dataclass(kw_only=True)
class Stack:
    """A stack. Mutable; ``lock`` guards its members while a deployment runs."""

    stack_id: str
    name: str
    region: str
    account_id: str
    created: datetime
    status: str = "REVIEW_IN_PROGRESS"
    reason: str | None = None
    updated: datetime | None = None
    deleted: datetime | None = None
    desired: DesiredState = field(default_factory=lambda: DesiredState(template=EMPTY))
    role_arn: str | None = None
    principal: str = "cloudformation.amazonaws.com"
    records: dict[str, Record] = field(default_factory=dict)
    leftovers: list[Record] = field(default_factory=list)
    statuses: dict[str, ResourceStatus] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    imports: frozenset[str] = frozenset()
    snapshot: Snapshot | None = None
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    last_change_set: str | None = None
    termination_protection: bool = False
    disable_rollback: bool = False
    timeout_minutes: int | None = None
    policy: str | None = None
    operation_id: str = ""
    operation: str = ""
    token: str | None = None
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def acting(self) -> str:
        """The principal of every call for this stack: its role, else the caller."""
        return self.role_arn if self.role_arn else self.principal

    @property
    def via(self) -> str:
        """CloudFormation, if it calls with the rights of its caller and not with a role."""
        return "" if self.role_arn else "cloudformation.amazonaws.com"

    def begin(self, operation: str, token: str | None) -> None:
        """Start an operation: later events carry its id and the client's request token."""
        with self.lock:
            self.operation, self.operation_id, self.token = operation, str(uuid.uuid4()), token

    def set_status(self, status: str, now: datetime, reason: str | None = None) -> None:
        """Set the status of the stack and add an event."""
        with self.lock:
            self._event(self.name, self.stack_id, STACK_TYPE, status, now, reason=reason)
            self.status, self.reason = status, reason
            if status.startswith("UPDATE_") or status == "ROLLBACK_IN_PROGRESS":
                self.updated = now
            if status == "DELETE_COMPLETE":
                self.deleted = now

    def note(
        self, logical_id: str, physical_id: str, type_name: str, status: str, now: datetime, *,
        reason: str | None = None, properties: str | None = None, listed: bool = True,
    ) -> None:  # fmt: skip
        """Set the status of a resource and add an event.

        ``listed=False`` is for a superseded resource: the list already contains the new one under
        its logical id.
        """
        with self.lock:
            self._event(
                logical_id, physical_id, type_name, status, now,
                reason=reason, properties=properties,
            )  # fmt: skip
            if listed:
                self.statuses[logical_id] = ResourceStatus(
                    logical_id, type_name, physical_id, status, reason, now
                )

    def keep(self, record: Record) -> None:
        """Store a resource as current."""
        with self.lock:
            self.records[record.logical_id] = record

    def drop(self, record: Record) -> None:
        """Remove a resource, current or superseded."""
        with self.lock:
            if self.records.get(record.logical_id) is record:
                del self.records[record.logical_id]
            self.leftovers = [left for left in self.leftovers if left is not record]

    def supersede(self, old: Record, *, policy: str) -> None:
        """Store a physical resource that the clean-up deletes, or keeps by ``policy``."""
        if old.physical_id:
            with self.lock:
                self.leftovers.append(replace(old, deletion_policy=policy))

    def readopt(self, physical_id: str, type_name: str) -> None:
        """Return a superseded physical resource, which the clean-up then keeps."""
        with self.lock:
            self.leftovers = [
                r for r in self.leftovers
                if (r.physical_id, r.type_name) != (physical_id, type_name)
            ]  # fmt: skip

    def take_snapshot(self) -> Snapshot:
        """The current state, for a rollback."""
        with self.lock:
            return Snapshot(
                desired=self.desired, records=dict(self.records), outputs=self.outputs,
                imports=self.imports,
            )  # fmt: skip

    def _event(
        self, logical_id: str, physical_id: str, type_name: str, status: str, now: datetime, *,
        reason: str | None, properties: str | None = None,
    ) -> None:  # fmt: skip
        own = type_name == STACK_TYPE and logical_id == self.name
        prefix = "" if own else f"{logical_id}-{status}-"
        self.events.append(
            Event(
                event_id=f"{prefix}{uuid.uuid4()}", operation_id=self.operation_id,
                logical_id=logical_id, physical_id=physical_id, type_name=type_name,
                status=status, reason=reason, timestamp=now, properties=properties,
                token=self.token,
            )
        )  # fmt: skip


StackChangeSet = tuple[Stack, ChangeSet]


class StackStore:
    """All stacks, by region and name; deleted ones stay readable by id."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_id: dict[str, Stack] = {}
        self._live: dict[tuple[str, str], str] = {}

    def add(self, name: str, region: str, account_id: str, now: datetime) -> Stack:
        """A new stack in REVIEW_IN_PROGRESS. Raises ``AwsError`` if the name is in use."""
        with self._lock:
            if self.find(name, region) is not None:
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
            stack = Stack(
                stack_id=regional_arn(
                    "cloudformation", region, account_id, f"stack/{name}/{uuid.uuid4()}"
                ),
                name=name, region=region, account_id=account_id, created=now,
            )  # fmt: skip
            self._by_id[stack.stack_id] = stack
            self._live[region, name] = stack.stack_id
            return stack

    def find(self, name_or_id: str, region: str) -> Stack | None:
        """A stack that is not deleted by name, or any stack by id."""
        with self._lock:
            if name_or_id.startswith("arn:"):
                return self._by_id.get(name_or_id)
            stack = self._by_id.get(self._live.get((region, name_or_id), ""))
            return None if stack is None or stack.status == "DELETE_COMPLETE" else stack

    def get(
        self, name_or_id: str, region: str, *, message: str = "Stack with id {} does not exist"
    ) -> Stack:
        """The stack. Raises ``AwsError`` with the caller's ``message`` if it does not exist."""
        stack = self.find(name_or_id, region)
        if stack is None:
            raise invalid(message.format(name_or_id))
        return stack

    def forget(self, stack: Stack) -> None:
        """Remove a stack that only had change sets."""
        with self._lock:
            self._by_id.pop(stack.stack_id, None)
            if self._live.get((stack.region, stack.name)) == stack.stack_id:
                del self._live[stack.region, stack.name]

    def all(self, region: str, where: Callable[[Stack], bool] = lambda _: True) -> list[Stack]:
        """The stacks of a region, newest first."""
        with self._lock:
            stacks = [s for s in self._by_id.values() if s.region == region and where(s)]
        return stacks[::-1]

    def holder(self, change_set: str, stack_name: str | None, region: str) -> Stack | None:
        """The named stack, or else the one that has a change set of this id; None without one."""
        if stack_name:
            return self.find(stack_name, region)
        having = self.all(
            region, lambda s: any(c.change_set_id == change_set for c in s.change_sets.values())
        )
        return having[0] if having else None

    def change_set(self, name_or_id: str, stack_name: str | None, region: str) -> StackChangeSet:
        """A change set with its stack, of a stack or by its id only.

        Raises:
            AwsError: ChangeSetNotFound if it does not exist; ValidationError for a name without
                a stack.

        """
        if stack_name is None and not name_or_id.startswith("arn:"):
            raise invalid(
                "StackName must be specified if ChangeSetName is not specified as an ARN."
            )
        stack = self.holder(name_or_id, stack_name, region)
        for change_set in stack.change_sets.values() if stack else ():
            if stack and name_or_id in (change_set.name, change_set.change_set_id):
                return stack, change_set
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name_or_id}] does not exist", 404)
