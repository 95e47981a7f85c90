"""Policy documents of the cloud's state, parsed once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sageloop.local_cloud.access.policy import Policy, PolicyError, parse_policy

log = logging.getLogger(__name__)

# AWS's managed policy for administrators, which the account's user has.
ADMINISTRATOR = parse_policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
    name="AdministratorAccess",
)
NOTHING = parse_policy({"Version": "2012-10-17", "Statement": []}, name="")


def parsed(document: str | bytes | Mapping[str, Any], name: str) -> Policy:
    """A policy document from the cloud's state.

    A document that is not in the policy language allows nothing and denies nothing.
    """
    if isinstance(document, Mapping):
        document = json.dumps(document)
    return _parsed(document, name)


def default_version(policy: Any) -> str:
    """The document of the default version of moto's managed policy."""
    return next(str(version.document) for version in policy.versions if version.is_default)


@lru_cache(maxsize=4096)
def _parsed(document: str | bytes, name: str) -> Policy:
    try:
        return parse_policy(document, name=name)
    except PolicyError as error:
        log.warning("the policy %s is not evaluated: %s", name or "without a name", error)
        return NOTHING
