"""Tags of resources, for ``aws:ResourceTag``, the services' own keys, and S3's objects.

S3's buckets have none of these keys: AWS fills them only for buckets on which attribute-based
access control is enabled, which the local cloud does not do. Of an object with versions it is the
current one's tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sageloop.local_cloud.access.enforcement import moto_resources
from sageloop.local_cloud.access.enforcement.identities import tag_pairs
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy import AppliedPolicies

TagReader = Callable[[str], Mapping[str, str]]
"""Returns the tags of the resource with an ARN; none if it does not exist."""

_KEYS = (":resourcetag/", ":existingobjecttag/")
# Services whose tags are filled, or are absent on AWS as well.
EVALUATED = frozenset({
    "dynamodb", "iam", "kms", "lambda", "s3", "sagemaker", "secretsmanager", "sns", "sqs",
})  # fmt: skip


class ResourceTags:
    """Reads the tags of a resource.

    Args:
        iam: state of IAM.
        account_id: account of the cloud.

    """

    def __init__(self, iam: IamState, account_id: str) -> None:
        self._iam = iam
        self._account = account_id
        self._readers: dict[str, TagReader] = {
            "iam": self._of_entity, "kms": self._of_key, "sns": self._of_topic,
            "sqs": self._of_queue, "dynamodb": self._of_table, "secretsmanager": self._of_secret,
            "s3": self._of_object,
        }  # fmt: skip

    def add(self, prefix: str, reader: TagReader) -> None:
        """Register the reader of a service whose state the cloud keeps itself."""
        self._readers[prefix] = reader

    def keys(self, policies: AppliedPolicies, action: str, arn: str) -> dict[str, str]:
        """The condition keys of a resource's tags, if statements about the action may use them."""
        prefix = action.partition(":")[0].lower()
        reader = self._readers.get(prefix)
        if reader is None or not arn.startswith("arn:") or not _use_tags(policies, action.lower()):
            return {}
        names = ("s3:ExistingObjectTag",) if prefix == "s3" else (
            "aws:ResourceTag", f"{prefix}:ResourceTag",
        )  # fmt: skip
        return {f"{name}/{key}": value for key, value in reader(arn).items() for name in names}

    def _of_entity(self, arn: str) -> Mapping[str, str]:
        role = self._iam.iam_role(arn)
        if role is not None:
            return tag_pairs(role.tags)
        if self._iam.iam_user(arn) is None:
            return {}
        return tag_pairs(self._iam.iam().tagger.list_tags_for_resource(arn).get("Tags", ()))

    def _of_object(self, arn: str) -> Mapping[str, str]:
        from moto.s3.models import s3_backends

        partition, path = arn.split(":")[1], arn.partition(":::")[2]
        known = moto_resources.s3_object(self._account, partition, path)
        if known is None:
            return {}
        tagger = s3_backends[self._account][partition].tagger
        tags: Mapping[str, str] = tagger.get_tag_dict_for_resource(known.arn)
        return tags

    def _of_key(self, arn: str) -> Mapping[str, str]:
        from moto.kms.models import kms_backends

        key = moto_resources.key(self._account, arn)
        if key is None:
            return {}
        tagger = moto_resources.moto_backend(kms_backends, self._account, arn).tagger
        tags: Mapping[str, str] = tagger.get_tag_dict_for_resource(key.id)
        return tags

    def _of_topic(self, arn: str) -> Mapping[str, str]:
        topic = moto_resources.topic(self._account, arn)
        return {} if topic is None else dict(topic._tags)

    def _of_queue(self, arn: str) -> Mapping[str, str]:
        queue = moto_resources.queue(self._account, arn)
        return {} if queue is None else dict(queue.tags or {})

    def _of_table(self, arn: str) -> Mapping[str, str]:
        name = arn.partition(":table/")[2].partition("/")[0]
        table = moto_resources.table(self._account, arn.split(":")[3], name)
        return {} if table is None else tag_pairs(table.tags)

    def _of_secret(self, arn: str) -> Mapping[str, str]:
        secret = moto_resources.secret(self._account, arn.split(":")[3], arn)
        return {} if secret is None else tag_pairs(secret.tags)


def _use_tags(policies: AppliedPolicies, action: str) -> bool:
    """Whether a statement about an action has a condition on tags, or policy variables."""
    return any(
        (statement.resources is not None and statement.resources.templates)
        or any(name in condition.key for condition in statement.conditions for name in _KEYS)
        for policy in policies
        for statement in policy.about(action)
    )
