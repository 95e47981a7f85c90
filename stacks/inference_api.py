"""The inference API of the endpoint, REST or HTTP, from the settings."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from constructs_lib import EndpointBase, InferenceHttpApi, InferenceRestApi

from .data import DataStack
from .settings import Settings
from .settings_operations import InferenceApiSettings


def inference_api(
    scope: Construct, settings: Settings, *, data: DataStack, endpoint: EndpointBase
) -> InferenceRestApi | InferenceHttpApi | None:
    """The inference API; ``None`` if the settings have none."""
    chosen, key = settings.inference_api, data.store.key
    if chosen is None:
        return None
    if chosen.issuer is None:
        return InferenceRestApi(
            scope, "Front", endpoint=endpoint, key=key, **_rest_arguments(scope, chosen)
        )
    # The two types need different ids: CloudFormation cannot replace one with the other.
    return InferenceHttpApi(
        scope, "JwtFront", endpoint=endpoint, network=data.network, key=key,
        **_arguments(chosen),
    )  # fmt: skip


def _rest_arguments(scope: Construct, chosen: InferenceApiSettings) -> dict[str, Any]:
    pools = [
        cognito.UserPool.from_user_pool_arn(scope, f"UserPool{index}", pool)
        for index, pool in enumerate(chosen.user_pool_arns)
    ]
    return {"user_pools": pools, **_arguments(chosen)}


def _arguments(chosen: InferenceApiSettings) -> dict[str, Any]:
    """Arguments that the settings and the construct have under the same name."""
    ways = {"authorizer", "user_pool_arns"}
    if chosen.issuer is None:
        ways |= {"audience"}
    return chosen.model_dump(exclude=ways, exclude_none=True)
