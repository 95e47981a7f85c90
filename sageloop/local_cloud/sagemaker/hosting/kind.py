"""What a kind of variant is: one way to serve a variant of an endpoint configuration.

To serve a variant otherwise (many models in one container, no instance until it is asked for,
copies of components …) write a :class:`VariantKind` and name it in
:mod:`~sageloop.local_cloud.sagemaker.hosting.kinds`. The first kind that ``takes`` a variant
checks it and builds its fleet: usually a subclass of ``VariantFleet`` that overrides ``admit``
(which instance takes a request), ``provision`` (what a new instance runs), ``check`` (what a
request may ask for) or ``summary`` (how DescribeEndpoint shows it), or an ``Instance`` whose
``serve`` talks to its container otherwise. Nothing else asks for the kind.
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
    """What a variant's fleet is built from. ``document`` is the ProductionVariant."""

    endpoint: str
    config: Document
    document: Document
    weight: float
    shadow: bool = False


class VariantKind(Protocol):
    """One way to serve a variant, chosen when its configuration is made."""

    def takes(self, config: Document, variant: Document) -> bool:
        """Whether a variant of a configuration is of this kind."""

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse (``AwsError``) what CreateEndpointConfig refuses of such a variant."""

    def check(self, config: Document, variant: Document) -> None:
        """Refuse (``AwsError``) what cannot be served when an endpoint is made of it."""

    def initial_count(self, variant: Document) -> int:
        """Instances the configuration asks for."""

    def build(self, request: VariantRequest) -> VariantFleet:
        """The fleet, nothing running yet. Raises ``StartFailure`` if model data is not there."""
