"""Operations on a function's policy, concurrency, retries and tags."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping as Members
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.functions.errors import conflict, invalid, not_found, stale_revision
from sageloop.local_cloud.functions.event_sources.mapping import Mapping
from sageloop.local_cloud.functions.function_api import reference_of
from sageloop.local_cloud.functions.limits import ACCOUNT_CONCURRENCY
from sageloop.local_cloud.functions.model import EventConfig, Function
from sageloop.local_cloud.functions.names import LATEST, parse_reference
from sageloop.local_cloud.functions.paging import page
from sageloop.local_cloud.functions.policy import Policy, statement
from sageloop.local_cloud.functions.validation import destination_of

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.event_sources.api import EventSourceApi
    from sageloop.local_cloud.functions.model import FunctionRepository

_UNRESERVED_MINIMUM = 100


class PolicyApi:
    """The API of resource policies."""

    def __init__(self, repository: FunctionRepository) -> None:
        self._repository = repository

    @operation("AddPermission")
    def add_permission(self, call: Call) -> dict[str, Any]:
        """Add a statement to the policy of the function or its qualifier."""
        for member in ("FunctionUrlAuthType", "InvokedViaFunctionUrl", "EventSourceToken"):
            if call.params.get(member):
                raise not_supported("lambda", f"AddPermission with {member}")
        ref = reference_of(call)
        function = self._repository.get(ref)
        if ref.qualifier == LATEST:
            raise invalid("We currently do not support adding policies for $LATEST.")
        self._repository.version(function, ref.qualifier)
        made = statement(call.params, resource=function.arn_of(ref.qualifier))
        with self._repository.lock:
            policy = function.policies.setdefault(ref.qualifier, Policy())
            _check_policy_revision(policy, call)
            if made["Sid"] in policy.statements:
                raise conflict(
                    f"The statement id ({made['Sid']}) provided already exists. Please provide a "
                    "new statement id, or remove the existing statement."
                )
            policy.statements[made["Sid"]] = made
            policy.revision = str(uuid.uuid4())
        return {"Statement": json.dumps(made)}

    @operation("RemovePermission")
    def remove_permission(self, call: Call) -> None:
        """Remove a statement."""
        ref = reference_of(call)
        function = self._repository.get(ref)
        with self._repository.lock:
            policy = function.policies.get(ref.qualifier)
            if policy is None:
                raise not_found("No policy is associated with the given resource.")
            _check_policy_revision(policy, call)
            sid = call.params["StatementId"]
            if policy.statements.pop(sid, None) is None:
                raise not_found(f"Statement {sid} is not found in resource policy.")
            policy.revision = str(uuid.uuid4())
            if not policy.statements:
                del function.policies[ref.qualifier]

    @operation("GetPolicy")
    def get_policy(self, call: Call) -> dict[str, Any]:
        """The policy as JSON."""
        ref = reference_of(call)
        policy = self._repository.get(ref).policies.get(ref.qualifier)
        if policy is None:
            raise not_found("The resource you requested does not exist.")
        return {"Policy": policy.document(), "RevisionId": policy.revision}


class ConcurrencyApi:
    """The API of reserved concurrency and of the account's limits."""

    def __init__(self, repository: FunctionRepository) -> None:
        self._repository = repository

    @operation("PutFunctionConcurrency")
    def put_function_concurrency(self, call: Call) -> dict[str, Any]:
        """Reserve concurrency for a function; 0 disables it."""
        function = self._repository.get(reference_of(call))
        reserved = int(call.params["ReservedConcurrentExecutions"])
        if reserved < 0:
            raise invalid(f"ReservedConcurrentExecutions must be 0 or more, got {reserved}")
        with self._repository.lock:
            others = [f for f in self._repository.of_region(function.region) if f is not function]
            left = ACCOUNT_CONCURRENCY - sum(f.reserved or 0 for f in others) - reserved
            if left < _UNRESERVED_MINIMUM:
                raise invalid(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    "UnreservedConcurrentExecution below its minimum value of "
                    f"[{_UNRESERVED_MINIMUM}]."
                )
            function.reserved = reserved
        return {"ReservedConcurrentExecutions": reserved}

    @operation("GetFunctionConcurrency")
    def get_function_concurrency(self, call: Call) -> dict[str, Any]:
        """The reserved concurrency, if any."""
        return {"ReservedConcurrentExecutions": self._repository.get(reference_of(call)).reserved}

    @operation("DeleteFunctionConcurrency")
    def delete_function_concurrency(self, call: Call) -> None:
        """Remove the reservation."""
        self._repository.get(reference_of(call)).reserved = None

    @operation("PutFunctionRecursionConfig")
    def put_function_recursion_config(self, call: Call) -> dict[str, Any]:
        """Set whether a function may call itself; stored only, since loops are not detected."""
        function = self._repository.get(reference_of(call))
        function.recursive_loop = call.params["RecursiveLoop"]
        return {"RecursiveLoop": function.recursive_loop}

    @operation("GetFunctionRecursionConfig")
    def get_function_recursion_config(self, call: Call) -> dict[str, Any]:
        """Whether a function may call itself."""
        return {"RecursiveLoop": self._repository.get(reference_of(call)).recursive_loop}

    @operation("GetAccountSettings")
    def get_account_settings(self, call: Call) -> dict[str, Any]:
        """Limits and usage of the account."""
        functions = self._repository.of_region(call.region)
        reserved = sum(f.reserved or 0 for f in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(f.latest.package.size for f in functions),
                "FunctionCount": len(functions),
            },
        }


class EventConfigApi:
    """The API of retries and destinations of asynchronous invocations."""

    def __init__(self, cloud: Cloud, repository: FunctionRepository) -> None:
        self._cloud = cloud
        self._repository = repository

    @operation("PutFunctionEventInvokeConfig")
    def put_config(self, call: Call) -> dict[str, Any]:
        """Set the whole configuration; missing members get their defaults."""
        return self._put(call, {})

    @operation("UpdateFunctionEventInvokeConfig")
    def update_config(self, call: Call) -> dict[str, Any]:
        """Change some members."""
        function, qualifier, old = self._find(call)
        return self._put(call, _described(function, qualifier, old))

    @operation("GetFunctionEventInvokeConfig")
    def get_config(self, call: Call) -> dict[str, Any]:
        """The configuration of a function, version or alias."""
        return _described(*self._find(call))

    @operation("DeleteFunctionEventInvokeConfig")
    def delete_config(self, call: Call) -> None:
        """Restore the defaults."""
        function, qualifier, _ = self._find(call)
        del function.event_configs[qualifier]

    @operation("ListFunctionEventInvokeConfigs")
    def list_configs(self, call: Call) -> dict[str, Any]:
        """Configurations of a function and its qualifiers."""
        function = self._repository.get(reference_of(call))
        configs = [_described(function, q, c) for q, c in sorted(function.event_configs.items())]
        return page("FunctionEventInvokeConfigs", configs, call)

    def _find(self, call: Call) -> tuple[Function, str, EventConfig]:
        ref = reference_of(call)
        function = self._repository.get(ref)
        qualifier = ref.qualifier or LATEST
        config = function.event_configs.get(qualifier)
        if config is None:
            raise not_found(
                f"The function {function.arn}:{qualifier} doesn't have an EventInvokeConfig"
            )
        return function, qualifier, config

    def _put(self, call: Call, base: Members[str, Any]) -> dict[str, Any]:
        ref = reference_of(call)
        function = self._repository.get(ref)
        self._repository.version(function, ref.qualifier)
        members = {**base, **{k: v for k, v in call.params.items() if v is not None}}
        destinations = members.get("DestinationConfig") or {}
        config = EventConfig(
            modified=self._cloud.clock.now(),
            retries=_ranged(members, "MaximumRetryAttempts", 0, 2, default=2),
            max_age=_ranged(members, "MaximumEventAgeInSeconds", 60, 21_600, default=21_600),
            on_success=destination_of(destinations.get("OnSuccess") or {}, failures=False),
            on_failure=destination_of(destinations.get("OnFailure") or {}, failures=True),
        )
        qualifier = ref.qualifier or LATEST
        function.event_configs[qualifier] = config
        return _described(function, qualifier, config)


class TagApi:
    """The API of tags of functions and event source mappings."""

    def __init__(self, repository: FunctionRepository, mappings: EventSourceApi) -> None:
        self._repository = repository
        self._mappings = mappings

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Add tags or change their values."""
        holder = self._holder(call)
        holder.tags = {**holder.tags, **call.params["Tags"]}

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Remove tags by key."""
        holder = self._holder(call)
        gone = set(call.params["TagKeys"])
        holder.tags = {k: v for k, v in holder.tags.items() if k not in gone}

    @operation("ListTags")
    def list_tags(self, call: Call) -> dict[str, Any]:
        """The tags of a function or a mapping."""
        return {"Tags": self._holder(call).tags}

    def _holder(self, call: Call) -> Function | Mapping:
        arn = call.params["Resource"]
        if ":event-source-mapping:" in arn:
            return self._mappings.find_by_arn(arn)
        if ":function:" not in arn:
            raise not_supported(
                "lambda", f"{call.operation} on {arn} (functions and mappings have tags)"
            )
        ref = parse_reference(arn, qualifier=None, region=call.region)
        if ref.qualifier:
            raise invalid(f"Tags on function aliases and versions are not supported: {arn}")
        return self._repository.get(ref)


def _described(function: Function, qualifier: str, config: EventConfig) -> dict[str, Any]:
    destinations = {
        "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
        "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
    }
    return {
        "LastModified": config.modified,
        "FunctionArn": function.arn_of(qualifier),
        "MaximumRetryAttempts": config.retries,
        "MaximumEventAgeInSeconds": config.max_age,
        "DestinationConfig": destinations,
    }


def _ranged(members: Members[str, Any], member: str, low: int, high: int, *, default: int) -> int:
    value = members.get(member)
    if value is None:
        return default
    if not low <= value <= high:
        raise AwsError("ValidationException", f"{member} must be {low} to {high}, got {value}")
    return int(value)


def _check_policy_revision(policy: Policy, call: Call) -> None:
    if call.params.get("RevisionId") not in (None, policy.revision):
        raise stale_revision("GetPolicy")
