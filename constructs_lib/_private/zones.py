"""IANA time zones."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

_FORM = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)*")

# Cached: the names are read from a directory of hundreds of files.
_zones = cache(available_timezones)


def zone_fault(name: str) -> str | None:
    """The error message for an invalid time zone; ``None`` for a valid one.

    Without IANA's data on the machine only the format is checked.
    """
    zones = _zones()
    if name in zones or (not zones and _FORM.fullmatch(name)):
        return None
    near = get_close_matches(name.replace(" ", "_"), sorted(zones), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ", for example 'Europe/Paris'"
    return f"must be the IANA name of a time zone{hint}"
