"""Images of the built-in algorithms, for a fixed region or for any."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Aws, CfnMapping, Stack
from constructs import Construct

from .._private.checks import Checks, known
from .accounts import ACCOUNTS, VERSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmImage:
    """An image in ECR.

    Attributes:
        uri: Address by which SageMaker pulls it.
        repository_arn: The repository a role must be allowed to pull from.

    """

    uri: str
    repository_arn: str

    @classmethod
    def xgboost(cls, scope: Construct, version: str) -> AlgorithmImage:
        """The built-in XGBoost image in the region of the scope's stack.

        Args:
            scope: Any construct of the stack; a stack without a fixed region gets a mapping.
            version: Version such as ``3.0-5``.

        Raises:
            ConfigurationError: If version or region has no image.

        """
        with Checks(scope) as check:
            check.one_of("version", version, VERSIONS)
        account, region = _account(scope), Stack.of(scope).region
        registry = f"{account}.dkr.ecr.{region}.{Aws.URL_SUFFIX}"
        repository = f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/sagemaker-xgboost"
        return cls(uri=f"{registry}/sagemaker-xgboost:{version}", repository_arn=repository)


def _account(scope: Construct) -> str:
    stack = Stack.of(scope)
    if known(stack.region):
        with Checks(scope) as check:
            check.one_of("region", stack.region, ACCOUNTS)
        return ACCOUNTS[stack.region]
    found = stack.node.try_find_child("XGBoostAccounts")
    if not isinstance(found, CfnMapping):
        table = {region: {"account": account} for region, account in ACCOUNTS.items()}
        found = CfnMapping(stack, "XGBoostAccounts", mapping=table)
    return found.find_in_map(Aws.REGION, "account")
