"""Access keys of a local cloud, and those that IAM has created in moto's state."""

from __future__ import annotations

import secrets
import string
import threading
import time as wall
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sageloop.local_cloud.access.caller import (
    Caller,
    CallerKind,
    SessionOrigin,
    account_user,
    caller_of,
    role_session,
)
from sageloop.local_cloud.access.cloud_access import ISSUED_KEY_PREFIX

_LETTERS = string.ascii_uppercase + "234567"
# As long as on AWS: a secret has 40 characters.
_SECRET_BYTES = 30
_TOKEN_BYTES = 96


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key, its secret and its session token, which is empty for a user's key."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """The variables from which every AWS client reads these credentials."""
        made = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        return made | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


@dataclass(frozen=True, slots=True)
class AccessKey:
    """The data against which a request signed with a key is verified.

    ``expires`` is in epoch seconds of the wall clock; ``None`` for a key without expiry.
    ``any_token`` accepts any session token, as test keys do.
    """

    caller: Caller
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: float | None = None
    any_token: bool = False

    def has_expired(self) -> bool:
        """Whether the key has expired."""
        return self.expires is not None and wall.time() >= self.expires


class KeyRing:
    """Issues keys, and returns caller and secret of a key.

    Keys of IAM users (CreateAccessKey) are read from moto's state at each request, so that a
    deleted or inactive key is refused immediately.
    """

    def __init__(
        self, account_id: str, partition: str, *, test_keys: Mapping[str, str] | None = None
    ) -> None:
        self._account_id = account_id
        self._partition = partition
        self._lock = threading.Lock()
        self._keys: dict[str, AccessKey] = {}
        self._of_caller: dict[str, Credentials] = {}
        self._user = account_user(account_id, partition)
        self.user = self.issue(self._user, temporary=False)
        self.admin_token = secrets.token_urlsafe(32)
        for key_id, secret in (test_keys or {}).items():
            caller = replace(self._user, access_key_id=key_id)
            self._keys[key_id] = AccessKey(caller, secret, any_token=True)

    def issue(
        self, caller: Caller, *, temporary: bool = True, seconds: float | None = None
    ) -> Credentials:
        """Issue a random key for a caller, for ``seconds`` of the wall clock or without expiry."""
        made = Credentials(
            ISSUED_KEY_PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(16)),
            secrets.token_urlsafe(_SECRET_BYTES),
            secrets.token_urlsafe(_TOKEN_BYTES) if temporary else "",
        )
        now = wall.time()
        expires = None if seconds is None else now + seconds
        issued = now if temporary else None
        known = AccessKey(
            replace(caller, access_key_id=made.access_key, issued=issued),
            made.secret_key, made.token, expires,
        )  # fmt: skip
        with self._lock:
            self._keys[made.access_key] = known
        return made

    def for_role(
        self, role_arn: str, session: str, origin: SessionOrigin | None = None
    ) -> Credentials:
        """Credentials of a role's session that the cloud itself starts; one key for each."""
        return self._once(replace(role_session(role_arn, session), origin=origin))

    def for_principal(self, principal: str) -> Credentials:
        """Credentials of a service (``events.amazonaws.com``) or of an ARN."""
        return self._once(caller_of(principal, self._account_id))

    def find(self, access_key_id: str) -> AccessKey | None:
        """A key, or ``None`` if neither this cloud nor its IAM issued it."""
        key = self._keys.get(access_key_id)
        return self._iam_user_key(access_key_id) if key is None else key

    def caller(self, access_key_id: str) -> Caller:
        """The caller of a key. Raises ``KeyError`` for an unknown key."""
        key = self.find(access_key_id)
        if key is None:
            raise KeyError(access_key_id)
        return key.caller

    def _once(self, caller: Caller) -> Credentials:
        place = f"{caller.arn} {caller.role_arn} {caller.origin}"
        with self._lock:
            known = self._of_caller.get(place)
        if known is None:
            made = self.issue(caller)
            with self._lock:
                known = self._of_caller.setdefault(place, made)
        return known

    def _iam_user_key(self, access_key_id: str) -> AccessKey | None:
        from moto.iam.models import iam_backends

        key = iam_backends[self._account_id][self._partition].access_keys.get(access_key_id)
        if key is None or key.user_name is None or key.status != "Active":
            return None
        user = iam_backends[self._account_id][self._partition].users.get(key.user_name)
        if user is None:
            return None
        caller = Caller(
            kind=CallerKind.IAM_USER, account_id=self._account_id, arn=str(user.arn),
            access_key_id=access_key_id,
        )  # fmt: skip
        return AccessKey(caller, str(key.secret_access_key))
