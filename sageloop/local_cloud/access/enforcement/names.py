"""Resolves names of requests to ARNs, from the state of the services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.enforcement import moto_resources
from sageloop.local_cloud.access.parts import IamState

NameReader = Callable[[str], str | None]
"""Returns the ARN for a name, or ``None``."""


class Names:
    """Resolves names in one region for tables of required permissions.

    Args:
        iam: state of IAM.
        account_id: account of the cloud.
        region: region of the call.
        readers: functions by kind for what the cloud keeps itself.

    """

    def __init__(
        self, iam: IamState, account_id: str, region: str, readers: Mapping[str, NameReader]
    ) -> None:
        self._iam = iam
        self._account = account_id
        self._region = region
        self._readers = readers

    def __call__(self, kind: str, name: str | bytes) -> str | None:
        """The ARN of a resource, or ``None`` if it does not exist."""
        if isinstance(name, bytes):
            return self._key_of_ciphertext(name) if kind == "kms:ciphertext" else None
        reader = self._readers.get(kind)
        if reader is not None:
            return reader(name)
        finder = _FINDERS.get(kind)
        return None if finder is None else finder(self, name)

    def _role(self, name: str) -> str | None:
        return _arn(next((r for r in list(self._iam.iam().get_roles()) if r.name == name), None))

    def _user(self, name: str) -> str | None:
        return _arn(self._iam.iam().users.get(name))

    def _group(self, name: str) -> str | None:
        return _arn(self._iam.iam().groups.get(name))

    def _instance_profile(self, name: str) -> str | None:
        profiles = list(self._iam.iam().instance_profiles.values())
        return _arn(next((p for p in profiles if p.name == name), None))

    def _key(self, name: str) -> str | None:
        arn = name
        if not name.startswith("arn:"):
            resource = name if name.startswith("alias/") else f"key/{name.removeprefix('key/')}"
            arn = f"arn:{get_partition(self._region)}:kms:{self._region}:{self._account}:{resource}"
        return _arn(moto_resources.key(self._account, arn))

    def _key_of_ciphertext(self, blob: bytes) -> str | None:
        # moto's ciphertext begins with the id of its key.
        return self._key(blob[:36].decode("ascii", "replace"))

    def _secret(self, name: str) -> str | None:
        return _arn(moto_resources.secret(self._account, self._region, name))


def _arn(entity: Any) -> str | None:
    return None if entity is None else str(entity.arn)


_FINDERS: dict[str, Callable[[Names, str], str | None]] = {
    "iam:role": Names._role,
    "iam:user": Names._user,
    "iam:group": Names._group,
    "iam:instance-profile": Names._instance_profile,
    "kms:key": Names._key,
    "secretsmanager:secret": Names._secret,
}
