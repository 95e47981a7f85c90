"""Listings by pages: a token is the place where the next page begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sageloop.local_cloud.core.errors import AwsError

_Item = TypeVar("_Item")


def page_of(
    found: Sequence[_Item], token: str | None, size: int, refuse: Callable[[str], AwsError]
) -> tuple[list[_Item], str | None]:
    """One page of a listing, and the token of the next; ``None`` if it is the last.

    Args:
        found: The whole listing.
        token: What the call gives; the first page without one.
        size: Items of a page.
        refuse: Makes the service's error of a token that no page has given.

    Raises:
        AwsError: What ``refuse`` makes.

    """
    given = token or "0"
    if not (given.isascii() and given.isdecimal()):
        raise refuse(given)
    start = int(given)
    end = start + size
    return list(found[start:end]), str(end) if end < len(found) else None
