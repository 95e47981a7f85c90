"""Time zones by their names."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

_FORM = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)*")

# Names are read off a directory of hundreds of files, and each schedule asks for one.
_zones = cache(available_timezones)


def zone_fault(name: str) -> str | None:
    """What is wrong with the name of a zone; ``None`` if it is one.

    A machine without IANA's data can judge the form alone.
    """
    zones = _zones()
    if name in zones or (not zones and _FORM.fullmatch(name)):
        return None
    near = get_close_matches(name.replace(" ", "_"), sorted(zones), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ", for example 'Europe/Paris'"
    return f"must be the IANA name of a time zone{hint}"
