"""Operations on schedule groups and their tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.events.bus import page
from sageloop.local_cloud.events.schedule_store import (
    DEFAULT_GROUP,
    Entry,
    Group,
    ScheduleStore,
    check_name,
    invalid,
    missing,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class ScheduleGroupsApi:
    """The API of schedule groups; ``forget`` deletes one schedule."""

    def __init__(self, cloud: Cloud, store: ScheduleStore, forget: Callable[[Entry], None]) -> None:
        self._cloud = cloud
        self._store = store
        self._forget = forget

    @operation("CreateScheduleGroup")
    def create_schedule_group(self, call: Call) -> dict[str, Any]:
        """Create a group."""
        name = call.params["Name"]
        check_name(name)
        self._store.group(call.region, None)
        tags = list(call.params.get("Tags", []))
        made = self._store.add_group(call.region, name, self._cloud.clock.time(), tags)
        return {"ScheduleGroupArn": made.arn}

    @operation("GetScheduleGroup")
    def get_schedule_group(self, call: Call) -> dict[str, Any]:
        """One group."""
        return _summary(self._store.group(call.region, call.params["Name"]))

    @operation("ListScheduleGroups")
    def list_schedule_groups(self, call: Call) -> dict[str, Any]:
        """The groups, by prefix of their names."""
        self._store.group(call.region, None)
        prefix = call.params.get("NamePrefix", "")
        with self._store.lock:
            groups = [
                group
                for (region, name), group in sorted(self._store.groups.items())
                if region == call.region and name.startswith(prefix)
            ]
        shown, token = page(groups, call.params.get("NextToken"), call.params.get("MaxResults"))
        return {"ScheduleGroups": [_summary(group) for group in shown], "NextToken": token}

    @operation("DeleteScheduleGroup")
    def delete_schedule_group(self, call: Call) -> None:
        """Delete a group and its schedules."""
        group = self._store.group(call.region, call.params["Name"])
        if group.name == DEFAULT_GROUP:
            raise invalid("The default schedule group cannot be deleted.")
        with self._store.lock:
            for (region, name, _), entry in list(self._store.entries.items()):
                if (region, name) == (call.region, group.name):
                    self._forget(entry)
            del self._store.groups[(call.region, group.name)]

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Add tags to a group."""
        with self._store.lock:
            group = self._tagged(call)
            tags = {t["Key"]: t for t in group.tags} | {t["Key"]: t for t in call.params["Tags"]}
            group.tags = list(tags.values())

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Remove tags from a group."""
        with self._store.lock:
            group = self._tagged(call)
            group.tags = [t for t in group.tags if t["Key"] not in call.params["TagKeys"]]

    @operation("ListTagsForResource")
    def list_tags_for_resource(self, call: Call) -> dict[str, Any]:
        """The tags of a group."""
        with self._store.lock:
            return {"Tags": list(self._tagged(call).tags)}

    def _tagged(self, call: Call) -> Group:
        arn = call.params["ResourceArn"]
        for group in self._store.groups.values():
            if group.arn == arn:
                return group
        raise missing(f"Schedule group {arn} does not exist.")


def _summary(group: Group) -> dict[str, Any]:
    return {
        "Arn": group.arn,
        "Name": group.name,
        "State": "ACTIVE",
        "CreationDate": group.created,
        "LastModificationDate": group.created,
    }
