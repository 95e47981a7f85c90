"""Delete operations of Application Auto Scaling, which may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import code_of


def delete(call: Any, **request: str) -> None:
    """Call a delete operation; a resource that does not exist is accepted."""
    try:
        call(**request)
    except ClientError as error:
        if code_of(error) != "ObjectNotFoundException":
            raise


def deregister(autoscaling: Any, target: Mapping[str, str]) -> None:
    """Deregister a scalable target; AWS deletes its policies and scheduled actions.

    Args:
        autoscaling: an Application Auto Scaling client.
        target: ServiceNamespace, ResourceId and ScalableDimension.

    """
    delete(autoscaling.deregister_scalable_target, **target)
