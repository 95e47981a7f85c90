"""Stops an endpoint on a schedule or when idle, and starts it again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks, text_of
from .._private.encryption import grant_statement, use_statement
from .._private.function import ProjectFunction
from .._private.policies import allow, attach, managed_policy
from .._private.zones import zone_fault
from ..data import StateTable
from ..network import PrivateNetwork
from ..serving import Asynchronous, ChampionEndpoint, Endpoint, InferenceComponents
from ..serving.permissions import alarm_statements, scaling_statements

__all__ = ["CRON", "EndpointSchedule", "StopStartSchedule", "zone_fault"]

_FIELD, _DAY = r"[^()\s]+", r"[^()\s?]+"
CRON = rf"cron\({_FIELD} {_FIELD} (\? {_FIELD} {_DAY}|{_DAY} {_FIELD} \?) {_FIELD}\)"
"""Cron expression of EventBridge Scheduler: six fields, one of the two days is ``?``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStartSchedule:
    """When an endpoint stops and starts, in a time zone.

    Attributes:
        stop: ``cron(...)`` expression of EventBridge Scheduler: minutes, hours, day of the month,
            month, day of the week, year; one of the two days is ``?``.
        start: ``cron(...)`` expression at which the endpoint starts again.
        timezone: IANA name of the time zone, for example ``Europe/Paris``.

    See https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html

    Example:
        >>> StopStartSchedule(stop="cron(0 20 ? * MON-FRI *)", start="cron(0 7 ? * MON-FRI *)",
        ...             timezone="Europe/Paris")

    """

    stop: str
    start: str
    timezone: str = "UTC"

    def check(self, check: Checks) -> None:
        """Refuse expressions and time zones that EventBridge Scheduler does not accept."""
        check.matches("schedule.stop", self.stop, CRON, 256)
        check.matches("schedule.start", self.start, CRON, 256)
        check.timezone("schedule.timezone", self.timezone)


class EndpointSchedule(Construct):
    """Defines a schedule that deletes an endpoint and creates it again, unchanged.

    Name, configuration, model, tags and scaling stay the same; capacity is that of the
    configuration. The promoter of a ``ChampionEndpoint`` stops and starts it: it starts with its
    champion, and no package is promoted or evaluated while it is stopped. While an ``Endpoint`` is
    stopped, updates of its stack that change the endpoint fail: start it first. Requests do not
    restart a stopped endpoint: use ``start`` of the schedule, or start it manually.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-delete-resources.html

    Attributes:
        function: The function that stops and starts the endpoint. To do so manually, invoke it
            with ``{"source": "manual", "action": "stop", "id": "<any>", "time": "<ISO 8601>"}``;
            the other action is ``start``.

    Example:
        >>> working_hours = StopStartSchedule(
        ...     stop="cron(0 20 ? * MON-FRI *)", start="cron(0 7 ? * MON-FRI *)")
        >>> schedule = EndpointSchedule(
        ...     stack, "Schedule", endpoint=endpoint, state=state, network=network,
        ...     alert_topic=alerts.topic, schedule=working_hours, idle_timeout=Duration.hours(2))
        >>> schedule.grant_stop_start(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: Endpoint | ChampionEndpoint,
        state: StateTable,
        network: PrivateNetwork,
        alert_topic: sns.ITopic,
        schedule: StopStartSchedule | None = None,
        idle_timeout: Duration | None = None,
    ) -> None:
        """Define the schedule.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint to stop and start. Endpoints with inference components are refused:
                SageMaker does not delete an endpoint that has components.
            state: Table with the state of the stopped endpoint.
            network: Network of the function.
            alert_topic: SNS topic that is notified when the function fails.
            schedule: When the endpoint stops and starts; by default only manually or when idle.
            idle_timeout: Time without invocations after which the endpoint stops, 15 minutes to
                14 days; no timeout by default.

        Raises:
            ConfigurationError: If a value is not allowed, or the endpoint cannot be stopped.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            if schedule is not None:
                schedule.check(check)
            if idle_timeout is not None and not idle_timeout.is_unresolved():
                check.between("idle_timeout in seconds", idle_timeout.to_seconds(), 900, 14 * 86400)
            _check_kind(check, endpoint, idle=idle_timeout is not None)
        self.endpoint, self._state, self._idle = endpoint, state, idle_timeout
        self.function = self._build_function(network, alert_topic)
        self._allow()
        self._listen()
        self.schedules = [] if schedule is None else self._build_schedules(schedule)

    def grant_stop_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to stop and start the endpoint manually."""
        return attach(grantee, [allow(["lambda:InvokeFunction"], [self.function.arn])])

    def _build_function(self, network: PrivateNetwork, alert_topic: sns.ITopic) -> ProjectFunction:
        endpoint = self.endpoint
        environment = {
            "STATE_TABLE": self._state.table_name,
            "ENDPOINT_NAME": endpoint.endpoint_name,
            "VARIANTS": json.dumps([variant.name for variant in endpoint.setup.variants]),
        }
        if isinstance(endpoint, ChampionEndpoint):
            environment["PROMOTE_FUNCTION"] = endpoint.promoter.arn
        if self._idle is not None:
            environment["IDLE_TIMEOUT_SECONDS"] = text_of(self._idle.to_seconds())
        return ProjectFunction(
            self,
            "EndpointSchedule",
            folder="endpoint_schedule",
            description=f"Stops and starts {endpoint.endpoint_name}",
            network=network,
            key=self._state.key,
            environment=environment,
            reserved_concurrency=1,
            alert_topic=alert_topic,
        )

    def _allow(self) -> None:
        endpoint, function = self.endpoint, self.function
        function.allow(allow(["sagemaker:DescribeEndpoint"], [endpoint.endpoint_arn]))
        if self._idle is not None:
            function.allow(allow(["cloudwatch:GetMetricStatistics"], ["*"]))
        if isinstance(endpoint, ChampionEndpoint):
            function.allow(allow(["lambda:InvokeFunction"], [endpoint.promoter.arn]))
            return
        function.allow(*self._state.statements("GetItem", "UpdateItem"))
        function.allow_apart("Switch", self._stop_start_statements(endpoint))

    def _stop_start_statements(self, endpoint: Endpoint) -> list[iam.PolicyStatement]:
        own, config = endpoint.endpoint_arn, endpoint.config.ref
        key = None if endpoint.store is None else endpoint.store.key
        return [
            allow(["sagemaker:AddTags", "sagemaker:DeleteEndpoint", "sagemaker:ListTags"], [own]),
            allow(["sagemaker:CreateEndpoint"], [own, config]),
            allow(["sagemaker:DescribeEndpointConfig"], [config]),
            *scaling_statements(self, endpoint.endpoint_name),
            *alarm_statements(self, endpoint.endpoint_name),
            *([] if key is None else [grant_statement(key)]),
        ]

    def _listen(self) -> None:
        name = self.endpoint.endpoint_name
        if not isinstance(self.endpoint, ChampionEndpoint):
            self.function.listen(
                "OnEndpoint",
                description=f"State changes of endpoint {name}",
                pattern=events.EventPattern(
                    source=["aws.sagemaker"],
                    detail_type=["SageMaker Endpoint State Change"],
                    detail={"EndpointName": [name]},
                ),
            )
        elif self._idle is None:
            return
        self.function.schedule(
            "Every", description=f"Checks the state of {name}", every=Duration.minutes(15)
        )

    def _build_schedules(self, schedule: StopStartSchedule) -> list[scheduler.CfnSchedule]:
        function = self.function
        account = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        caller = iam.ServicePrincipal("scheduler.amazonaws.com", conditions=account)
        role = iam.Role(self, "SchedulerRole", assumed_by=caller)
        key = [] if function.key is None else [use_statement(function.key, ["sqs"])]
        policy = managed_policy(self, "SchedulerPolicy", [
            allow(["lambda:InvokeFunction"], [function.arn]),
            allow(["sqs:SendMessage"], [function.dead_letters.queue_arn]),
            *key,
        ], role=role)  # fmt: skip
        schedules = [self._schedule("Stop", schedule.stop, schedule, role),
                self._schedule("Start", schedule.start, schedule, role)]  # fmt: skip
        for each in schedules:
            each.node.add_dependency(policy, *function.permissions)
        return schedules

    def _schedule(
        self, construct_id: str, cron: str, schedule: StopStartSchedule, role: iam.IRole
    ) -> scheduler.CfnSchedule:
        event = {
            "source": "schedule", "action": construct_id.lower(),
            "id": "<aws.scheduler.execution-id>", "time": "<aws.scheduler.scheduled-time>",
        }  # fmt: skip
        cfn = scheduler.CfnSchedule
        return cfn(
            self,
            construct_id,
            description=f"{construct_id}s {self.endpoint.endpoint_name}",
            schedule_expression=cron,
            schedule_expression_timezone=schedule.timezone,
            flexible_time_window=cfn.FlexibleTimeWindowProperty(mode="OFF"),
            target=cfn.TargetProperty(
                arn=self.function.arn,
                role_arn=role.role_arn,
                input=json.dumps(event),
                dead_letter_config=cfn.DeadLetterConfigProperty(
                    arn=self.function.dead_letters.queue_arn
                ),
                retry_policy=cfn.RetryPolicyProperty(
                    maximum_event_age_in_seconds=21600, maximum_retry_attempts=32
                ),
            ),
        )


def _check_kind(check: Checks, endpoint: Endpoint | ChampionEndpoint, *, idle: bool) -> None:
    """Refuse endpoints that cannot be stopped, or do not report invocations."""
    if not isinstance(endpoint, Endpoint):
        return
    if isinstance(endpoint.kind, InferenceComponents):
        check.refuse("KindNotAllowed", "an endpoint with inference components cannot be deleted: "
                     "scale its copies to zero instead")  # fmt: skip
    if idle and isinstance(endpoint.kind, Asynchronous):
        check.refuse("KindNotAllowed", "idle_timeout is not allowed for an asynchronous endpoint: "
                     "scale it to zero instead (minimum=0)")  # fmt: skip
