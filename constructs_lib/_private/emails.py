"""Rules of the email addresses that are subscribed to a topic."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Not the whole grammar of RFC 5322: what SNS can deliver to, and no spaces or control characters.
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_DOMAIN = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]"
_ADDRESS = re.compile(f"{_LOCAL}@{_DOMAIN}")
_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets


def email_fault(address: str) -> str | None:
    """What an email address must be, if it is not.

    >>> email_fault("oncall@example.org")
    >>> email_fault("oncall")
    'must be an email address such as oncall@example.org'
    """
    if len(address) > _LENGTH or _ADDRESS.fullmatch(address) is None:
        return "must be an email address such as oncall@example.org"
    return None


def repeated(addresses: Sequence[str]) -> str | None:
    """The first address that is given twice; SNS has one subscription for each.

    >>> repeated(["a@example.org", "A@example.org"])
    'A@example.org'
    """
    lowered: set[str] = set()
    for address in addresses:
        if address.lower() in lowered:
            return address
        lowered.add(address.lower())
    return None
