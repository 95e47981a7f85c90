"""AddTags, ListTags and DeleteTags for all SageMaker resources."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.store import SageMakerStore


class Tags:
    """Tag operations by resource ARN."""

    def __init__(self, store: SageMakerStore) -> None:
        self._store = store

    @operation("AddTags")
    def add_tags(self, call: Call) -> dict[str, Any]:
        """Add tags; the response contains all tags of the resource."""
        arn = call.params["ResourceArn"]
        self._store.add_tags(arn, call.params["Tags"])
        return {"Tags": _as_list(self._store.tags(arn))}

    @operation("ListTags")
    def list_tags(self, call: Call) -> dict[str, Any]:
        """List all tags; a resource has at most 50, so the response is never paginated."""
        return {"Tags": _as_list(self._store.tags(call.params["ResourceArn"]))}

    @operation("DeleteTags")
    def delete_tags(self, call: Call) -> None:
        """Remove tags by key."""
        self._store.remove_tags(call.params["ResourceArn"], call.params["TagKeys"])


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
