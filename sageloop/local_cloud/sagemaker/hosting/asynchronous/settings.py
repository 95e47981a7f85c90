"""AsyncInferenceConfig: destinations of responses and failures of an asynchronous endpoint.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AsyncInferenceConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.asynchronous.locations import split_location
from sageloop.local_cloud.sagemaker.hosting.requests import every_variant, invalid

IN_SUCCESS = "SUCCESS_NOTIFICATION_TOPIC"
IN_ERROR = "ERROR_NOTIFICATION_TOPIC"
# AWS "chooses an optimal value" if none is specified; this is the local cloud's value.
DEFAULT_CONCURRENCY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncSettings:
    """OutputConfig and ClientConfig, one attribute for each member."""

    output_path: str | None
    failure_path: str | None
    kms_key: str | None
    success_topic: str | None
    error_topic: str | None
    included_in: frozenset[str]
    concurrency: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> AsyncSettings | None:
        """The settings of an endpoint configuration; ``None`` if it is not asynchronous."""
        async_config = config.get("AsyncInferenceConfig")
        if async_config is None:
            return None
        output = async_config["OutputConfig"]
        notifications = output.get("NotificationConfig", {})
        client = async_config.get("ClientConfig", {})
        return cls(
            output_path=output.get("S3OutputPath"),
            failure_path=output.get("S3FailurePath"),
            kms_key=output.get("KmsKeyId"),
            success_topic=notifications.get("SuccessTopic"),
            error_topic=notifications.get("ErrorTopic"),
            included_in=frozenset(notifications.get("IncludeInferenceResponseIn", ())),
            concurrency=client.get("MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENCY),
        )


def check(config: Mapping[str, Any]) -> None:
    """Refuse an invalid asynchronous configuration, or one that AWS does not support.

    Asynchronous inference supports instance-based variants of one model without shadow variants
    (https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-exclusions.html); its requests
    have no target model, container or component. Raises ``AwsError`` ValidationException.
    """
    settings = AsyncSettings.of(config)
    if settings is None:
        return
    _check_models(config)
    for path in (settings.output_path, settings.failure_path):
        if path is not None:
            split_location(path)
    if settings.output_path is None and not (
        settings.success_topic is not None and IN_SUCCESS in settings.included_in
    ):
        raise invalid(
            "S3OutputPath must be specified unless the response is included in the notification "
            "of a SuccessTopic (IncludeInferenceResponseIn: SUCCESS_NOTIFICATION_TOPIC)."
        )
    for topic, member, included in (
        (settings.success_topic, "SuccessTopic", IN_SUCCESS),
        (settings.error_topic, "ErrorTopic", IN_ERROR),
    ):
        if topic is None and included in settings.included_in:
            raise invalid(f"IncludeInferenceResponseIn has {included}, but there is no {member}.")


def _check_models(config: Mapping[str, Any]) -> None:
    for variant in every_variant(config):
        # Serverless variants are refused by the rules of serverless inference.
        if "ModelName" not in variant:
            raise invalid(
                "AsyncInferenceConfig is for variants with a model; production variant "
                f"{variant['VariantName']} is for inference components"
            )
