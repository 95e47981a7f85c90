"""Taking an endpoint down when nobody needs it, and bringing it back."""

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

__all__ = ["CRON", "CostSwitch", "SwitchTimes", "zone_fault"]

_FIELD, _DAY = r"[^()\s]+", r"[^()\s?]+"
CRON = rf"cron\({_FIELD} {_FIELD} (\? {_FIELD} {_DAY}|{_DAY} {_FIELD} \?) {_FIELD}\)"
"""Six fields, of which either the day of the month or that of the week is ``?``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchTimes:
    """When an endpoint goes and comes, on the clock of a place.

    Attributes:
        down: ``cron(...)`` of EventBridge Scheduler at which it is taken down: minutes, hours, day
            of the month, month, day of the week, year; one of both days is ``?``.
        up: The same at which it is brought back.
        timezone: IANA name of the clock, for example ``Europe/Paris``.

    See https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html

    Example:
        >>> SwitchTimes(down="cron(0 20 ? * MON-FRI *)", up="cron(0 7 ? * MON-FRI *)",
        ...             timezone="Europe/Paris")

    """

    down: str
    up: str
    timezone: str = "UTC"

    def check(self, check: Checks) -> None:
        """Refuse what Scheduler does not take."""
        check.matches("times.down", self.down, CRON, 256)
        check.matches("times.up", self.up, CRON, 256)
        check.timezone("times.timezone", self.timezone)


class CostSwitch(Construct):
    """Defines a switch that deletes an endpoint and creates it again, as it was.

    Name, configuration, model, tags and scaling stay the same; capacity is that of the
    configuration. A champion endpoint is parked by its promoter: it comes back with its champion,
    no package is promoted and no model judged meanwhile. While an ``Endpoint`` is down its stack
    cannot be updated in a way that touches it: take it up first. What nobody asked for is not
    brought back by a request: schedule ``up``, or use the switch by hand.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-delete-resources.html

    Attributes:
        function: The function that switches. By hand it is invoked with ``{"source": "manual",
            "action": "stop", "id": "<any>", "time": "<ISO 8601>"}``, or ``start``.

    Example:
        >>> switch = CostSwitch(stack, "Switch", endpoint=endpoint, state=state, network=network,
        ...     page_topic=pages.topic, idle_after=Duration.hours(2),
        ...     times=SwitchTimes(down="cron(0 20 ? * MON-FRI *)", up="cron(0 7 ? * MON-FRI *)"))
        >>> switch.grant_switch(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: Endpoint | ChampionEndpoint,
        state: StateTable,
        network: PrivateNetwork,
        page_topic: sns.ITopic,
        times: SwitchTimes | None = None,
        idle_after: Duration | None = None,
        reserve_concurrency: bool = True,
    ) -> None:
        """Define the switch.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint: What goes and comes. One with inference components cannot: its components
                would have to go first; one without instances to pay for need not.
            state: Table in which the switch remembers what it took down.
            network: Network of the function.
            page_topic: Topic told when the function fails.
            times: When it goes and comes; only by hand or idleness by default.
            idle_after: Without a request for so long it goes, 15 minutes to 14 days; never by
                default.
            reserve_concurrency: Whether the function reserves its concurrency in the account.

        Raises:
            ConfigurationError: If a value is not allowed, or the endpoint cannot be switched.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            if times is not None:
                times.check(check)
            if idle_after is not None and not idle_after.is_unresolved():
                check.between("idle_after in seconds", idle_after.to_seconds(), 900, 14 * 86400)
            _check_kind(check, endpoint, idle=idle_after is not None)
        self.endpoint, self._state, self._idle = endpoint, state, idle_after
        self.function = self._build_function(network, page_topic, reserve_concurrency)
        self._allow()
        self._listen()
        self.schedules = [] if times is None else self._build_schedules(times)

    def grant_switch(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone take the endpoint down and bring it back by hand."""
        return attach(grantee, [allow(["lambda:InvokeFunction"], [self.function.arn])])

    def _build_function(
        self, network: PrivateNetwork, page_topic: sns.ITopic, reserve: bool
    ) -> ProjectFunction:
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
            "CostSwitch",
            folder="endpoint_schedule",
            description=f"Takes {endpoint.endpoint_name} down and brings it back",
            network=network,
            key=self._state.key,
            environment=environment,
            reserved_concurrency=1 if reserve else None,
            page_topic=page_topic,
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
        function.allow_apart("Switch", self._switch_statements(endpoint))

    def _switch_statements(self, endpoint: Endpoint) -> list[iam.PolicyStatement]:
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
                description=f"The endpoint {name} changed its state",
                pattern=events.EventPattern(
                    source=["aws.sagemaker"],
                    detail_type=["SageMaker Endpoint State Change"],
                    detail={"EndpointName": [name]},
                ),
            )
        elif self._idle is None:
            return
        self.function.schedule(
            "Every", description=f"Looks after {name}", every=Duration.minutes(15)
        )

    def _build_schedules(self, times: SwitchTimes) -> list[scheduler.CfnSchedule]:
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
        made = [self._schedule("Down", times.down, times, role),
                self._schedule("Up", times.up, times, role)]  # fmt: skip
        for each in made:
            each.node.add_dependency(policy, *function.permissions)
        return made

    def _schedule(
        self, construct_id: str, cron: str, times: SwitchTimes, role: iam.IRole
    ) -> scheduler.CfnSchedule:
        event = {
            "source": "schedule", "action": "stop" if construct_id == "Down" else "start",
            "id": "<aws.scheduler.execution-id>", "time": "<aws.scheduler.scheduled-time>",
        }  # fmt: skip
        cfn = scheduler.CfnSchedule
        return cfn(
            self,
            construct_id,
            description=f"{self.endpoint.endpoint_name} goes {construct_id.lower()}",
            schedule_expression=cron,
            schedule_expression_timezone=times.timezone,
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
    """Refuse endpoints that cannot go, or whose idleness their requests do not tell."""
    if not isinstance(endpoint, Endpoint):
        return
    if isinstance(endpoint.kind, InferenceComponents):
        check.refuse("KindNotAllowed", "an endpoint with inference components cannot be deleted "
                     "before they are: scale its copies to zero instead")  # fmt: skip
    if idle and isinstance(endpoint.kind, Asynchronous):
        check.refuse("KindNotAllowed", "an asynchronous endpoint is idle while its queue is "
                     "empty: leave idle_after out and scale it to zero (minimum=0)")  # fmt: skip
