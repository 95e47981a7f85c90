"""Lines that show the permissions that a role used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any


def access_lines(usage: Mapping[str, Any], *, suggest: bool) -> Iterator[str]:
    """The usage of one role, for a person.

    Args:
        usage: a role of :meth:`LocalCloud.access_usage`.
        suggest: whether a policy of what was used follows.

    """
    counts = Counter(grant["need"] for grant in usage["grants"])
    needs = ", ".join(f"{counts[need]} {need}" for need in ("needed", "redundant", "spare"))
    yield f"{usage['role']}: {needs}, {len(usage['denied'])} denied"
    for grant in usage["grants"]:
        if grant["need"] != "needed":
            yield f"  {grant['need']}  {grant['action']} ({grant['policy']}, {grant['statement']})"
    for request in usage["denied"]:
        yield f"  denied  {request['action']} on {request['resource']}: {request['source']}"
    if suggest and usage["suggested"]["Statement"]:
        yield json.dumps(usage["suggested"], indent=2)
