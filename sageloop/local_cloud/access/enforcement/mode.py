"""How the local cloud applies access policies."""

from __future__ import annotations

from enum import StrEnum


class AccessMode(StrEnum):
    """How the local cloud applies access policies.

    - ``enforce``: a call that the policies deny is refused, as on AWS;
    - ``warn``: it is carried out, and recorded as denied;
    - ``off``: policies are stored and not evaluated.
    """

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


def access_mode(text: str) -> AccessMode:
    """The mode with a name. Raises ``ValueError`` for another text."""
    try:
        return AccessMode(text)
    except ValueError:
        allowed = ", ".join(AccessMode)
        raise ValueError(f"the access mode must be one of {allowed}, got {text!r}") from None
