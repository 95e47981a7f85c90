"""Tags of EC2 resources: a specification on create, calls on resource ids later."""

from __future__ import annotations

from sageloop.local_cloud.cloudformation.providers.tagging import Tagging


def ec2_tags(resource_type: str, *, on: str = "{id}") -> Tagging:
    """Tags of one EC2 resource type."""
    return Tagging(
        ec2_type=resource_type, tag="CreateTags", untag="DeleteTags", on={"Resources": [on]},
        keys_param="Tags", keys_as_tags=True,
    )  # fmt: skip
