"""Endpoint configuration as a ``CreateEndpointConfig`` request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._private.errors import ConfigurationError
from ..data import DataStoreBase
from .kinds import Asynchronous, Serverless
from .rules import Setup
from .variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A ``CreateEndpointConfig`` request without names of models.

    Attributes:
        setup: Configuration of the endpoint.
        store: Data store of captured data and responses, whose key encrypts volumes.

    """

    setup: Setup
    store: DataStoreBase | None

    @property
    def key_arn(self) -> str | None:
        """KMS key of written objects; ``None`` without a store with a key."""
        if self.store is None or self.store.key is None:
            return None
        return self.store.key.key_arn

    @property
    def volume_key_arn(self) -> str | None:
        """KMS key of the volumes; ``None`` for instance storage, which takes no key."""
        local = any(variant.has_local_disk for variant in self.setup.all_variants)
        return None if local else self.key_arn

    def rendered(self) -> dict[str, Any]:
        """The request without ``EndpointConfigName`` and names of models."""
        setup = self.setup
        if isinstance(setup.kind, Serverless):
            config: dict[str, Any] = {"ProductionVariants": [setup.kind.rendered()]}
        else:
            config = {"ProductionVariants": [self._variant(each) for each in setup.variants]}
        if setup.shadow is not None:
            config["ShadowProductionVariants"] = [self._variant(setup.shadow)]
        if self.volume_key_arn is not None:
            config["KmsKeyId"] = self.volume_key_arn
        if setup.capture is not None:
            destination = self.address(setup.capture.prefix).rstrip("/")
            config["DataCaptureConfig"] = setup.capture.rendered(destination, self.key_arn)
        if isinstance(setup.kind, Asynchronous):
            config["AsyncInferenceConfig"] = setup.kind.rendered(self.address, self.key_arn)
        if setup.metrics is not None:
            config["MetricsConfig"] = setup.metrics.rendered()
        return config

    def address(self, prefix: str) -> str:
        """``s3://`` URI of a prefix in the data store.

        Raises:
            ConfigurationError: If there is no store.

        """
        if self.store is None:
            message = f"{prefix!r} needs a store: give store to the endpoint"
            raise ConfigurationError("StoreMissing", self.setup.endpoint_name, message)
        return self.store.uri(prefix)

    def _variant(self, variant: Variant) -> dict[str, Any]:
        rendered = variant.rendered()
        if variant.core_dump_prefix is not None:
            dump = {"DestinationS3Uri": self.address(variant.core_dump_prefix).rstrip("/")}
            if self.key_arn is not None:
                dump["KmsKeyId"] = self.key_arn
            rendered["CoreDumpConfig"] = dump
        return rendered

    @property
    def written(self) -> list[str]:
        """Prefixes of the data store to which a model's role writes."""
        setup = self.setup
        dumps = [each.core_dump_prefix for each in setup.all_variants]
        captured = [] if setup.capture is None else [setup.capture.prefix]
        answers = setup.kind.written if isinstance(setup.kind, Asynchronous) else []
        return [*captured, *answers, *[dump for dump in dumps if dump is not None]]
