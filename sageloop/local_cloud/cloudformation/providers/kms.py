"""AWS KMS: keys and aliases."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Step,
    Update,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import is_true
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_KEY = {"KeyId": "{id}"}


def _rotate(scene: Scene) -> None:
    if not is_true(scene.properties.get("EnableKeyRotation")):
        if scene.previous:
            scene.call("DisableKeyRotation", KeyId=scene.id)
        return
    period = scene.properties.get("RotationPeriodInDays")
    scene.call("EnableKeyRotation", KeyId=scene.id, RotationPeriodInDays=period)


def _enable(scene: Scene) -> None:
    enabled = is_true(scene.properties.get("Enabled", True))
    scene.call("EnableKey" if enabled else "DisableKey", KeyId=scene.id)


class _Key(ApiResource):
    """A key is never removed at once: its deletion is scheduled."""

    def _delete(self, scene: Scene) -> None:
        days: Any = {**scene.previous, **scene.properties}.get("PendingWindowInDays", 30)
        try:
            scene.call("ScheduleKeyDeletion", KeyId=scene.id, PendingWindowInDays=days)
        except scene.request.client("kms").exceptions.NotFoundException:
            return
        except scene.request.client("kms").exceptions.KMSInvalidStateException:
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
