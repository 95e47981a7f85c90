"""Data capture of batch transform: manifests of the input and output objects.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-batch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sageloop.local_cloud.sagemaker.training.channels.listing import Item


def manifests(transformed: Sequence[Item], output_path: str) -> dict[str, list[Any]]:
    """The manifests ``input`` and ``output`` of the objects that were transformed."""
    ordered = sorted(transformed, key=lambda item: item.key)
    if not ordered:
        return {}
    first = ordered[0]
    source = f"s3://{first.bucket}/{first.key.removesuffix(first.relative)}"
    return {
        "input": [{"prefix": source}, *(item.relative for item in ordered)],
        "output": [
            {"prefix": f"{output_path.rstrip('/')}/"},
            *(f"{item.relative}.out" for item in ordered),
        ],
    }


def manifest_key(prefix: str, side: str, now: datetime, name: str) -> str:
    """The key of a manifest: by side and hour under the prefix of the destination."""
    place = f"{side}/{now:%Y/%m/%d/%H}/{name}.json"
    return "/".join(part for part in (prefix.strip("/"), place) if part)
