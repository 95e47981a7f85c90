"""Metrics of the models behind multi-model endpoints.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"


class ModelMetrics:
    """Metrics of the models of one variant; durations are in wall seconds."""

    def __init__(self, cloud: Cloud, endpoint: str, variant: str) -> None:
        self._cloud = cloud
        self._dimensions = {"EndpointName": endpoint, "VariantName": variant}

    def requested(self, *, hit: bool) -> None:
        """Publish whether the model of a request was loaded (ModelCacheHit)."""
        self._put(_REQUESTS, "ModelCacheHit", float(hit), "None")

    def waited(self, seconds: float) -> None:
        """Publish how long a request waited for its model."""
        self._put_duration("ModelLoadingWaitTime", seconds)

    def downloaded(self, seconds: float) -> None:
        """Publish how long the download of a model took."""
        self._put_duration("ModelDownloadingTime", seconds)

    def loaded(self, seconds: float) -> None:
        """Publish how long the container took to load a model."""
        self._put_duration("ModelLoadingTime", seconds)

    def unloaded(self, seconds: float) -> None:
        """Publish how long the container took to unload a model."""
        self._put_duration("ModelUnloadingTime", seconds)

    def count(self, models: int) -> None:
        """Publish the number of loaded models of an instance."""
        self._put(_INSTANCES, "LoadedModelCount", float(models), "None")

    def _put_duration(self, name: str, seconds: float) -> None:
        self._put(_REQUESTS, name, seconds * 1e6, "Microseconds")

    def _put(self, namespace: str, name: str, value: float, unit: str) -> None:
        put = self._cloud.services.cloudwatch.put
        put(namespace, name, value, dimensions=self._dimensions, unit=unit)
