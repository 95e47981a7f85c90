"""K-means' hyperparameters.

https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.images import rules
from sageloop.local_cloud.images.rules import Rule

_METRICS = ("msd", "ssd")


def _metrics() -> Rule:
    def allowed(names: Any) -> bool:
        return isinstance(names, list) and bool(names) and all(name in _METRICS for name in names)

    return Rule(json.loads, allowed, "a JSON list of [msd, ssd]")


_INIT = rules.one_of("random", "kmeans++")
_TABLE: dict[str, Rule] = {
    "feature_dim": rules.whole(1), "k": rules.whole(1), "epochs": rules.whole(1),
    "eval_metrics": _metrics(), "extra_center_factor": rules.or_auto(rules.whole(1)),
    "half_life_time_size": rules.whole(0), "init_method": _INIT,
    "local_lloyd_init_method": _INIT, "local_lloyd_max_iter": rules.whole(1),
    "local_lloyd_num_trials": rules.or_auto(rules.whole(1)), "local_lloyd_tol": rules.real(0, 1),
    "mini_batch_size": rules.whole(1), "force_dense": rules.boolean(),
    "_tuning_objective_metric": rules.anything(), "_log_level": rules.anything(),
    "_kvstore": rules.anything(), "_num_gpus": rules.anything(),
    "_num_kv_servers": rules.anything(), "_enable_profiler": rules.anything(),
}  # fmt: skip
NAMES = frozenset(_TABLE)
_WITHOUT_EFFECT = (
    "force_dense", "_log_level", "_kvstore", "_num_gpus", "_num_kv_servers", "_enable_profiler",
)  # fmt: skip
# AWS does not publish what "auto" means; its logs show ten attempts of local Lloyd.
_AUTO_TRIALS = 10
_AUTO_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """K-means hyperparameters as typed values, with AWS's defaults."""

    k: int
    feature_dim: int
    epochs: int = 1
    eval_metrics: tuple[str, ...] = ("msd",)
    extra_center_factor: int = _AUTO_FACTOR
    half_life_time_size: int = 0
    init_method: str = "random"
    local_lloyd_init_method: str = "kmeans++"
    local_lloyd_max_iter: int = 300
    local_lloyd_num_trials: int = _AUTO_TRIALS
    local_lloyd_tol: float = 0.0001
    mini_batch_size: int = 5000


def settings(raw: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings, and the names of hyperparameters that have no effect locally.

    Raises :class:`rules.HyperparameterError` for the first invalid hyperparameter.
    """
    values = rules.typed(_TABLE, raw, ("feature_dim", "k"))
    idle = [name for name in values if name in _WITHOUT_EFFECT]
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in Settings.__dataclass_fields__ and value != "auto"
    }
    return Settings(**known), idle
