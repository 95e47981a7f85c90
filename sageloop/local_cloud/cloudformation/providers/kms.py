"""AWS KMS: keys and aliases."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Step,
    Update,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import is_true

_KEY = {"KeyId": "{id}"}


def _rotate(context: ProviderContext) -> None:
    if not is_true(context.properties.get("EnableKeyRotation")):
        if context.previous:
            context.call("DisableKeyRotation", KeyId=context.id)
        return
    period = context.properties.get("RotationPeriodInDays")
    context.call("EnableKeyRotation", KeyId=context.id, RotationPeriodInDays=period)


def _enable(context: ProviderContext) -> None:
    enabled = is_true(context.properties.get("Enabled", True))
    context.call("EnableKey" if enabled else "DisableKey", KeyId=context.id)


class _Key(ApiResource):
    """A key, which is not deleted immediately: its deletion is scheduled."""

    def _delete(self, context: ProviderContext) -> None:
        days: Any = {**context.previous, **context.properties}.get("PendingWindowInDays", 30)
        try:
            context.call("ScheduleKeyDeletion", KeyId=context.id, PendingWindowInDays=days)
        except context.request.client("kms").exceptions.NotFoundException:
            return
        except context.request.client("kms").exceptions.KMSInvalidStateException:
            return


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::KMS::Key": _Key(
        service="kms",
        create_call="CreateKey",
        takes=takes(
            "BypassPolicyLockoutSafetyCheck Description KeySpec KeyUsage MultiRegion Origin",
            KeyPolicy="Policy",
        ),
        ref="KeyMetadata.KeyId",
        attributes={"Arn": "KeyMetadata.Arn", "KeyId": "KeyMetadata.KeyId"},
        steps=(
            Step(properties="EnableKeyRotation RotationPeriodInDays", apply=_rotate),
            Step(properties="Enabled", apply=_enable),
        ),
        updates=(
            Update(
                call="PutKeyPolicy",
                on={**_KEY, "PolicyName": "default"},
                takes=takes("BypassPolicyLockoutSafetyCheck", KeyPolicy="Policy"),
                reset={"BypassPolicyLockoutSafetyCheck": False},
                always="KeyPolicy",
            ),
            Update(
                call="UpdateKeyDescription",
                on=_KEY,
                takes=takes("Description"),
                reset={"Description": ""},
            ),
        ),
        tagging=Tagging(key="TagKey", value="TagValue", on=_KEY),
        at_next_change=names("PendingWindowInDays"),
    ),
    "AWS::KMS::Alias": ApiResource(
        service="kms",
        create_call="CreateAlias",
        takes=takes("AliasName TargetKeyId"),
        ref="{prop[AliasName]}",
        updates=(Update(call="UpdateAlias", on={"AliasName": "{id}"}, takes=takes("TargetKeyId")),),
        delete_call="DeleteAlias",
        delete_on={"AliasName": "{id}"},
        gone=names("NotFoundException"),
    ),
}
