"""Amazon ECR: repositories."""

from __future__ import annotations

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import is_true

_REPOSITORY = {"repositoryName": "{id}"}


def _delete(context: ProviderContext) -> None:
    force = is_true({**context.previous, **context.properties}.get("EmptyOnDelete"))
    context.call("DeleteRepository", repositoryName=context.id, force=force)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::ECR::Repository": ApiResource(
        service="ecr",
        create_call="CreateRepository",
        name=Name(property="RepositoryName", param="repositoryName", max_length=256, lower=True),
        takes=takes("EncryptionConfiguration ImageScanningConfiguration ImageTagMutability"),
        attributes={"Arn": "repository.repositoryArn", "RepositoryUri": "repository.repositoryUri"},
        steps=(
            setting("LifecyclePolicy", "PutLifecyclePolicy", to="lifecyclePolicyText",
                    on=_REPOSITORY, remove="DeleteLifecyclePolicy",
                    of=lambda value: value["LifecyclePolicyText"]),
            setting("RepositoryPolicyText", "SetRepositoryPolicy", to="policyText",
                    on=_REPOSITORY, remove="DeleteRepositoryPolicy"),
            setting("ImageTagMutability", "PutImageTagMutability", to="imageTagMutability",
                    on=_REPOSITORY, reset="MUTABLE", on_create=False),
            setting("ImageScanningConfiguration", "PutImageScanningConfiguration",
                    to="imageScanningConfiguration", on=_REPOSITORY,
                    reset={"scanOnPush": False}, on_create=False),
        ),
        tagging=Tagging(
            param="tags", on={"resourceArn": "{att[Arn]}"}, tags_param="tags", keys_param="tagKeys",
        ),
        before_delete=_delete,
        gone=names("RepositoryNotFoundException"),
        at_next_change=names("EmptyOnDelete"),
    ),
}  # fmt: skip
