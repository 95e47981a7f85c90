"""Deterministic names, so that a retry finds the resources of an earlier attempt."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_LONGEST = 63
_DIGEST = 12
_DIGEST_OF_LONG = 8


def digest_of(text: str, *, length: int = _DIGEST) -> str:
    """The first ``length`` hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def endpoint_prefix(endpoint: str) -> str:
    """The prefix of the names of an endpoint's models and configurations.

    The prefixes of different endpoints differ: a name of over 50 characters is cut, and followed
    by its digest.
    """
    longest = _LONGEST - _DIGEST - 1
    if len(endpoint) <= longest:
        return endpoint
    start = endpoint[: longest - _DIGEST_OF_LONG - 1].rstrip("-")
    return f"{start}-{digest_of(endpoint, length=_DIGEST_OF_LONG)}"


def is_of_endpoint(endpoint: str, name: str) -> bool:
    """Whether ``name`` is a model or configuration of ``endpoint``."""
    prefix = re.escape(endpoint_prefix(endpoint))
    return re.fullmatch(prefix + f"-[0-9a-f]{{{_DIGEST}}}", name) is not None


def model_name(endpoint: str, package_arn: str, model: Mapping[str, Any], image: str) -> str:
    """The name of the model for a package, an image and the model part of the document."""
    return f"{endpoint_prefix(endpoint)}-{digest_of(f'{package_arn}|{canonical(model)}|{image}')}"


def config_name(endpoint: str, model: str, serving_digest: str) -> str:
    """The name of the endpoint configuration for a model and a serving document."""
    return f"{endpoint_prefix(endpoint)}-{digest_of(f'{model}|{serving_digest}')}"


def package_version(arn: str) -> int:
    """The version at the end of a model package's ARN; 0 if it has none."""
    last = arn.rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else 0


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key without a trailing slash."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.rstrip("/")
