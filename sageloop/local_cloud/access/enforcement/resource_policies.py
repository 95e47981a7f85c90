"""Policies of resources, from the state of the services."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.enforcement import moto_resources
from sageloop.local_cloud.access.enforcement.documents import parsed
from sageloop.local_cloud.access.policy import Policy, ResourcePolicy

PolicyReader = Callable[[str], str | bytes | None]
"""Returns the policy document of the resource with an ARN, or ``None``."""

_ASSUME = ("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
           "sts:tagsession", "sts:setsourceidentity")  # fmt: skip

# Of repositories in other accounts, AWS's own are pulled from: their policies admit everybody.
_PUBLISHED = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Published", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}],
})  # fmt: skip


class ResourcePolicies:
    """Reads the policies of a resource.

    Args:
        account_id: account of the cloud.
        region: default region of the cloud, which gives its partition.
        trust_policy: reader of the trust policy of a role.

    """

    def __init__(self, account_id: str, region: str, *, trust_policy: PolicyReader) -> None:
        self._account = account_id
        self._partition = get_partition(region)
        self._trust_policy = trust_policy
        self._readers: dict[str, PolicyReader] = {
            "s3": self._of_bucket, "sns": self._of_topic, "sqs": self._of_queue,
            "secretsmanager": self._of_secret, "ecr": self._of_repository,
        }  # fmt: skip

    def add(self, prefix: str, reader: PolicyReader) -> None:
        """Register the reader of a service whose state the cloud keeps itself."""
        self._readers[prefix] = reader

    def of(self, action: str, arn: str) -> tuple[ResourcePolicy, ...]:
        """The policies that apply to an action on a resource; ``*`` has none."""
        if arn.count(":") < 5:
            return ()
        prefix = action.partition(":")[0]
        if action.lower() in _ASSUME:
            return self._policies(self._trust_policy(arn), arn, must_allow=True, trust=True)
        if prefix == "kms":
            return self._of_key(arn)
        if prefix == "logs":
            return self._of_logs(arn)
        reader = self._readers.get(prefix)
        return () if reader is None else self._policies(reader(arn), arn)

    def _policies(
        self, document: str | bytes | None, arn: str, *, must_allow: bool = False,
        trust: bool = False,
    ) -> tuple[ResourcePolicy, ...]:  # fmt: skip
        if not document:
            return ()
        name = f"{'trust policy' if trust else 'policy'} of {arn}"
        return (self._policy(parsed(document, name), must_allow=must_allow, trust=trust),)

    def _policy(
        self, policy: Policy, *, must_allow: bool = False, trust: bool = False
    ) -> ResourcePolicy:
        return ResourcePolicy(
            policy=policy, account=self._account, must_allow=must_allow, trust=trust
        )

    def _of_key(self, arn: str) -> tuple[ResourcePolicy, ...]:
        key = moto_resources.key(self._account, arn)
        if key is None:
            return ()
        of_key = self._policies(key.policy, arn, must_allow=True)
        grants = (parsed(grant_document(grant, arn), f"grant {grant.id} of {arn}")
                  for grant in list(key.grants.values()))  # fmt: skip
        return of_key + tuple(self._policy(grant) for grant in grants)

    def _of_logs(self, arn: str) -> tuple[ResourcePolicy, ...]:
        """All resource policies of CloudWatch Logs in the region; each names its log groups."""
        from moto.logs.models import logs_backends

        backend = moto_resources.moto_backend(logs_backends, self._account, arn)
        return tuple(
            self._policy(parsed(one.policy_document, f"resource policy {one.policy_name}"))
            for one in list(backend.resource_policies.values())
        )

    def _of_bucket(self, arn: str) -> bytes | None:
        bucket = moto_resources.bucket(self._account, self._partition, arn.partition(":::")[2])
        policy: bytes | None = None if bucket is None else bucket.policy
        return policy

    def _of_topic(self, arn: str) -> str | None:
        topic = moto_resources.topic(self._account, arn)
        return None if topic is None else str(topic.policy)

    def _of_queue(self, arn: str) -> str | None:
        queue = moto_resources.queue(self._account, arn)
        return None if queue is None or not queue.policy else str(queue.policy)

    def _of_secret(self, arn: str) -> str | None:
        secret = moto_resources.secret(self._account, arn.split(":")[3], arn)
        return None if secret is None else secret.policy

    def _of_repository(self, arn: str) -> str | None:
        from moto.ecr.models import ecr_backends

        if arn.count(":") > 4 and arn.split(":")[4] != self._account:
            return _PUBLISHED
        repositories = moto_resources.moto_backend(ecr_backends, self._account, arn).repositories
        repository = repositories.get(arn.partition(":repository/")[2])
        return None if repository is None else repository.policy


def grant_document(grant: Any, arn: str) -> Mapping[str, Any]:
    """A grant of a key as a policy: its grantee may carry out its operations."""
    principal = str(grant.grantee_principal)
    kind = "AWS" if principal.startswith("arn:") else "Service"
    statement: dict[str, Any] = {
        "Sid": "Grant", "Effect": "Allow", "Principal": {kind: principal},
        "Action": [f"kms:{operation}" for operation in grant.operations], "Resource": arn,
    }  # fmt: skip
    conditions = _constraints(grant.constraints or {})
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _constraints(constraints: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    pairs: Iterable[tuple[str, str]] = (
        pair for context in constraints.values() for pair in context.items()
    )
    return {f"kms:EncryptionContext:{key}": value for key, value in pairs}


def policy_document(statements: Iterable[Mapping[str, Any]]) -> str:
    """The document of a policy that is kept as statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
