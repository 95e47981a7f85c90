"""Models, endpoints of all kinds, variants, scaling, rollout and registry."""

from .artifact import ModelArtifact
from .capture import DataCapture
from .champion import ChampionEndpoint
from .component import ComputeResourceRequirements, InferenceComponent
from .container import ModelContainer
from .endpoint import Endpoint, EndpointBase
from .inference_code import InferenceCode
from .inference_http_api import InferenceHttpApi
from .inference_rest_api import InferenceRestApi
from .kinds import (
    Asynchronous,
    EndpointKind,
    InferenceComponents,
    MultiModel,
    RealTime,
    Serverless,
)
from .model import Model, ModelBase
from .registry import ModelRegistry
from .rollout import AllAtOnce, Canary, Linear, Rolling, Rollout
from .scaling import Scaling, ScheduledScaling, Step, StepScaling
from .transform import DataProcessing, TransformSpecification
from .transform_job import TransformJob
from .variants import EnhancedMetrics, InstancePool, ManagedInstanceScaling, Variant

__all__ = [
    "AllAtOnce",
    "Asynchronous",
    "Canary",
    "ChampionEndpoint",
    "ComputeResourceRequirements",
    "DataCapture",
    "DataProcessing",
    "Endpoint",
    "EndpointBase",
    "EndpointKind",
    "EnhancedMetrics",
    "InferenceCode",
    "InferenceComponent",
    "InferenceComponents",
    "InferenceHttpApi",
    "InferenceRestApi",
    "InstancePool",
    "Linear",
    "ManagedInstanceScaling",
    "Model",
    "ModelArtifact",
    "ModelBase",
    "ModelContainer",
    "ModelRegistry",
    "MultiModel",
    "RealTime",
    "Rolling",
    "Rollout",
    "Scaling",
    "ScheduledScaling",
    "Serverless",
    "Step",
    "StepScaling",
    "TransformJob",
    "TransformSpecification",
    "Variant",
]  # fmt: skip
