"""Gathers the shards of a channel from all hosts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sageloop.local_cloud.images.exchange import Arrays, Group

_SHARDED = "ShardedByS3Key"


def gathered(group: Group, channel: Mapping[str, str], mine: Arrays) -> Arrays:
    """All rows of a channel on the first host; the host's own rows on the others.

    A fully replicated channel is not gathered.
    """
    if group.size == 1 or channel.get("S3DistributionType") != _SHARDED:
        return mine
    parts = group.gather(mine)
    if parts is None:
        return mine
    return {name: np.concatenate([part[name] for part in parts]) for name in mine}
