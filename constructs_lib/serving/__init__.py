"""Model, endpoint, champion endpoint, variants, scaling, rollout and registry."""

from .champion import ChampionEndpoint
from .endpoint import Endpoint, EndpointBase
from .registry import ModelRegistry
from .transform import DataProcessing, TransformSpecification
from .transform_job import TransformJob
from .values import Canary, DataCapture, Scaling, Variant

__all__ = [
    "Canary", "ChampionEndpoint", "DataCapture", "DataProcessing", "Endpoint", "EndpointBase",
    "ModelRegistry", "Scaling", "TransformJob", "TransformSpecification", "Variant",
]  # fmt: skip
