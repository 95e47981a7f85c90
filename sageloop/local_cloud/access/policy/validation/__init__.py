"""Validation of policy documents, with the error codes and messages of each service."""

from sageloop.local_cloud.access.policy.validation.check import validate
from sageloop.local_cloud.access.policy.validation.findings import (
    Finding,
    PolicyProblem,
    Problem,
)
from sageloop.local_cloud.access.policy.validation.kinds import (
    KINDS,
    DocumentKind,
    PolicyFor,
    document_kind,
)

__all__ = [
    "KINDS",
    "DocumentKind",
    "Finding",
    "PolicyFor",
    "PolicyProblem",
    "Problem",
    "document_kind",
    "validate",
]
