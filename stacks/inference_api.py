"""The HTTPS front of the endpoint: which of the two the settings ask for."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from constructs_lib import EndpointBase, InferenceHttpApi, InferenceRestApi

from .data import DataStack
from .settings import Settings
from .settings_operations import InferenceApiSettings


def front(
    scope: Construct, settings: Settings, *, data: DataStack, endpoint: EndpointBase
) -> InferenceRestApi | InferenceHttpApi | None:
    """The front, if there is one."""
    chosen, key = settings.inference_api, data.store.key
    if chosen is None:
        return None
    if chosen.issuer is None:
        return InferenceRestApi(
            scope, "Front", endpoint=endpoint, key=key, **_signed(scope, chosen)
        )
    # An id of its own: CloudFormation makes no API of one type into one of the other.
    return InferenceHttpApi(
        scope, "JwtFront", endpoint=endpoint, network=data.network, key=key,
        **_told(chosen),
    )  # fmt: skip


def _signed(scope: Construct, chosen: InferenceApiSettings) -> dict[str, Any]:
    pools = [
        cognito.UserPool.from_user_pool_arn(scope, f"UserPool{index}", pool)
        for index, pool in enumerate(chosen.user_pool_arns)
    ]
    return {"user_pools": pools, **_told(chosen)}


def _told(chosen: InferenceApiSettings) -> dict[str, Any]:
    """What the file says and the construct takes under the same name."""
    ways = {"authorizer", "user_pool_arns"}
    if chosen.issuer is None:
        ways |= {"audience"}
    return chosen.model_dump(exclude=ways, exclude_none=True)
