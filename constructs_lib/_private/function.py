"""Lambda functions of the library."""

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
from constructs import Construct, IDependable

from .acknowledge import acknowledge, acknowledge_checkov, acknowledge_packs, acknowledge_wildcards
from .assets import function_code
from .concurrency import reserved_executions
from .dead_letters import dead_letter_queue
from .encryption import admit_logs, use_statement
from .policies import allow, attach, managed_policy
from .previous_release import PREVIOUS_FOLDERS

RUNTIME = lambda_.Runtime.PYTHON_3_13
"""Lambda runtime of all functions: the newest with tests (see ADR 11)."""
_RUNTIME_REASON = (
    "Python 3.13 is the newest version on which the tests of these functions run; AWS supports it "
    "until 2029"
)
_INTERFACES_REASON = (
    "Lambda creates the network interfaces of a function in a VPC, whose ids are unknown before; a "
    "Deny with lambda:SourceFunctionArn keeps the function's code from them"
)
_NO_DEAD_LETTERS = "invoked synchronously; the caller receives errors"
_INTERFACES = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface",
               "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
               "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]  # fmt: skip
_DESCRIBE_INTERFACES = "ec2:DescribeNetworkInterfaces"


class FunctionNetwork(Protocol):
    """Network of a function."""

    @property
    def vpc(self) -> ec2.IVpc:
        """The VPC."""
        ...

    @property
    def selection(self) -> ec2.SubnetSelection:
        """The subnets of the function."""
        ...

    def security_group(
        self, scope: Construct, construct_id: str, *, description: str, allow_self: bool = False
    ) -> ec2.SecurityGroup:
        """A new security group."""
        ...


@jsii.implements(iam.IGrantable)
class ProjectFunction(Construct):
    """Defines a function of ``lambda/<folder>``: in the VPC, encrypted, traced, with dead letters.

    It has two policies: one with the permissions that Lambda needs, which exists before the
    function, and one with the permissions of the code, which can refer to the function. The
    second denies the code what only Lambda needs.
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
        describes_interfaces: bool = False,
        alert_topic: sns.ITopic | None = None,
        keeps_dead_letters: bool = True,
        serves_cloudformation: bool = False,
    ) -> None:
        """Define the function.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            folder: Folder of the code.
            description: Description of the function.
            network: Network of the function.
            key: KMS key of environment, logs and dead letters.
            environment: Environment variables.
            timeout: 2 minutes by default.
            memory_size: Memory in MB.
            reserved_concurrency: Concurrent executions; not reserved where the context key
                ``sageloop:reserveConcurrency`` is false.
            invokes_itself: Whether the function can invoke itself, to wait between invocations.
            describes_interfaces: Whether the code describes network interfaces.
            alert_topic: SNS topic that is notified of dead letters.
            keeps_dead_letters: Whether there is a dead-letter queue; not needed for synchronous
                invocations.
            serves_cloudformation: Whether the function is that of a custom resource.

        """
        super().__init__(scope, construct_id)
        self.key = key
        self.rules: list[events.Rule] = []
        limit = Duration.minutes(2) if timeout is None else timeout
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
            timeout=limit,
            memory_size=memory_size,
            # An invocation that runs out of time has responded. A retry would carry out a request
            # that CloudFormation has rolled back; it is older than this, so that Lambda drops it.
            max_event_age=limit if serves_cloudformation else None,
        )
        self.policy.add_statements(_only_lambda(self.arn, describes_interfaces))
        if invokes_itself:
            self.allow(allow(["lambda:InvokeFunction"], [self.arn]))
        self._refine()

    def _refine(self) -> None:
        """Remove a dependency that CDK adds, and acknowledge findings."""
        # The reference to the role is enough.
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.add_deletion_override("DependsOn")
        acknowledge(self.function, ["AwsSolutions-L1"], _RUNTIME_REASON)
        if self._dead_letters is None:
            acknowledge_packs(self.function, "LambdaDLQ", _NO_DEAD_LETTERS, packs="nist hipaa")
            acknowledge_checkov(self.function, "CKV_AWS_116", _NO_DEAD_LETTERS)

    @property
    def dead_letters(self) -> sqs.Queue:
        """The dead-letter queue, which functions with event rules have."""
        assert self._dead_letters is not None
        return self._dead_letters

    @property
    def prerequisites(self) -> list[IDependable]:
        """What a custom resource depends on besides the function itself, to which it refers."""
        settings = self.function.node.try_find_child("EventInvokeConfig")
        return [*self.permissions, *([] if settings is None else [settings])]

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return self.function.function_arn

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The policy of the code receives grants."""
        return self.policy.grant_principal

    def allow(self, *statements: iam.PolicyStatement) -> None:
        """Allow statements in the policy of the code."""
        attach(self, statements)

    def allow_apart(self, name: str, statements: Sequence[iam.PolicyStatement]) -> None:
        """Allow statements in a separate policy: a policy has at most 6,144 characters."""
        self.permissions.append(managed_policy(self, name, statements, role=self.role))

    def record_grant(self, statements: Sequence[iam.PolicyStatement], _: iam.Grant) -> None:
        """Acknowledge the wildcards of statements in the function's policy."""
        acknowledge_wildcards(self.policy, statements)

    def listen(
        self, construct_id: str, *, description: str, pattern: events.EventPattern
    ) -> events.Rule:
        """Define an event rule that invokes the function."""
        return self._rule(construct_id, description, event_pattern=pattern)

    def schedule(
        self, construct_id: str, *, description: str, every: Duration | events.Schedule
    ) -> events.Rule:
        """Define a schedule that invokes the function."""
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
        self.rules.append(rule)
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
            statements.append(use_statement(self.key, ["lambda"], writes=False))
        if self.key is not None and queue is not None:
            statements.append(use_statement(self.key, ["sqs"]))
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


def _only_lambda(function_arn: str, describes_interfaces: bool) -> iam.PolicyStatement:
    """Deny the function's code the permissions with which Lambda manages network interfaces.

    EC2 has no narrower resource for them; calls of Lambda itself have no source function.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    kept = {_DESCRIBE_INTERFACES} if describes_interfaces else set()
    return iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=[action for action in _INTERFACES if action not in kept],
        resources=["*"],
        conditions={"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
    )


def _group_description(folder: str) -> str:
    """The description of the security group; EC2 replaces a group whose description changes."""
    return f"Function {PREVIOUS_FOLDERS.get(folder, folder)}"


def runtime_layer(scope: Construct) -> lambda_.LayerVersion:
    """The layer with the shared code, one for each stack."""
    stack = Stack.of(scope)
    existing = stack.node.try_find_child("FunctionRuntime")
    if isinstance(existing, lambda_.LayerVersion):
        return existing
    return lambda_.LayerVersion(
        stack,
        "FunctionRuntime",
        code=function_code("layer"),
        compatible_runtimes=[RUNTIME],
        description="Shared code of the functions",
    )
