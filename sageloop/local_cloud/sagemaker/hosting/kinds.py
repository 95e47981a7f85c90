"""The list of all kinds of variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.asynchronous.kind import AsyncKind
from sageloop.local_cloud.sagemaker.hosting.components.kind import ComponentKind
from sageloop.local_cloud.sagemaker.hosting.instances.instance_kind import InstanceKind
from sageloop.local_cloud.sagemaker.hosting.instances.pools import PooledKind
from sageloop.local_cloud.sagemaker.hosting.multi_model.kind import MultiModelKind
from sageloop.local_cloud.sagemaker.hosting.serverless.kind import ServerlessKind

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.components.desired_components import (
        DesiredComponents,
    )
    from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import InstanceTypes
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantKind


def variant_kinds(
    account: Account, containers: ModelContainers, *, types: InstanceTypes,
    desired_components: DesiredComponents, dispatch: Callable[[str], None],
) -> list[VariantKind]:  # fmt: skip
    """All kinds, in the order in which they are tried; the last one matches all other variants.

    Args:
        account: the account that owns the variants.
        containers: builds the instances of models.
        types: the resources of each instance type.
        desired_components: the inference components to run, by endpoint and variant.
        dispatch: called with an asynchronous endpoint's name when instances may have free slots.

    """
    return [
        ServerlessKind(containers, account),
        ComponentKind(containers, account, types, desired_components),
        AsyncKind(containers, account, dispatch),
        MultiModelKind(containers, account, types),
        PooledKind(containers, account),
        InstanceKind(containers, account),
    ]
