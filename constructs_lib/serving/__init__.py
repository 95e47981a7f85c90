"""Model, endpoint, champion endpoint, variants, scaling, rollout and registry."""

from .champion import ChampionEndpoint
from .endpoint import Endpoint, EndpointBase
from .registry import ModelRegistry
from .values import Canary, DataCapture, Scaling, Variant

__all__ = [
    "Canary",
    "ChampionEndpoint",
    "DataCapture",
    "Endpoint",
    "EndpointBase",
    "ModelRegistry",
    "Scaling",
    "Variant",
]
