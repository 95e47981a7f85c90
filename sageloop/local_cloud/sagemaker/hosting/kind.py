"""The interface of a kind of variant: one way to serve a variant of an endpoint configuration.

To serve a variant in another way (many models in one container, no instance without requests,
copies of components …) implement :class:`VariantKind` and add it to
:mod:`~sageloop.local_cloud.sagemaker.hosting.kinds`. The first kind that ``matches`` a variant
validates it and builds its fleet. That is usually a subclass of ``VariantFleet`` that overrides
``admit`` (which instance accepts a request), ``provision`` (what a new instance runs), ``check``
(which requests are valid) or ``summary`` (the format of DescribeEndpoint), or that uses an
``Instance`` with its own ``serve``. No other module depends on the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet

    Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class VariantRequest:
    """The input of a fleet's builder; ``document`` is the ProductionVariant."""

    endpoint: str
    config: Document
    document: Document
    weight: float
    shadow: bool = False


class VariantKind(Protocol):
    """One way to serve a variant, chosen when its configuration is created."""

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether a variant of a configuration is of this kind."""

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse what CreateEndpointConfig refuses of such a variant (``AwsError``)."""

    def check(self, config: Document, variant: Document) -> None:
        """Refuse a variant that cannot be served when an endpoint is created (``AwsError``)."""

    def initial_count(self, variant: Document) -> int:
        """The initial number of instances."""

    def build(self, request: VariantRequest) -> VariantFleet:
        """Build the fleet without instances. Raises ``StartFailure`` without model data."""
