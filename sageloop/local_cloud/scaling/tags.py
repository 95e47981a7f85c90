"""Tags of scalable targets."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.scaling.model import Store

_MOST = 50


class TagApi:
    """Tag, untag, list."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Add tags or change their values."""
        arn = self._known(call)
        with self._store.lock:
            merged = {**self._store.tags.get(arn, {}), **call.params["Tags"]}
            if len(merged) > _MOST:
                raise AwsError(
                    "TooManyTagsException",
                    f"A scalable target can have {_MOST} tags, this would make {len(merged)}",
                    fields={"ResourceName": arn},
                )
            self._store.tags[arn] = merged

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Remove tags by key."""
        arn = self._known(call)
        with self._store.lock:
            for key in call.params["TagKeys"]:
                self._store.tags.get(arn, {}).pop(key, None)

    @operation("ListTagsForResource")
    def list_tags_for_resource(self, call: Call) -> dict[str, Any]:
        """Return the tags of a target."""
        return {"Tags": self._store.tags.get(self._known(call), {})}

    def _known(self, call: Call) -> str:
        arn: str = call.params["ResourceARN"]
        if arn not in [t.arn for t in self._store.targets.values()]:
            raise AwsError(
                "ResourceNotFoundException",
                f"The resource {arn} doesn't exist",
                fields={"ResourceName": arn},
            )
        return arn
