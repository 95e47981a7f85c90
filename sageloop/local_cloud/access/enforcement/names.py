"""Resolves names of requests to ARNs, from the state of the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sageloop.local_cloud.access.parts import IamState

MappingReader = Callable[[str], str | None]


class Names:
    """Resolves names in one region for tables of required permissions."""

    def __init__(self, iam: IamState, account_id: str, region: str) -> None:
        self._iam = iam
        self._account = account_id
        self._region = region

    def __call__(self, kind: str, name: str | bytes) -> str | None:
        """The ARN of a resource, or ``None`` if it does not exist."""
        if isinstance(name, bytes):
            return self._key_of_ciphertext(name) if kind == "kms:ciphertext" else None
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
        from moto.kms.models import kms_backends

        region = name.split(":")[3] if name.startswith("arn:") else self._region
        keys = kms_backends[self._account][region]
        resource = name.rpartition(":")[2] if name.startswith("arn:") else name
        if resource.startswith("alias/"):
            key_id = keys.get_key_id_from_alias(resource)
            return _arn(keys.keys.get(key_id or ""))
        return _arn(keys.keys.get(resource.removeprefix("key/")))

    def _key_of_ciphertext(self, blob: bytes) -> str | None:
        # moto's ciphertext begins with the id of its key.
        return self._key(blob[:36].decode("ascii", "replace"))

    def _secret(self, name: str) -> str | None:
        from moto.secretsmanager.models import secretsmanager_backends

        secrets = secretsmanager_backends[self._account][self._region].secrets
        return next((str(s.arn) for s in secrets.values() if name in (s.name, s.arn)), None)


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
