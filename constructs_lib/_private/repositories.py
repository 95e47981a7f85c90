"""Repositories of Amazon ECR, by the addresses of their images."""

from __future__ import annotations

import re

from aws_cdk import Aws

_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")


def repository_arn_of(uri: str) -> str:
    """The ARN of the repository of an image; empty for an image outside of Amazon ECR.

    An address that contains tokens has no repository that is known at synthesis.
    """
    match = _IMAGE.match(uri)
    if match is None:
        return ""
    account, region, repository = match.groups()
    return f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/{repository}"
