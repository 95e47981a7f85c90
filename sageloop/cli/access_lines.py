"""Lines that show the permissions that a role used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def access_lines(usage: Mapping[str, Any], *, suggest: bool) -> Iterator[str]:
    """The usage of one role, for a person.

    Args:
        usage: a role of :meth:`LocalCloud.access_usage`.
        suggest: whether a policy of what was used follows.

    """
    used, spare, denied = usage["used"], usage["spare"], usage["denied"]
    yield f"{usage['role']}: {len(used)} used, {len(spare)} spare, {len(denied)} denied"
    for grant in spare:
        yield f"  spare   {grant['action']} ({grant['policy']}, {grant['statement']})"
    for request in denied:
        yield f"  denied  {request['action']} on {request['resource']}: {request['source']}"
    if suggest and usage["suggested"]["Statement"]:
        yield json.dumps(usage["suggested"], indent=2)
