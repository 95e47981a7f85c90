"""Checks of models against the kind of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from .._private.checks import Checks
from .kinds import Asynchronous, EndpointKind, MultiModel, RealTime, Serverless
from .model import ModelBase


def kind_for(kind: EndpointKind | None, model: ModelBase | None) -> EndpointKind:
    """The kind of the endpoint; by default the kind that the model requires."""
    if kind is not None:
        return kind
    return MultiModel() if model is not None and model.is_multi_model else RealTime()


def check_models(
    check: Checks, kind: EndpointKind, models: Sequence[ModelBase], *, shadowed: bool
) -> None:
    """Refuse models that the kind cannot serve; imported models are not checked."""
    for model in models:
        if not model.containers:
            continue
        if shadowed and model.is_pipeline:
            check.refuse("ShadowNotAllowed", "a model of several containers cannot have or be a "
                         "shadow variant")  # fmt: skip
        if isinstance(kind, Serverless):
            _check_serverless(check, model)
        elif isinstance(kind, MultiModel):
            if not model.is_multi_model:
                check.refuse("ModelNotOfKind", "a multi-model endpoint needs a model whose "
                             "container with multi_model=True")  # fmt: skip
        elif isinstance(kind, Asynchronous):
            _check_queued(check, model)
        elif model.is_multi_model:
            check.refuse("ModelNotOfKind", f"{kind.SPOKEN} cannot serve a multi-model container; "
                         "use kind=MultiModel()")  # fmt: skip


def _check_queued(check: Checks, model: ModelBase) -> None:
    if model.is_multi_model:
        check.refuse("ModelNotOfKind", "an asynchronous endpoint cannot serve a multi-model "
                     "container: its requests name no target model")  # fmt: skip
    if model.is_pipeline and model.invocation == "Direct":
        check.refuse("ModelNotOfKind", "an asynchronous endpoint cannot serve containers one by "
                     "one (Direct): its requests name no container")  # fmt: skip


def _check_serverless(check: Checks, model: ModelBase) -> None:
    artifacts = [each.artifact for each in model.containers if each.artifact is not None]
    images = [each.uri for each in model.containers if each.uri is not None]
    broken = {
        "network isolation (network_isolation=False)": bool(model.network_isolation),
        "a network (leave network out)": model.network is not None,
        "several containers": model.is_pipeline,
        "a multi-model container": model.is_multi_model,
        "an artifact that is a prefix (pack a model.tar.gz)": any(
            each.is_prefix for each in artifacts
        ) and not model.is_multi_model,
        "an image for GPUs": any("-gpu" in each for each in images),
    }  # fmt: skip
    for what, is_used in broken.items():
        if is_used:
            check.refuse("ServerlessCannot", f"a serverless endpoint cannot have {what}")
