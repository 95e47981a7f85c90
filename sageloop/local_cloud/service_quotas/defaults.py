"""The quotas of a new AWS account, for the services whose quotas a stack of this project needs.

Source of names and defaults: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. AWS gives new accounts
less than these pages say, and raises it by usage; the numbers for instances are what public reports
of new accounts named until November 2026. No number was compared with an account (unverified).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

USES = {
    "training job": "TrainingInstanceType",
    "spot training job": "TrainingInstanceType",
    "training warm pool": "TrainingInstanceType",
    "processing job": "ProcessingInstanceType",
    "transform job": "TransformInstanceType",
    "endpoint": "ProductionVariantInstanceType",
    "notebook instance": "InstanceType",
}
"""What an instance is used for, and the enumeration of its types in SageMaker's API model."""

# All other types: 0 in a new account.
_INSTANCES = {"ml.t2.medium for endpoint usage": 2, "ml.t3.medium for notebook instance usage": 2}
# Codes that are known from public reports; the code of another quota is not AWS's.
_CODES = {
    "ml.t2.medium for endpoint usage": "L-29C181D7",
    "ml.m5.xlarge for endpoint usage": "L-2F737F8D",
    "ml.m5.xlarge for transform job usage": "L-7939E4EC",
    "ml.m5.xlarge for processing job usage": "L-0307F515",
}
_OTHERS = (
    ("sagemaker", "L-00C91CB5", "Number of instances across all training jobs", 4),
    ("sagemaker", "L-F311B08F", "Number of instances across all processing jobs", 4),
    ("sagemaker", "L-60D2A6F0", "Number of instances across all transform jobs", 4),
    ("sagemaker", "L-7A3DF611", "Number of instances across active endpoints", 4),
    ("sagemaker", "L-04CE2E67", "Total number of notebook instances", 4),
    ("lambda", "L-B99A9384", "Concurrent executions", 10),
    ("vpc", "L-F678F1CE", "VPCs per Region", 5),
    ("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50),
    ("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20),
    ("vpc", "L-407747CB", "Subnets per VPC", 200),
    ("vpc", "L-E79EC296", "VPC security groups per Region", 2500),
    ("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One quota.

    Attributes:
        service: Code of the service, such as ``sagemaker``.
        code: Code of the quota.
        name: Name of the quota.
        value: Its value.

    """

    service: str
    code: str
    name: str
    value: float


@cache
def quotas_of(service: str) -> tuple[Quota, ...]:
    """The quotas of a service, by name; none for a service that is not listed."""
    others = [
        Quota(service=s, code=code, name=name, value=value)
        for s, code, name, value in _OTHERS if s == service
    ]  # fmt: skip
    instances = _instances() if service == "sagemaker" else ()
    return tuple(sorted([*others, *instances], key=lambda quota: quota.name))


def _instances() -> Iterator[Quota]:
    from sageloop.environment import blind_session

    model = blind_session().get_service_model("sagemaker")
    for use, enumeration in USES.items():
        for instance_type in model.shape_for(enumeration).enum:
            name = f"{instance_type} for {use} usage"
            yield Quota(
                service="sagemaker", code=_CODES.get(name, _code(name)), name=name,
                value=_INSTANCES.get(name, 0),
            )  # fmt: skip


def _code(name: str) -> str:
    return f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
