"""What a client needs to reach one local cloud: its address, its keys and its admin token."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from sageloop.environment import ACCESS_FILE_VARIABLE, local_environment, require_loopback

# Keys that a local cloud issues begin with these letters; AWS issues none that do.
ISSUED_KEY_PREFIX = "LKIA"


class CloudAccessError(ValueError):
    """A file or a line does not hold the access of a local cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudAccess:
    """Address, user's keys and admin token of one running local cloud.

    A cloud issues these when it starts. They are valid for this cloud alone, and end with it.
    Whoever holds them is the user of the cloud: keep them in files of mode 600.

    Where they come from:

    - :meth:`LocalCloud.start` reads them from the server's pipe (``cloud.access``);
    - ``sageloop local up`` writes them to ``.sageloop/local.json`` (:meth:`write`); any process
      of the same user reads them (:meth:`read`, or ``LocalCloud.from_facts(path)``);
    - a command that was started in :meth:`environment` finds them (:meth:`find`): the variable
      ``SAGELOOP_LOCAL_CLOUD`` names the file, if there is one, and ``AWS_ENDPOINT_URL``,
      ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` hold what an AWS client needs.

    Arguments:
        endpoint_url: the cloud's address, on loopback.
        region: the region that clients use unless they name another.
        access_key_id: the key of the cloud's user; it begins with ``LKIA``.
        secret_access_key: the secret that signs the user's requests.
        admin_token: the token that admin routes (health, clock, faults, stop) demand. ``None``
            for a holder that may call AWS's APIs only.
        pid: process id of the server, if known.
        file: the absolute path of the file that holds this access, if there is one. It is not
            part of the file.

    Example::

        >>> access = CloudAccess(
        ...     endpoint_url="http://127.0.0.1:4747", region="us-east-1",
        ...     access_key_id="LKIA0123456789ABCDEF", secret_access_key="s", admin_token="t",
        ... )
        >>> access.environment(inherited={})["AWS_ACCESS_KEY_ID"]
        'LKIA0123456789ABCDEF'

    """

    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    admin_token: str | None = field(default=None, repr=False)
    pid: int | None = None
    file: Path | None = None

    def __post_init__(self) -> None:
        require_loopback(self.endpoint_url)

    def environment(self, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
        """Variables with which any AWS client reaches this cloud and nothing else.

        ``inherited`` (this process's variables by default) is kept except for accounts and
        proxies. The admin token is never a variable; ``SAGELOOP_LOCAL_CLOUD`` names its file.
        """
        made = local_environment(
            self.endpoint_url, region=self.region, access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key, inherited=inherited,
        )  # fmt: skip
        return made if self.file is None else made | {ACCESS_FILE_VARIABLE: str(self.file)}

    def to_json(self) -> str:
        """One line of JSON: the server's ready line and the file's content."""
        return json.dumps({k: v for k, v in asdict(self).items() if k != "file"})

    @classmethod
    def from_json(cls, text: str, *, file: Path | None = None) -> Self:
        """Read what :meth:`to_json` wrote. Raises :class:`CloudAccessError`."""
        try:
            made = json.loads(text)
            return cls(**{name: made[name] for name in _WRITTEN}, file=file)
        except (ValueError, KeyError, TypeError) as error:
            where = "the server's line" if file is None else str(file)
            raise CloudAccessError(
                f"{where} is not the access of a local cloud ({type(error).__name__}: {error})"
            ) from error

    def write(self, path: Path) -> Self:
        """Write the file (mode 600; a folder made for it has mode 700) and name it in the result.

        The file appears whole or not at all.
        """
        path = path.absolute()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.to_json())
        draft.replace(path)
        return replace(self, file=path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of :meth:`write`. Raises ``OSError`` or :class:`CloudAccessError`."""
        path = path.absolute()
        return cls.from_json(path.read_text(), file=path)

    @classmethod
    def find(
        cls, endpoint_url: str | None = None, *, variables: Mapping[str, str] | None = None
    ) -> Self | None:
        """The access that the environment points at, if it is that of ``endpoint_url``.

        The file named by ``SAGELOOP_LOCAL_CLOUD`` comes first. Without it, keys in
        ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` are taken if a local cloud issued
        them to its user; such an access has no admin token. ``None`` if there is neither. Keys of
        an AWS account are never taken. Raises :class:`CloudAccessError` if the file is unreadable.
        """
        source = os.environ if variables is None else variables
        wanted = source.get("AWS_ENDPOINT_URL") if endpoint_url is None else endpoint_url
        named = source.get(ACCESS_FILE_VARIABLE)
        if named and Path(named).is_file():
            found = cls.read(Path(named))
            if wanted is None or _same_place(found.endpoint_url, wanted):
                return found
        key, secret = source.get("AWS_ACCESS_KEY_ID", ""), source.get("AWS_SECRET_ACCESS_KEY", "")
        issued = key.startswith(ISSUED_KEY_PREFIX) and secret and "AWS_SESSION_TOKEN" not in source
        if wanted is None or not issued:
            return None
        return cls(
            endpoint_url=wanted, region=source.get("AWS_REGION", "us-east-1"), access_key_id=key,
            secret_access_key=secret,
        )  # fmt: skip


_WRITTEN = ("endpoint_url", "region", "access_key_id", "secret_access_key", "admin_token", "pid")


def _same_place(one: str, other: str) -> bool:
    # Both are on loopback, under whichever of its names.
    return urlsplit(one).port == urlsplit(other).port
