"""Checks of the model arguments of an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from .._private.checks import Checks
from ..data import DataStoreBase
from ..identity import HostingRole
from ..network import PrivateNetwork
from .kinds import EndpointKind, InferenceComponents, Serverless
from .model import ModelBase


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The model arguments of an endpoint: ``model``, or ``image`` with its artifact."""

    kind: EndpointKind
    model: ModelBase | None
    image: str | None
    model_data: str | None
    store: DataStoreBase | None
    network: PrivateNetwork | None
    role: HostingRole | None

    def check(self, check: Checks) -> None:
        """Refuse conflicting and missing arguments."""
        if isinstance(self.kind, InferenceComponents):
            self._check_components(check)
        elif self.image is not None:
            self._check_image(check)

    def _check_components(self, check: Checks) -> None:
        if self.model is not None or self.image is not None:
            check.refuse("ModelNotAllowed", "model and image are not allowed for an endpoint of "
                         "inference components: use InferenceComponent")  # fmt: skip
        self._require(check, "an endpoint of inference components", "role", "network")

    def _check_image(self, check: Checks) -> None:
        if self.model is not None:
            check.refuse("ModelTwice", "model and image are mutually exclusive")
        self._require(check, "image", "model_data", "store", "role")
        if isinstance(self.kind, Serverless) and self.network is not None:
            check.refuse("ServerlessCannot", "a serverless endpoint cannot have a network (leave "
                         "network out)")  # fmt: skip

    def _require(self, check: Checks, what: str, *names: str) -> None:
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            check.refuse("ValueMissing", f"{what} needs {' and '.join(missing)} too")
