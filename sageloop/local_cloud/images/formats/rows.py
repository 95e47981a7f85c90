"""Decoding of inference requests and encoding of predictions for the built-in algorithms.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sageloop.local_cloud.images.formats import matrix, media, text
from sageloop.local_cloud.images.formats.media import DataError

REQUESTS = (media.CSV, media.JSON, media.JSON_LINES, media.RECORDIO)
Answer = Mapping[str, Any]


def decoded(body: bytes, content_type: str) -> matrix.Matrix:
    """Decode rows of features from a request body. Raises :class:`DataError` if it has none."""
    kind = media.accepted(content_type, REQUESTS)
    if kind == media.RECORDIO:
        return matrix.read_recordio(body)[0]
    try:
        content = body.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"the payload is not text: {error}") from None
    if kind == media.CSV:
        return text.parse_csv(content)
    try:
        return _instances(content, lines=kind == media.JSON_LINES)
    except json.JSONDecodeError as error:
        raise DataError(f"the payload is not {kind}: {error}") from None


def encoded(answers: Sequence[Answer], kind: str) -> bytes:
    """Encode predictions as JSON, JSON Lines, RecordIO-protobuf or CSV (members in order)."""
    if kind == media.RECORDIO:
        return matrix.write_answers(answers)
    if kind == media.JSON:
        return json.dumps({"predictions": list(answers)}).encode()
    if kind == media.JSON_LINES:
        return "".join(json.dumps(answer) + "\n" for answer in answers).encode()
    return "".join(",".join(map(str, answer.values())) + "\n" for answer in answers).encode()


def _instances(content: str, *, lines: bool) -> matrix.Matrix:
    instances: Any
    if lines:
        # Not splitlines: its other separators of lines may be in a text of JSON.
        instances = [json.loads(line) for line in content.split("\n") if line.strip()]
    else:
        whole = json.loads(content)
        instances = whole.get("instances") if isinstance(whole, dict) else None
    if not isinstance(instances, list) or not instances:
        raise DataError('JSON needs {"instances": [{"features": [...]}, ...]} with an instance')
    rows = [_features(instance, number) for number, instance in enumerate(instances, 1)]
    if len({len(row) for row in rows}) > 1:
        raise DataError(f"instances differ in length: {sorted({len(row) for row in rows})}")
    return np.stack(rows)


def _features(instance: Any, number: int) -> matrix.Matrix:
    features = instance
    for name in ("data", "features"):
        if isinstance(features, dict) and name in features:
            features = features[name]
    if isinstance(features, dict) and "keys" in features:
        return _sparse(features, number)
    if isinstance(features, dict):
        features = features.get("values")
    return _row(features, number)


def _sparse(features: Mapping[str, Any], number: int) -> matrix.Matrix:
    keys, values = features["keys"], _row(features.get("values"), number)
    shape = features.get("shape")
    width = math.prod(np.atleast_1d(shape).tolist()) if shape is not None else 0
    fits = isinstance(keys, list) and len(keys) == len(values)
    if not fits or not all(isinstance(k, int) and 0 <= k < width for k in keys):
        raise DataError(
            f"instance {number}: sparse features need a key below the shape for each value"
        )
    row = np.zeros(width, np.float32)
    row[keys] = values
    return row


def _row(values: Any, number: int) -> matrix.Matrix:
    try:
        row = np.array(values, np.float32)
    except (TypeError, ValueError):
        row = np.empty((0, 0), np.float32)
    if row.ndim != 1 or not row.size:
        raise DataError(
            f'instance {number} has no list of numbers at "features" or "data"."features"."values"'
        )
    return row
