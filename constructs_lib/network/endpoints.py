"""VPC endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

_SERVICES = ec2.InterfaceVpcEndpointAwsService
INTERFACES: dict[str, ec2.InterfaceVpcEndpointAwsService] = {
    "ApplicationAutoscaling": _SERVICES.APPLICATION_AUTOSCALING,
    "Ec2": _SERVICES.EC2,
    "EcrApi": _SERVICES.ECR,
    "EcrDocker": _SERVICES.ECR_DOCKER,
    "Events": _SERVICES.EVENTBRIDGE,
    "Kms": _SERVICES.KMS,
    "Lambda": _SERVICES.LAMBDA_,
    "Logs": _SERVICES.CLOUDWATCH_LOGS,
    "Monitoring": _SERVICES.CLOUDWATCH_MONITORING,
    "SageMakerApi": _SERVICES.SAGEMAKER_API,
    "SageMakerRuntime": _SERVICES.SAGEMAKER_RUNTIME,
    "Sns": _SERVICES.SNS,
    "Sqs": _SERVICES.SQS,
    "Sts": _SERVICES.STS,
}
"""Interface endpoints by construct id; each is billed per zone and hour.

Functions use all but three: notebooks use STS, and images are pulled from the two of ECR
(Security Hub's EC2.55 and EC2.56 require them in every VPC).
"""


def gateway_policies() -> tuple[list[iam.PolicyStatement], list[iam.PolicyStatement]]:
    """Policies of the S3 and the DynamoDB gateway.

    The S3 policy allows the account's buckets, CloudFormation's bucket for responses of custom
    resources (without it a deployment waits for an hour), and the layers of ECR images.
    """
    own = {"StringEquals": {"aws:ResourceAccount": Aws.ACCOUNT_ID}}
    region = Fn.join("", Fn.split("-", Aws.REGION))
    buckets = [
        f"arn:{Aws.PARTITION}:s3:::cloudformation-custom-resource-response-{region}/*",
        f"arn:{Aws.PARTITION}:s3:::cloudformation-waitcondition-{Aws.REGION}/*",
    ]
    layers = f"arn:{Aws.PARTITION}:s3:::prod-{Aws.REGION}-starport-layer-bucket/*"
    everyone = [iam.AnyPrincipal()]
    s3 = [
        iam.PolicyStatement(sid="OwnBuckets", principals=everyone, actions=["s3:*"],
                            resources=["*"], conditions=own),
        iam.PolicyStatement(sid="AnswersOfCustomResources", principals=everyone,
                            actions=["s3:PutObject"], resources=buckets),
        iam.PolicyStatement(sid="ImageLayers", principals=everyone, actions=["s3:GetObject"],
                            resources=[layers]),
    ]  # fmt: skip
    dynamodb = [iam.PolicyStatement(sid="OwnTables", principals=everyone, actions=["dynamodb:*"],
                                    resources=["*"], conditions=own)]  # fmt: skip
    return s3, dynamodb


def add_gateways(vpc: ec2.Vpc) -> list[ec2.IVpcEndpoint]:
    """Add the gateway endpoints of S3 and DynamoDB, which have no cost."""
    s3_statements, dynamodb_statements = gateway_policies()
    s3 = vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    dynamodb = vpc.add_gateway_endpoint(
        "DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
    )
    for statement in s3_statements:
        s3.add_to_policy(statement)
    for statement in dynamodb_statements:
        dynamodb.add_to_policy(statement)
    return [s3, dynamodb]


def add_interfaces(
    scope: Construct, vpc: ec2.IVpc, cidr: str, names: Sequence[str]
) -> list[ec2.IVpcEndpoint]:
    """Add one interface endpoint per name, reachable from the VPC on port 443."""
    group = ec2.SecurityGroup(
        scope,
        "EndpointGroup",
        vpc=vpc,
        description="Interface endpoints, from inside the network only",
        allow_all_outbound=False,
    )
    group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443), "TLS from inside the network")
    return [
        ec2.InterfaceVpcEndpoint(
            scope,
            name,
            vpc=vpc,
            service=INTERFACES[name],
            security_groups=[group],
            open=False,
            private_dns_enabled=True,
        )
        for name in names
    ]
