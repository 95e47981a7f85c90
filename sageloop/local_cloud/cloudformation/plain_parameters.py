"""Reads parameters of Systems Manager for templates: plain text, never secure strings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.errors import invalid


@dataclass(frozen=True, slots=True)
class StoredParameter:
    """A parameter of Systems Manager: its value and its type (``String``, ``StringList``)."""

    value: str
    kind: str


FetchParameter = Callable[[str], StoredParameter | None]


class PlainParameters:
    """The parameters of one region; one that was read keeps its value for the stack operation.

    ``client`` is called once, at the first parameter.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client
        self._known: dict[str, StoredParameter | None] = {}

    def find(self, name: str) -> StoredParameter | None:
        """A parameter by its name, with ``:version`` if it has one; ``None`` if there is none.

        Raises:
            AwsError: ``ValidationError`` if it may not be read.

        """
        if name not in self._known:
            self._known[name] = self._fetched(name)
        return self._known[name]

    def text(self, name: str) -> str:
        """The value for a reference to ``{{resolve:ssm:name}}``.

        Raises:
            AwsError: ``ValidationError`` if there is none or it is a secure string.

        """
        stored = self.find(name)
        if stored is None:
            raise invalid(f"Parameters: [ssm:{name}] cannot be found.")
        if stored.kind == "SecureString":
            plain = name.partition(":")[0]
            raise invalid(f"Non-secure ssm prefix was used for secure parameter {plain}")
        return stored.value

    def _fetched(self, name: str) -> StoredParameter | None:
        try:
            # The action that AWS's documentation names.
            stored = self._client().get_parameters(Names=[name])["Parameters"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ParameterNotFound", "ParameterVersionNotFound"):
                return None
            raise invalid(str(error)) from error
        return StoredParameter(str(stored[0]["Value"]), str(stored[0]["Type"])) if stored else None
