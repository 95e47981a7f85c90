"""What people do to a deployed loop: edits that the loop repairs or reports, and requests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from .faults import HOUR, Inject, Injected
from .loop import DeployedLoop

_ALARM_MEMBERS = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions",
    "InsufficientDataActions", "MetricName", "Namespace", "Statistic", "ExtendedStatistic",
    "Dimensions", "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold",
    "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics",
)  # fmt: skip


def endpoint_is_deleted(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person deletes the endpoint; the loop creates it again."""
    detail = "deleted"
    try:
        loop.cloud.client("sagemaker").delete_endpoint(EndpointName=loop.names.endpoint)
    except ClientError as error:  # busy, or deleted already
        detail = str(error.response["Error"]["Message"])
    return Injected(kind="person deletes the endpoint", detail=detail)


def endpoint_is_reconfigured(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person updates the endpoint to a configuration with its model; the loop replaces it."""
    sagemaker, name = loop.cloud.client("sagemaker"), f"manual-{dice.randrange(10**6)}"
    kind, endpoint = "person reconfigures the endpoint", loop.endpoint()
    if endpoint is None or endpoint["EndpointStatus"] != "InService":
        return Injected(kind=kind, detail="it is not in service")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    kept = {"ProductionVariants", "KmsKeyId", "DataCaptureConfig"} & set(config)
    sagemaker.create_endpoint_config(EndpointConfigName=name, **{key: config[key] for key in kept})
    sagemaker.update_endpoint(EndpointName=loop.names.endpoint, EndpointConfigName=name)
    return Injected(kind=kind, detail=name)


def alarm_is_deleted(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person deletes the model quality alarm, and creates it again some hours later."""
    client, alarm = loop.cloud.client("cloudwatch"), loop.alarm()
    if alarm is None:
        return Injected(kind="person deletes the alarm", detail="deleted already")
    request = {key: alarm[key] for key in _ALARM_MEMBERS if key in alarm}
    client.delete_alarms(AlarmNames=[loop.names.alarm])
    return Injected(
        kind="person deletes the alarm", detail=loop.names.alarm, lasts=_some_hours(dice),
        undo=lambda: client.put_metric_alarm(**request),
    )  # fmt: skip


def alarm_actions_are_disabled(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person disables the actions of the model quality alarm for some hours."""
    client, names = loop.cloud.client("cloudwatch"), [loop.names.alarm]
    client.disable_alarm_actions(AlarmNames=names)
    return Injected(
        kind="person disables alarm actions", detail=names[0], lasts=_some_hours(dice),
        undo=lambda: client.enable_alarm_actions(AlarmNames=names),
    )  # fmt: skip


def rule_is_disabled(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person disables an event rule of the loop for some hours; any but the reconciler's."""
    client = loop.cloud.client("events")
    names = sorted(
        rule["Name"] for rule in client.list_rules()["Rules"]
        if rule["State"] == "ENABLED" and "Reconcile" not in rule["Name"]
    )  # fmt: skip
    if not names:
        return Injected(kind="person disables a rule", detail="none is enabled")
    name = dice.choice(names)
    client.disable_rule(Name=name)
    return Injected(
        kind="person disables a rule", detail=name, lasts=_some_hours(dice),
        undo=lambda: client.enable_rule(Name=name),
    )  # fmt: skip


def row_is_edited(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person writes an unknown state into the champion's row, and the old one hours later."""
    row_id = f"champion#{loop.names.endpoint}"
    state = loop.row("champion").get("state")
    if state != "live":
        return Injected(kind="person edits a row", detail=f"the state is {state}")
    _write_state(loop, row_id, "edited", expected="live")
    return Injected(
        kind="person edits a row", detail=row_id, lasts=_some_hours(dice),
        undo=lambda: _write_state(loop, row_id, "live", expected="edited"),
    )  # fmt: skip


def configuration_is_deleted(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person deletes the configuration that serves; the loop creates it again."""
    endpoint = loop.endpoint()
    name = None if endpoint is None else endpoint.get("EndpointConfigName")
    if name is not None:
        with suppress(ClientError):
            loop.cloud.client("sagemaker").delete_endpoint_config(EndpointConfigName=name)
    return Injected(kind="person deletes the configuration", detail=str(name))


def scaling_is_deleted(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person deregisters the scalable target; the loop registers it again."""
    with suppress(ClientError):
        loop.cloud.client("application-autoscaling").deregister_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId=f"endpoint/{loop.names.endpoint}/variant/AllTraffic",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        )
    return Injected(kind="person deletes the scaling", detail=loop.names.endpoint)


def job_is_requested(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person starts a job, as `sageloop train` does."""
    number = dice.randrange(10**6)
    event = {"source": "manual", "id": f"soak-{number}", "time": loop.iso_now()}
    for _ in range(dice.choice((1, 1, 2))):
        loop.invoke("LoopStartTraining", event)
    return Injected(kind="person starts a job", detail=f"soak-{number}")


def job_is_stopped(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person stops the job in flight."""
    name = loop.row("loop").get("in_flight")
    if name is not None:
        with suppress(ClientError):  # it has ended meanwhile
            loop.cloud.client("sagemaker").stop_training_job(TrainingJobName=name)
    return Injected(kind="person stops the job", detail=str(name))


def champion_is_rolled_back(loop: DeployedLoop, dice: random.Random) -> Injected:
    """A person promotes the former champion, as `sageloop rollback` does."""
    served = loop.row("champion").get("served", [])
    if len(served) < 2:
        return Injected(kind="person rolls back", detail="there is no former champion")
    package = str(served[-2]["package_arn"])
    loop.invoke("Promoter", {
        "source": "manual", "action": "promote", "package": package, "by": "ann",
        "id": f"soak-{dice.randrange(10**6)}", "time": loop.iso_now(),
    })  # fmt: skip
    return Injected(kind="person rolls back", detail=package)


def _some_hours(dice: random.Random) -> float:
    return dice.choice((2, 5, 9)) * HOUR


def _write_state(loop: DeployedLoop, row_id: str, state: str, *, expected: str) -> None:
    request: dict[str, Any] = {
        "TableName": loop.names.state_table, "Key": {"id": {"S": row_id}},
        "UpdateExpression": "SET #s = :new", "ConditionExpression": "#s = :old",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":new": {"S": state}, ":old": {"S": expected}},
    }  # fmt: skip
    with suppress(ClientError):  # the loop has changed it meanwhile
        loop.cloud.client("dynamodb").update_item(**request)


def read_dead_letters(loop: DeployedLoop) -> int:
    """Read and delete all dead letters, as operators do after the alarm; how many there were."""
    sqs, count = loop.cloud.client("sqs"), 0
    for queue in loop.queues:
        while True:
            listed = sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
            messages = listed.get("Messages", [])
            for message in messages:
                sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            count += len(messages)
            if not messages:
                break
    return count


ALL: Sequence[tuple[Inject, int]] = (
    (endpoint_is_deleted, 2), (endpoint_is_reconfigured, 2), (alarm_is_deleted, 1),
    (alarm_actions_are_disabled, 1), (rule_is_disabled, 2), (row_is_edited, 1),
    (configuration_is_deleted, 1), (scaling_is_deleted, 1), (job_is_requested, 3),
    (job_is_stopped, 1), (champion_is_rolled_back, 1),
)  # fmt: skip
