"""Operations on a rule's targets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.service_acts import can_assume
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.events import input_templates, targets
from sageloop.local_cloud.events.bus import SERVICE, Buses, Rule, invalid, page
from sageloop.local_cloud.events.inputs import path_steps

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_ID = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MOST_TARGETS = 5
_MOST_PATHS = 100
_INPUTS = ("Input", "InputPath", "InputTransformer")
_MEMBERS = frozenset(
    ("Id", "Arn", "RoleArn", *_INPUTS, "SqsParameters", "DeadLetterConfig", "RetryPolicy")
)


class TargetsApi:
    """The API of targets."""

    def __init__(self, cloud: Cloud, buses: Buses) -> None:
        self._cloud = cloud
        self._buses = buses

    @operation("PutTargets")
    def put_targets(self, call: Call) -> dict[str, Any]:
        """Add or replace targets; an unsupported one is refused by name."""
        new_targets = call.params["Targets"]
        with self._buses.lock:
            rule = self._rule(call)
            for target in new_targets:
                _check(target)
                self._check_role(rule, target)
            if len(rule.targets.keys() | {t["Id"] for t in new_targets}) > _MOST_TARGETS:
                raise AwsError(
                    "LimitExceededException",
                    f"The requested resource exceeds the maximum number allowed: a rule may "
                    f"have {_MOST_TARGETS} targets.",
                )
            # Replaced as a whole, so that a running dispatch keeps its list.
            rule.targets = rule.targets | {target["Id"]: target for target in new_targets}
        return {"FailedEntryCount": 0, "FailedEntries": []}

    @operation("RemoveTargets")
    def remove_targets(self, call: Call) -> dict[str, Any]:
        """Remove targets by id."""
        with self._buses.lock:
            rule = self._rule(call)
            missing = [one for one in call.params["Ids"] if one not in rule.targets]
            rule.targets = {
                one: target for one, target in rule.targets.items() if one not in call.params["Ids"]
            }
        failed = [
            {
                "TargetId": one,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": f"Rule {rule.name} does not have a target with the Id {one}.",
            }
            for one in missing
        ]
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    @operation("ListTargetsByRule")
    def list_targets_by_rule(self, call: Call) -> dict[str, Any]:
        """A rule's targets."""
        with self._buses.lock:
            rule_targets = list(self._rule(call).targets.values())
        shown, token = page(rule_targets, call.params.get("NextToken"), call.params.get("Limit"))
        return {"Targets": shown, "NextToken": token}

    def _check_role(self, rule: Rule, target: dict[str, Any]) -> None:
        role = target.get("RoleArn")
        if role is not None and not can_assume(
            self._cloud, SERVICE, role, rule.arn
        ):  # fmt: skip
            raise invalid(f"Provided role '{role}' cannot be assumed by principal '{SERVICE}'.")

    def _rule(self, call: Call) -> Rule:
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        return bus.rule(call.params["Rule"])


def _check(target: dict[str, Any]) -> None:
    where = f"target {target['Id']}"
    if not _ID.fullmatch(target["Id"]):
        raise invalid(f"{where}: an Id is 1-64 of letters, digits, '.', '-' and '_'.")
    if not targets.kind_of(target["Arn"]):
        raise invalid(f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in "
                      "correct format.")  # fmt: skip
    if not targets.is_supported(target["Arn"]):
        raise invalid(
            f"{where}: the local cloud does not deliver to {target['Arn']}; it delivers to "
            f"{targets.supported()}."
        )
    unknown = sorted(target.keys() - _MEMBERS)
    if unknown:
        raise invalid(f"{where}: the local cloud does not support {', '.join(unknown)}.")
    if sum(member in target for member in _INPUTS) > 1:
        raise invalid(f"Only one of Input, InputPath, or InputTransformer must be provided for "
                      f"{where}.")  # fmt: skip
    if target["Arn"].endswith(".fifo") and "SqsParameters" not in target:
        raise invalid(f"Parameter(s) SqsParameters must be specified for {where}.")
    check_retry_policy(target.get("RetryPolicy", {}), where)
    check_dead_letters(target.get("DeadLetterConfig", {}), where)
    _check_input(target, where)


def check_retry_policy(policy: dict[str, Any], where: str) -> None:
    """Refuse a retry policy outside AWS's limits."""
    limits = {"MaximumRetryAttempts": (0, 185), "MaximumEventAgeInSeconds": (60, 86_400)}
    for member, (low, high) in limits.items():
        if not low <= policy.get(member, low) <= high:
            raise invalid(f"{where}: {member} must be {low}-{high}, got {policy[member]}.")


def check_dead_letters(config: dict[str, Any], where: str) -> None:
    """Refuse a dead-letter queue that is not a standard queue."""
    arn = config.get("Arn")
    if arn is not None and (targets.kind_of(arn) != "sqs" or arn.endswith(".fifo")):
        raise invalid(f"{where}: DeadLetterConfig takes the ARN of a standard queue, got {arn}.")


def _check_input(target: dict[str, Any], where: str) -> None:
    try:
        if "Input" in target:
            json.loads(target["Input"])
        if "InputPath" in target:
            path_steps(target["InputPath"])
    except ValueError as error:
        raise invalid(f"{where}: the input is not valid. Reason: {error}") from error
    if "InputTransformer" in target:
        try:
            _check_transformer(target["InputTransformer"], target["Id"])
        except ValueError as error:
            raise invalid(str(error)) from error


def _check_transformer(transformer: dict[str, Any], target: str) -> None:
    paths = transformer.get("InputPathsMap", {})
    if len(paths) > _MOST_PATHS:
        raise ValueError(
            f"InputPathsMap for target {target} has at most {_MOST_PATHS} paths, got {len(paths)}"
        )
    for name, path in paths.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise ValueError(
                f"InputPathsMap for target {target} has the key {name!r}; keys have letters, "
                "digits, _ and -"
            )
        if name.upper().startswith("AWS"):
            raise ValueError(
                f"InputPathsMap for target {target} has the key {name!r}; keys cannot start with "
                "AWS"
            )
        path_steps(path)
    input_templates.check(transformer["InputTemplate"], frozenset(paths), target)
