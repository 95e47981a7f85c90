"""Private network: a VPC without internet access."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct, IDependable

from .._private.acknowledge import acknowledge_packs
from .._private.checks import Checks, known
from .._private.encryption import admit_logs
from .._private.function import ProjectFunction
from .._private.policies import allow, arn, managed_policy
from .cidr import SUBNET_MASK, cidr_fault
from .endpoints import INTERFACES, add_gateways, add_interfaces


class PrivateNetwork(Construct):
    """Defines a VPC without internet gateway and NAT, with VPC endpoints.

    It has two Availability Zones, encrypted flow logs, and a default security group without rules.
    It needs no lookup in the account: the zones are those of the region.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html

    Example:
        >>> network = PrivateNetwork(stack, "Network", key=store.key)
        >>> group = network.security_group(stack, "Functions", description="Functions")

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None = None,
        cidr: str = "10.0.0.0/16",
        zones: int = 2,
        interfaces: Sequence[str] = tuple(INTERFACES),
        flow_log_days: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        alert_topic: sns.ITopic | None = None,
        vpc: ec2.IVpc | None = None,
    ) -> None:
        """Define the network.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            key: KMS key of the flow logs.
            cidr: CIDR range of the VPC.
            zones: Availability zones, 2 or 3. Stacks without a fixed region have 2.
            interfaces: Interface endpoints, by name; by default all that the constructs need. Each
                costs about 7 USD per zone and month.
            flow_log_days: Retention of the flow logs.
            alert_topic: SNS topic that is notified when the function fails.
            vpc: An existing VPC, see ``from_vpc``.

        Raises:
            ConfigurationError: If a number or a name is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.whole("zones", zones, 2, 3)
            check.literal("zones", zones)
            if vpc is None:
                _check_cidr(check, cidr, zones)
            for name in interfaces:
                check.one_of("interfaces", name, INTERFACES)
        self.dependencies: list[IDependable] = []
        if vpc is not None:
            self.vpc: ec2.IVpc = vpc
            with Checks(self) as check:
                check.not_empty("isolated or private subnets of the VPC", self.subnets)
            return
        own = self._build_vpc(cidr, zones)
        self.vpc = own
        self._build_flow_log(own, key, flow_log_days)
        self.dependencies = [
            *own.isolated_subnets,
            *add_gateways(own),
            *add_interfaces(self, own, cidr, interfaces),
        ]
        self._close_default_group(own, key, alert_topic)

    @classmethod
    def from_vpc(cls, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> PrivateNetwork:
        """Import an existing VPC; its VPC endpoints and default security group are not changed.

        Raises:
            ConfigurationError: If it has neither isolated nor private subnets.

        """
        return PrivateNetwork(scope, construct_id, vpc=vpc)

    @property
    def subnets(self) -> list[ec2.ISubnet]:
        """The subnets of functions, jobs and models."""
        return self.vpc.isolated_subnets or self.vpc.private_subnets

    @property
    def subnet_ids(self) -> list[str]:
        """Ids of the subnets."""
        return [subnet.subnet_id for subnet in self.subnets]

    @property
    def selection(self) -> ec2.SubnetSelection:
        """The subnets as a ``SubnetSelection``."""
        return ec2.SubnetSelection(subnets=self.subnets)

    def security_group(
        self, scope: Construct, construct_id: str, *, description: str, allow_self: bool = False
    ) -> ec2.SecurityGroup:
        """A security group for workloads: outbound HTTPS, no inbound traffic.

        Args:
            scope: Parent, usually the construct of the workload.
            construct_id: Id of the group.
            description: Description of the group.
            allow_self: Whether to allow traffic between members, for distributed training.

        """
        group = ec2.SecurityGroup(
            scope, construct_id, vpc=self.vpc, description=description, allow_all_outbound=False
        )
        # Gateway endpoints have public addresses; the VPC has no other route to any.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "TLS to VPC endpoints")
        if allow_self:
            group.add_ingress_rule(group, ec2.Port.all_traffic(), "Members of one job")
            group.add_egress_rule(group, ec2.Port.all_traffic(), "Members of one job")
            acknowledge_packs(
                group, "EC2RestrictedCommonPorts", "the group has members of one job only"
            )
        return group

    def _build_vpc(self, cidr: str, zones: int) -> ec2.Vpc:
        isolated = ec2.SubnetConfiguration(
            name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=SUBNET_MASK
        )
        return ec2.Vpc(
            self,
            "Resource",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            max_azs=zones,
            nat_gateways=0,
            create_internet_gateway=False,
            subnet_configuration=[isolated],
            # CDK's option would add a Node.js function with an AWS managed policy.
            restrict_default_security_group=False,
        )

    def _build_flow_log(self, vpc: ec2.Vpc, key: kms.IKey | None, days: logs.RetentionDays) -> None:
        if key is not None:
            admit_logs(key, self)
        group = logs.LogGroup(
            self,
            "FlowLogs",
            encryption_key=key,
            retention=days,
            removal_policy=RemovalPolicy.RETAIN,
        )
        role = iam.Role(
            self,
            "FlowLogRole",
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": arn(self, "ec2", "vpc-flow-log", "*")},
                },
            ),
        )
        write = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        policy = managed_policy(
            self, "FlowLogPolicy", [allow(write, [group.log_group_arn])], role=role
        )
        flow_log = ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_id=vpc.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        flow_log.node.add_dependency(policy)

    def _close_default_group(
        self,
        vpc: ec2.Vpc,
        key: kms.IKey | None,
        alert_topic: sns.ITopic | None,
    ) -> None:
        function = ProjectFunction(
            self,
            "DefaultGroupFunction",
            folder="default_security_group_resource",
            description="Removes the rules of the VPC's default security group",
            network=self,
            key=key,
            timeout=Duration.minutes(2),
            alert_topic=alert_topic,
            reserved_concurrency=1,
            serves_cloudformation=True,
        )
        group = vpc.vpc_default_security_group
        revoke = ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
        function.allow(
            allow(revoke, [arn(self, "ec2", "security-group", group)]),
            allow(["ec2:DescribeSecurityGroups"], ["*"]),
        )
        closed = CustomResource(
            self,
            "DefaultGroup",
            resource_type="Custom::DefaultSecurityGroup",
            service_token=function.arn,
            service_timeout=Duration.minutes(10),
            properties={"SecurityGroupId": group},
        )
        # On deletion the function still needs network access to CloudFormation.
        closed.node.add_dependency(*function.prerequisites, *self.dependencies)
        reason = "Custom::DefaultSecurityGroup removes the rules of the default group"
        acknowledge_packs(vpc, "VPCDefaultSecurityGroupClosed", reason)


def _check_cidr(check: Checks, cidr: str, zones: int) -> None:
    if not known(cidr, zones):
        return
    fault = cidr_fault(cidr, zones=max(2, min(3, int(zones))))
    if fault is not None:
        check.refuse("CidrNotAllowed", f"cidr {fault}, got {cidr[:80]!r}")
