"""Rules of S3 keys and prefixes that are used in policies, events and job requests."""

from __future__ import annotations

import re

KEY_LENGTH = 900
"""Maximum length of a key or prefix in bytes; S3 allows 1,024, of which names below need a part."""

# In a policy `*` and `?` are wildcards and `${` starts a variable, so that a permission on the
# prefix would be one on other prefixes too.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
_SEGMENT = re.compile(r"[A-Za-z0-9!_.'()=+@,-]+")
KEY_CHARACTERS = "letters, digits and !_.'()=+@,-"


def key_fault(key: str) -> str | None:
    """What an S3 key must be, if it is not; ``None`` if it can be used.

    Keys are limited to characters that S3 calls safe, without ``*`` and with ``= + @ ,``.
    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html

    >>> key_fault("datasets/flights/manifest.json")
    >>> key_fault("datasets/*/manifest.json")
    "must be a relative S3 key whose parts have only letters, digits and !_.'()=+@,-"
    """
    if len(key.encode(errors="replace")) > KEY_LENGTH:
        return f"must have at most {KEY_LENGTH} characters"
    parts = key.split("/")
    if not all(_SEGMENT.fullmatch(part) for part in parts):
        return f"must be a relative S3 key whose parts have only {KEY_CHARACTERS}"
    if any(part in (".", "..") for part in parts):
        return "must be a relative S3 key without the parts '.' and '..'"
    return None


def prefix_fault(prefix: str) -> str | None:
    """What an S3 prefix must be, if it is not; ``None`` if it can be used.

    >>> prefix_fault("datasets/flights/")
    >>> prefix_fault("datasets")
    "must be a relative S3 prefix ending in '/'"
    """
    if not prefix.endswith("/") or prefix.startswith("/"):
        return "must be a relative S3 prefix ending in '/'"
    fault = key_fault(prefix[:-1])
    return None if fault is None else fault.replace("S3 key", "S3 prefix")
