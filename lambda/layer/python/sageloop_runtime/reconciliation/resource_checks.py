"""Resources that a loop needs, and that others can delete or disable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from sageloop_runtime.aws.alarms import described_alarms
from sageloop_runtime.errors import code_of, is_missing
from sageloop_runtime.names import split_uri
from sageloop_runtime.reconciliation.finding import Finding

_DEPLOY = "Create it again: `cdk deploy --revert-drift`"


def alarm_findings(cloudwatch: Any, names: Sequence[str]) -> Iterator[Finding]:
    """Alarms that are deleted, or whose actions are off."""
    described = described_alarms(cloudwatch, names)
    for name in sorted(set(names)):
        alarm = described.get(name)
        if alarm is None:
            yield Finding(
                key=f"alarm deleted: {name}",
                text=f"The alarm {name} is deleted: what it would report goes unnoticed. "
                f"{_DEPLOY}.",
            )
        elif not alarm.get("ActionsEnabled", True):
            yield Finding(
                key=f"alarm actions off: {name}",
                text=f"The actions of the alarm {name} are disabled: no one is notified. Enable "
                "them with EnableAlarmActions.",
            )


def rule_findings(events: Any, names: Sequence[str]) -> Iterator[Finding]:
    """Event rules that are deleted or disabled.

    A network that was imported may have no endpoint of EventBridge: that is reported, too.
    """
    for name in names:
        try:
            state = events.describe_rule(Name=name)["State"]
        except (ConnectTimeoutError, EndpointConnectionError):
            yield Finding(
                key="event rules not compared",
                text="Event rules cannot be compared: the network of the functions has no route "
                "to EventBridge. Add the interface endpoint `events` to the VPC.",
            )
            return
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            yield Finding(
                key=f"rule deleted: {name}",
                text=f"The event rule {name} is deleted: its events do not arrive. {_DEPLOY}.",
            )
            continue
        if state == "DISABLED":
            yield Finding(
                key=f"rule disabled: {name}",
                text=f"The event rule {name} is disabled: its events do not arrive. Enable it "
                "with EnableRule.",
            )


def key_findings(kms: Any, keys: Sequence[str]) -> Iterator[Finding]:
    """KMS keys that cannot be used: jobs and endpoints that need them cannot start."""
    for key in keys:
        state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        if state != "Enabled":
            yield Finding(
                key=f"key {state}: {key}",
                text=f"The KMS key {key} is {state}: jobs and new instances of the endpoint "
                "cannot use it. Enable it with EnableKey, or CancelKeyDeletion and EnableKey.",
            )


def package_findings(sagemaker: Any, s3: Any, package: str) -> Iterator[Finding]:
    """The champion's model package or its artifact was deleted: instances cannot be added."""
    try:
        described = sagemaker.describe_model_package(ModelPackageName=package)
    except ClientError as error:
        if not is_missing(error):
            raise
        yield Finding(
            key=f"package deleted: {package}",
            text=f"The champion's model package {package} is deleted: the endpoint cannot be "
            "created again. Promote another package.",
        )
        return
    uri = str(described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])
    bucket, key = split_uri(uri)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    if [item["Key"] for item in listed.get("Contents", [])] != [key]:
        yield Finding(
            key=f"artifact deleted: {uri}",
            text=f"The model artifact {uri} of the champion's package {package} is deleted: "
            "new instances cannot load it. Restore the version of the object, or promote another "
            "package.",
        )
