"""One function of the project: private, encrypted, traced, with a dead-letter queue watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import jsii
from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .acknowledge import acknowledge, acknowledge_checkov, acknowledge_packs, acknowledge_wildcards
from .assets import function_code
from .concurrency import reserved_executions
from .dead_letters import dead_letter_queue
from .encryption import admit_logs, use_statement
from .policies import allow, attach, managed_policy

RUNTIME = lambda_.Runtime.PYTHON_3_13
"""The Python of all functions: the newest on which their tests run (see ADR 11)."""
_RUNTIME_REASON = (
    "Python 3.13 is the newest version on which the tests of these functions run; AWS supports it "
    "until 2029"
)
_REASON = (
    "interfaces and traces have no resource level, and alarms are described on all of them or "
    "composite ones are left out; other wildcards end a prefix of this project"
)
_INTERFACES_REASON = (
    "Lambda itself makes the interfaces of a function in a VPC, and asks for the right on all of "
    "them before it takes the function"
)
_NO_DEAD_LETTERS = "whoever calls it waits for its answer and is told what failed: nothing is lost"
_INTERFACES = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface",
               "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
               "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]  # fmt: skip


PREVIOUS_FOLDERS = {"endpoint_schedule": "cost_switch", "invoke_proxy": "ask_endpoint"}
"""Renamed folders: deployed security groups have the previous name in their description."""


class FunctionNetwork(Protocol):
    """What a function asks of the network in which it runs; a network has such functions too."""

    @property
    def vpc(self) -> ec2.IVpc:
        """The VPC."""
        ...

    @property
    def selection(self) -> ec2.SubnetSelection:
        """The subnets of its interfaces."""
        ...

    def security_group(
        self, scope: Construct, construct_id: str, *, description: str, allow_self: bool = False
    ) -> ec2.SecurityGroup:
        """A security group of its own."""
        ...


@jsii.implements(iam.IGrantable)
class ProjectFunction(Construct):
    """A function of ``lambda/<folder>``.

    Two policies: what Lambda needs to run it, which exists before the function, and what the
    code may do, which may name the function itself.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        folder: str,
        description: str,
        network: FunctionNetwork,
        key: kms.IKey | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_size: int = 256,
        reserved_concurrency: int = 2,
        invokes_itself: bool = False,
        alert_topic: sns.ITopic | None = None,
        keeps_dead_letters: bool = True,
    ) -> None:
        """Define the function.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            folder: Folder of its code.
            description: What it does.
            network: Network in which it runs.
            key: Key of its environment, logs and dead letters.
            environment: Environment variables.
            timeout: 2 minutes by default.
            memory_size: MB.
            reserved_concurrency: Concurrent executions; not reserved where the context key
                ``sageloop:reserveConcurrency`` is false.
            invokes_itself: Whether it may call itself, to wait without running.
            alert_topic: Topic told when a dead letter lies in the queue.
            keeps_dead_letters: Whether what it could not handle is kept; one whose callers wait
                for its answer needs not.

        """
        super().__init__(scope, construct_id)
        self.key = key
        self._dead_letters: sqs.Queue | None = None
        if keeps_dead_letters:
            self._dead_letters = dead_letter_queue(self, key=key, alert_topic=alert_topic)
        self.log_group = self._build_log_group()
        self.role = self._build_role()
        self.policy = managed_policy(self, "Duty", [], role=self.role)
        self.permissions: list[iam.ManagedPolicy] = [self.policy]
        self.function = lambda_.Function(
            self,
            "Resource",
            code=function_code(folder),
            handler="index.handler",
            runtime=RUNTIME,
            description=description,
            layers=[runtime_layer(self)],
            role=self.role.without_policy_updates(),
            environment=None if environment is None else dict(environment),
            environment_encryption=key,
            vpc=network.vpc,
            vpc_subnets=network.selection,
            security_groups=[
                network.security_group(self, "Group", description=_group_description(folder))
            ],
            dead_letter_queue=self._dead_letters,
            reserved_concurrent_executions=reserved_executions(self, reserved_concurrency),
            recursive_loop=lambda_.RecursiveLoop.ALLOW if invokes_itself else None,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self.log_group,
            timeout=Duration.minutes(2) if timeout is None else timeout,
            memory_size=memory_size,
        )
        # CDK orders the function after its role twice; the role's own reference is enough.
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.add_deletion_override("DependsOn")
        acknowledge(self.function, ["AwsSolutions-L1"], _RUNTIME_REASON)
        if invokes_itself:
            self.allow(allow(["lambda:InvokeFunction"], [self.arn]))
        if not keeps_dead_letters:
            acknowledge_packs(self.function, "LambdaDLQ", _NO_DEAD_LETTERS, packs="nist hipaa")
            acknowledge_checkov(self.function, "CKV_AWS_116", _NO_DEAD_LETTERS)

    @property
    def dead_letters(self) -> sqs.Queue:
        """What it could not handle; whoever listens or keeps a schedule has such a queue."""
        assert self._dead_letters is not None
        return self._dead_letters

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return self.function.function_arn

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The policy of its duty receives grants."""
        return self.policy.grant_principal

    def allow(self, *statements: iam.PolicyStatement) -> None:
        """Let the code do more."""
        attach(self, statements)

    def allow_apart(self, name: str, statements: Sequence[iam.PolicyStatement]) -> None:
        """Let the code do more, by a policy of its own (a policy holds 6,144 characters)."""
        self.permissions.append(managed_policy(self, name, statements, role=self.role))

    def granted(self, statements: Sequence[iam.PolicyStatement], _: iam.Grant) -> None:
        """Accept the wildcards of statements in the function's own policy."""
        acknowledge_wildcards(self.policy, statements, _REASON)

    def listen(
        self, construct_id: str, *, description: str, pattern: events.EventPattern
    ) -> events.Rule:
        """Run the function at events."""
        return self._rule(construct_id, description, event_pattern=pattern)

    def schedule(
        self, construct_id: str, *, description: str, every: Duration | events.Schedule
    ) -> events.Rule:
        """Run the function again and again."""
        rate = events.Schedule.rate(every) if isinstance(every, Duration) else every
        return self._rule(construct_id, description, schedule=rate)

    def _rule(
        self,
        construct_id: str,
        description: str,
        *,
        event_pattern: events.EventPattern | None = None,
        schedule: events.Schedule | None = None,
    ) -> events.Rule:
        rule = events.Rule(
            self, construct_id, description=description, event_pattern=event_pattern,
            schedule=schedule,
        )  # fmt: skip
        rule.add_target(
            targets.LambdaFunction(
                self.function,
                dead_letter_queue=self.dead_letters,
                max_event_age=Duration.hours(6),
                retry_attempts=32,
            )
        )
        rule.node.add_dependency(*self.permissions)
        return rule

    def _build_role(self) -> iam.Role:
        queue = self._dead_letters
        statements = [
            allow(_INTERFACES, ["*"]),
            allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
            *([] if queue is None else [allow(["sqs:SendMessage"], [queue.queue_arn])]),
            allow(["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn]),
        ]
        if self.key is not None:
            services = ["lambda"] if queue is None else ["lambda", "sqs"]
            statements.append(use_statement(self.key, services))
        base = managed_policy(self, "Base", statements)
        acknowledge_checkov(base, "CKV_AWS_111", _INTERFACES_REASON)
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            managed_policies=[base],
        )

    def _build_log_group(self) -> logs.LogGroup:
        if self.key is not None:
            admit_logs(self.key, self)
        return logs.LogGroup(
            self,
            "Logs",
            encryption_key=self.key,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )


def _group_description(folder: str) -> str:
    """The description of the security group; EC2 replaces a group whose description changes."""
    return f"Function {PREVIOUS_FOLDERS.get(folder, folder)}"


def runtime_layer(scope: Construct) -> lambda_.LayerVersion:
    """The code that all functions of one stack share."""
    stack = Stack.of(scope)
    found = stack.node.try_find_child("FunctionRuntime")
    if isinstance(found, lambda_.LayerVersion):
        return found
    return lambda_.LayerVersion(
        stack,
        "FunctionRuntime",
        code=function_code("layer"),
        compatible_runtimes=[RUNTIME],
        description="Shared code of the project's functions",
    )
