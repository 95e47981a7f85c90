"""The parts of a channel that hosts hold, brought together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sageloop.local_cloud.images.exchange import Arrays, Group

_SHARDED = "ShardedByS3Key"


def gathered(group: Group, channel: Mapping[str, str], mine: Arrays) -> Arrays:
    """All rows of a channel on the first host; a host's own on the others.

    A channel that every host has whole is not gathered.
    """
    if group.size == 1 or channel.get("S3DistributionType") != _SHARDED:
        return mine
    parts = group.gather(mine)
    if parts is None:
        return mine
    return {name: np.concatenate([part[name] for part in parts]) for name in mine}
