"""Operations on single resources, with the events that AWS shows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.context import Context, unique_names
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.dynamic import resolve_available, resolve_secrets
from sageloop.local_cloud.cloudformation.errors import Cancelled, ResourceFailed, reason_of
from sageloop.local_cloud.cloudformation.providers.base import (
    Provider,
    Resource,
    ResourceRequest,
)
from sageloop.local_cloud.cloudformation.state import Record, Stack

log = logging.getLogger(__name__)

_REPLACING = (
    "Requested update requires the creation of a new physical resource; hence creating one."
)
_KEPT = {"Snapshot": "retained: the local cloud creates no snapshots"}


class ResourceOperations:
    """Creates, replaces, updates and deletes single resources of one stack.

    Every method returns whether it succeeded; the reason of a failure is in the events. ``tags``
    are the stack's and apply to every resource. AWS's own ``aws:cloudformation`` tags are not set,
    because services, moto included, refuse them from other callers than AWS.
    """

    def __init__(
        self, context: Context, stack: Stack, *, tags: Mapping[str, str], cancel: Cancellation
    ) -> None:
        self._context = context
        self._stack = stack
        self._tags = dict(tags)
        self._cancel = cancel

    def create(self, draft: Record, *, status: str = "CREATE") -> bool:
        """Create a resource from a draft (a record without a physical id)."""
        self._note(draft, f"{status}_IN_PROGRESS", with_properties=True)
        made = self._make(draft, status)
        if made is None:
            return False
        self._stack.keep(made)
        if self._cancel.raised and not status.startswith("UPDATE"):
            self._stack.keep(replace(made, failed="create"))
            self._note(made, "CREATE_FAILED", reason="Resource creation cancelled")
            return False
        self._note(made, f"{status}_COMPLETE")
        return True

    def replace(self, old: Record, draft: Record) -> bool:
        """Create a new physical resource; the clean-up deletes the old one."""
        self._note(old, "UPDATE_IN_PROGRESS", reason=_REPLACING, with_properties=True)
        made = self._make(draft, "UPDATE", old=old)
        if made is None:
            return False
        self._stack.supersede(old, policy=old.replace_policy)
        self._stack.keep(made)
        self._note(made, "UPDATE_COMPLETE")
        return True

    def update(self, old: Record, draft: Record) -> bool:
        """Update a resource in place; a provider may return another physical id."""
        desired = replace(draft, physical_id=old.physical_id, attributes=old.attributes)
        self._note(desired, "UPDATE_IN_PROGRESS", with_properties=True)
        try:
            made = self._provider(draft).update(
                self._request(desired, physical_id=old.physical_id, previous=old)
            )
        except Exception as error:  # any exception of a provider fails the resource, not the engine
            # CloudFormation adopts the physical id of a FAILED response too; the roll-back's Update
            # then returns to the previous one, and the clean-up deletes this one.
            # https://github.com/aws/aws-cdk/issues/30012
            attempt = replace(desired, physical_id=_id_of(error) or old.physical_id)
            self._stack.keep(replace(attempt, failed="update"))
            self._note(attempt, "UPDATE_FAILED", reason=self._reason(error))
            return False
        new = _applied(desired, made)
        if new.physical_id != old.physical_id:
            # The physical id may be that of a superseded resource: a rollback's return to it.
            self._stack.readopt(new.physical_id, new.type_name)
            self._stack.supersede(old, policy=old.replace_policy)
        self._stack.keep(new)
        self._note(new, "UPDATE_COMPLETE")
        return True

    def delete(self, record: Record, *, listed: bool) -> bool:
        """Delete a physical resource, unless its policy retains it."""
        if record.deletion_policy != "Delete" and record.physical_id:
            self._note(
                record, "DELETE_SKIPPED", reason=_KEPT.get(record.deletion_policy), listed=listed
            )
            self._stack.drop(record)
            return True
        self._note(record, "DELETE_IN_PROGRESS", listed=listed)
        try:
            if record.physical_id:
                self._provider(record).delete(
                    self._request(record, physical_id=record.physical_id, previous=record)
                )
        except Exception as error:  # as above: the resource fails, the engine continues
            self._note(record, "DELETE_FAILED", reason=self._reason(error), listed=listed)
            return False
        self._stack.drop(record)
        self._note(record, "DELETE_COMPLETE", listed=listed)
        return True

    def fail(self, draft: Record, old: Record | None, error: Exception) -> bool:
        """Record a failure before the provider was called; returns ``False``."""
        status = "UPDATE_FAILED" if old else "CREATE_FAILED"
        shown = draft if old is None else replace(draft, physical_id=old.physical_id)
        self._note(shown, status, reason=self._reason(error))
        return False

    def _make(self, draft: Record, status: str, *, old: Record | None = None) -> Record | None:
        try:
            made = self._provider(draft).create(self._request(draft))
        except Exception as error:  # as above
            self._failed_create(draft, status, error, old)
            return None
        record = _applied(draft, made)
        self._note(
            record, f"{status}_IN_PROGRESS", reason="Resource creation Initiated",
            with_properties=True,
        )  # fmt: skip
        return record

    def _failed_create(
        self, draft: Record, status: str, error: Exception, old: Record | None
    ) -> None:
        attempt = replace(draft, physical_id=_id_of(error) or "", failed="create")
        if old is None:
            self._stack.keep(attempt)
        else:
            self._stack.supersede(attempt, policy="Delete")
        self._note(attempt, f"{status}_FAILED", reason=self._reason(error))

    def _provider(self, record: Record) -> Provider:
        if is_custom(record.type_name):
            return self._context.custom.provider(self._cancel)
        return self._context.provider(record.type_name)

    def _request(
        self, record: Record, *, physical_id: str = "", previous: Record | None = None
    ) -> ResourceRequest:
        stack = self._stack
        cloud = self._context.cloud

        def client(service: str) -> Any:
            return cloud.client(service, principal=stack.acting, region=stack.region, via=stack.via)

        def with_secrets(properties: Mapping[str, Any], *, former: bool) -> dict[str, Any]:
            if is_custom(record.type_name):  # receives the references themselves, as on AWS
                return dict(properties)
            resolve = resolve_available if former else resolve_secrets
            resolved: dict[str, Any] = resolve(dict(properties), client)
            return resolved

        return ResourceRequest(
            cloud=cloud, type_name=record.type_name, logical_id=record.logical_id,
            stack_id=stack.stack_id, stack_name=stack.name, account_id=stack.account_id,
            region=stack.region,
            # A deletion is of what the resource was before.
            properties=with_secrets(record.properties, former=record is previous),
            previous=with_secrets(previous.properties, former=True) if previous else {},
            physical_id=physical_id,
            attributes=dict(previous.attributes) if previous else {},
            tags=dict(self._tags),
            client=client, unique_name=unique_names(stack.name, record.logical_id),
        )  # fmt: skip

    def _reason(self, error: Exception) -> str:
        if isinstance(error, Cancelled) and self._cancel.raised:
            return error.reason
        if not isinstance(error, ResourceFailed) and type(error).__module__ == "builtins":
            log.exception("a provider failed unexpectedly", exc_info=error)
        return reason_of(error)

    def _note(
        self, record: Record, status: str, *, reason: str | None = None,
        with_properties: bool = False, listed: bool = True,
    ) -> None:  # fmt: skip
        self._stack.note(
            record.logical_id, record.physical_id, record.type_name, status,
            self._context.now(), reason=reason, listed=listed,
            properties=json.dumps(record.visible, default=str) if with_properties else None,
        )  # fmt: skip


def _id_of(error: Exception) -> str | None:
    """The physical id in the response of a resource that failed."""
    return error.physical_id if isinstance(error, ResourceFailed) else None


def _applied(record: Record, made: Resource) -> Record:
    return replace(
        record, physical_id=made.physical_id, attributes=dict(made.attributes), no_echo=made.no_echo
    )
