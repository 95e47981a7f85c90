"""AWS's managed policies are loaded in the used partitions only."""

from __future__ import annotations

from roles import USER

from sageloop.local_cloud.core import moto_iam
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig

LAMBDA_BASICS = "service-role/AWSLambdaBasicExecutionRole"


def test_managed_policies_belong_to_the_clouds_partition() -> None:
    cloud = Cloud(CloudConfig())
    try:
        iam = cloud.client("iam", principal=USER)
        cloud.client("s3", principal=USER).list_buckets()

        actual = iam.get_policy(PolicyArn=f"arn:aws:iam::aws:policy/{LAMBDA_BASICS}")["Policy"]
        assert actual["PolicyName"] == "AWSLambdaBasicExecutionRole"

        from moto.iam.models import iam_backends

        account = iam_backends[cloud.account_id]
        loaded = {name for name, one in account.items() if one.aws_managed_policies}
        assert loaded == {"aws"}
    finally:
        cloud.stop()


def test_first_cloud_in_a_partition_loads_its_managed_policies() -> None:
    cloud = Cloud(CloudConfig(region="cn-north-1"))
    try:
        iam = cloud.client("iam", principal=USER)
        arn = f"arn:aws-cn:iam::aws:policy/{LAMBDA_BASICS}"
        assert iam.get_policy(PolicyArn=arn)["Policy"]["Arn"] == arn
    finally:
        cloud.stop()
        moto_iam._inhabited.discard("aws-cn")
