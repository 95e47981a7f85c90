"""Builds the function that evaluates model quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sageloop_runtime.aws.clients import Clients
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.config import EvaluateConfig
from sageloop_runtime.monitoring.evaluation import ModelQualityEvaluator
from sageloop_runtime.monitoring.files import HourlyFiles

Environment = Mapping[str, str]


def evaluator(
    environment: Environment,
    clients: Clients,
    files: HourlyFiles,
    *,
    function_arn: str,
    remaining: Callable[[], float],
) -> ModelQualityEvaluator:
    """evaluate; ``files`` is kept between invocations, so that small files are read once."""
    config = EvaluateConfig.read(environment)
    return ModelQualityEvaluator(
        config,
        table=StateTable(clients("dynamodb"), config.state_table),
        files=files,
        metrics=Metrics(clients("cloudwatch"), config.metric_namespace),
        functions=clients("lambda"),
        function_arn=function_arn,
        remaining=remaining,
    )
