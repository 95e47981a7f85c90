"""Address, keys and admin token of a local cloud, which its clients need."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from sageloop.environment import ACCESS_FILE_VARIABLE, local_environment, require_loopback

# Access keys of a local cloud begin with these letters; AWS issues none that do.
ISSUED_KEY_PREFIX = "LKIA"


class CloudAccessError(ValueError):
    """A file or an environment does not contain the access of a local cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudAccess:
    """Address, user's keys and admin token of one running local cloud.

    A cloud issues these when it starts. They are valid for this cloud only, until it stops.
    They authenticate the user of the cloud: keep them in files of mode 600.

    Sources:

    - :meth:`LocalCloud.start` reads them from the server's pipe (``cloud.access``);
    - ``sageloop local up`` writes them to ``.sageloop/local.json`` (:meth:`write`); any process
      of the same user reads them (:meth:`read`, or ``LocalCloud.from_file(path)``);
    - a command that was started in :meth:`environment` reads them by :meth:`find`: the variable
      ``SAGELOOP_LOCAL_CLOUD`` names the file, if one exists, and ``AWS_ENDPOINT_URL``,
      ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` configure an AWS client.

    Arguments:
        endpoint_url: Address of the cloud, on loopback.
        region: Default region of clients.
        access_key_id: Key of the cloud's user; it begins with ``LKIA``.
        secret_access_key: Secret that signs the user's requests.
        admin_token: Token that admin routes (health, clock, faults, stop) require. ``None`` for
            a client that may call AWS's APIs only.
        pid: Process id of the server, if known.
        file: Absolute path of the file with this access, if it exists; not part of the file.

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
        """Parse the result of :meth:`to_json`. Raises :class:`CloudAccessError`."""
        try:
            made = json.loads(text)
            return cls(**{name: made[name] for name in _WRITTEN}, file=file)
        except (ValueError, KeyError, TypeError) as error:
            where = "the server's line" if file is None else str(file)
            raise CloudAccessError(
                f"{where} is not the access of a local cloud ({type(error).__name__}: {error})"
            ) from error

    def write(self, path: Path) -> Self:
        """Write the file (mode 600, new folders 700); returns the access with its path.

        The file is written atomically.
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
        """Read a file that :meth:`write` wrote. Raises ``OSError`` or :class:`CloudAccessError`."""
        path = path.absolute()
        return cls.from_json(path.read_text(), file=path)

    @classmethod
    def find(
        cls, endpoint_url: str | None = None, *, variables: Mapping[str, str] | None = None
    ) -> Self | None:
        """The access that the environment configures for ``endpoint_url``, or ``None``.

        The file named by ``SAGELOOP_LOCAL_CLOUD`` takes precedence. Without it, keys in
        ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` are used if a local cloud issued
        them to its user; such an access has no admin token. Keys of an AWS account are never
        used. Raises :class:`CloudAccessError` if the file is unreadable.
        """
        source = os.environ if variables is None else variables
        url = source.get("AWS_ENDPOINT_URL") if endpoint_url is None else endpoint_url
        named = source.get(ACCESS_FILE_VARIABLE)
        if named and Path(named).is_file():
            access = cls.read(Path(named))
            if url is None or _same_port(access.endpoint_url, url):
                return access
        key, secret = source.get("AWS_ACCESS_KEY_ID", ""), source.get("AWS_SECRET_ACCESS_KEY", "")
        issued = key.startswith(ISSUED_KEY_PREFIX) and secret and "AWS_SESSION_TOKEN" not in source
        if url is None or not issued:
            return None
        return cls(
            endpoint_url=url, region=source.get("AWS_REGION", "us-east-1"), access_key_id=key,
            secret_access_key=secret,
        )  # fmt: skip


_WRITTEN = ("endpoint_url", "region", "access_key_id", "secret_access_key", "admin_token", "pid")


def _same_port(one: str, other: str) -> bool:
    # Both are on loopback, by any of its names.
    return urlsplit(one).port == urlsplit(other).port
