"""What SageMaker does with the execution role of a job or a model, decided before it is done.

https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.network_permissions import interface_denial
from sageloop.local_cloud.access.enforcement.service_acts import can_assume, role_actor
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn

if TYPE_CHECKING:
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.cloud import Cloud

PRINCIPAL = "sagemaker.amazonaws.com"
# Name of the sessions in which SageMaker uses an execution role.
SESSION = "SageMaker"
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
_PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
_INTERFACES = ("DescribeDhcpOptions", "DescribeNetworkInterfaces", "DescribeSecurityGroups",
               "DescribeSubnets", "DescribeVpcs", "CreateNetworkInterface",
               "CreateNetworkInterfacePermission", "DeleteNetworkInterface",
               "DeleteNetworkInterfacePermission")  # fmt: skip


def any_source(cloud: Cloud) -> str:
    """The value of ``aws:SourceArn`` for inference and Studio; the asterisk is no wildcard."""
    return regional_arn("sagemaker", cloud.region, cloud.account_id, "*")


def check_role(cloud: Cloud, role_arn: str, *source_arns: str) -> None:
    """Refuse a role that does not exist or that SageMaker may not assume for a resource.

    AWS does not document ``aws:SourceArn`` for every resource; one of ``source_arns`` that the
    trust policy admits is enough.
    """
    refusal = trust_refusal(cloud, role_arn, *source_arns)
    if refusal is not None:
        raise AwsError("ValidationException", refusal)


def trust_refusal(cloud: Cloud, role_arn: str, *source_arns: str) -> str | None:
    """Why SageMaker cannot assume a role, with AWS's message, or ``None`` if it can."""
    if can_assume(cloud, PRINCIPAL, role_arn, *source_arns):
        return None
    return (
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
        f"principal '{PRINCIPAL}' to assume the role."
    )


def check_pull(cloud: Cloud, role_arn: str, image: str) -> None:
    """Refuse a job whose role may not pull its image from Amazon ECR."""
    if pull_denial(cloud, role_arn, image) is None:
        return
    account, _, repository = _repository_of(image)
    raise AwsError(
        "ValidationException",
        f"Access denied for repository: {repository} in registry ID: {account}. Please check if "
        f"your ECR repository exists and role {role_arn} has proper pull permissions for "
        f"SageMaker: {', '.join(f'ecr:{action}' for action in _PULL)}",
    )


def pull_denial(cloud: Cloud, role_arn: str, image: str) -> Decision | None:
    """The decision that denies a role the pull of an image.

    Images outside Amazon ECR require no permission.
    """
    if _IMAGE.match(image) is None:
        return None
    account, region, repository = _repository_of(image)
    arn = f"arn:{role_arn.split(':')[1]}:ecr:{region}:{account}:repository/{repository}"
    role = role_actor(cloud, role_arn, SESSION, region=region)
    needed = [("ecr:GetAuthorizationToken", "*"), *((f"ecr:{action}", arn) for action in _PULL)]
    return role.first_denial(needed)


def network_refusal(cloud: Cloud, role_arn: str, vpc: Mapping[str, Any] | None) -> str | None:
    """Why a role may not place network interfaces into a VPC, or ``None`` if it may.

    AWS documents the permissions, not the text of the failure.
    """
    if not vpc:
        return None
    denial = interface_denial(
        role_actor(cloud, role_arn, SESSION), _INTERFACES, subnets=vpc["Subnets"],
        groups=vpc["SecurityGroupIds"],
    )  # fmt: skip
    if denial is None:
        return None
    return f"ClientError: A VpcConfig requires {denial.request.action}: {denial.message}"


def _repository_of(image: str) -> tuple[str, str, str]:
    """Account, region and repository of an image in Amazon ECR."""
    match = _IMAGE.match(image)
    if match is None:
        raise ValueError(f"{image} is not an image in Amazon ECR")
    account, region, repository = match.groups()
    return account, region, repository
