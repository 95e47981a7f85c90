"""Settings of the endpoint's alarms, schedule and inference API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from constructs_lib.serving.inference_http_api import AUDIENCES, SCOPES

from .settings_types import (
    STRICT,
    Claim,
    ContentType,
    Count,
    Cron,
    Issuer,
    Milliseconds,
    Percent,
    UserPool,
    WebAcl,
    Zone,
)


class _Part(BaseModel):
    model_config = STRICT


class NoTrafficAlarmSettings(_Part):
    """When traffic is expected, and how long there may be none."""

    minutes: Annotated[int, Field(ge=5, le=1440)] = 30
    from_hour: Annotated[int, Field(ge=0, le=23)] = 0
    to_hour: Annotated[int, Field(ge=1, le=24)] = 24
    weekdays_only: bool = False

    @model_validator(mode="after")
    def _check_hours(self) -> NoTrafficAlarmSettings:
        if self.to_hour <= self.from_hour:
            raise ValueError(
                f"to_hour must be later than from_hour ({self.from_hour}), got {self.to_hour}"
            )
        return self


class EndpointAlarmSettings(_Part):
    """Limits of the endpoint alarms."""

    p50_ms: Milliseconds | None = None
    p90_ms: Milliseconds | None = None
    server_error_percent: Percent = 1.0
    client_error_percent: Percent | None = None
    cpu_percent: Annotated[float, Field(ge=0)] | None = None
    memory_percent: Percent | None = None
    max_capacity_alarm: bool = True
    anomaly_metrics: list[Literal["invocations", "latency"]] = []
    band_width: Annotated[float, Field(ge=0.1, le=1000)] = 3.0
    expected_traffic: NoTrafficAlarmSettings | None = None

    @model_validator(mode="after")
    def _check_anomaly_metrics(self) -> EndpointAlarmSettings:
        if len(set(self.anomaly_metrics)) < len(self.anomaly_metrics):
            raise ValueError(
                f"anomaly_metrics must name each metric at most once, got {self.anomaly_metrics}"
            )
        return self


class EndpointScheduleSettings(_Part):
    """When the endpoint stops and starts."""

    stop: Cron | None = None
    start: Cron | None = None
    timezone: Zone = "UTC"
    idle_timeout_minutes: Annotated[int, Field(ge=15, le=20_160)] | None = None

    @model_validator(mode="after")
    def _check_times(self) -> EndpointScheduleSettings:
        if (self.stop is None) != (self.start is None):
            missing = "stop" if self.stop is None else "start"
            raise ValueError(f"stop and start must be given together: {missing} is missing")
        if self.stop is None and self.idle_timeout_minutes is None:
            raise ValueError(
                "stop and start, idle_timeout_minutes, or all three must be given, got none"
            )
        return self


class InferenceApiSettings(_Part):
    """Authentication and throttling of the inference API."""

    authorizer: Literal["IAM", "JWT"] = "IAM"
    user_pool_arns: list[UserPool] = []
    issuer: Issuer | None = None
    audience: Annotated[list[Claim], Field(max_length=AUDIENCES)] = []
    scopes: list[Claim] = []
    content_types: Annotated[list[ContentType], Field(min_length=1)] = ["text/csv"]
    requests_per_second: Annotated[float, Field(ge=1, le=10_000)] = 100.0
    burst: Annotated[int, Field(ge=1, le=5_000)] = 200
    concurrency: Count | None = None
    web_acl_arn: WebAcl | None = None

    @model_validator(mode="after")
    def _check_authorizer(self) -> InferenceApiSettings:
        tokens = self.user_pool_arns or self.issuer or self.audience
        if self.authorizer == "IAM" and (tokens or self.scopes):
            raise ValueError(
                "user_pool_arns, issuer, audience and scopes are allowed only when authorizer is "
                "'JWT'"
            )
        if self.authorizer == "JWT" and not tokens:
            raise ValueError(
                "user_pool_arns, or issuer and audience, must be given when authorizer is 'JWT', "
                "got neither"
            )
        return self

    @model_validator(mode="after")
    def _check_issuer(self) -> InferenceApiSettings:
        if (self.issuer is None) != (not self.audience):
            missing = "issuer" if self.issuer is None else "audience"
            raise ValueError(f"issuer and audience must be given together: {missing} is missing")
        if self.issuer is not None and self.user_pool_arns:
            raise ValueError("user_pool_arns and issuer are mutually exclusive")
        return self

    @model_validator(mode="after")
    def _check_api_features(self) -> InferenceApiSettings:
        if self.issuer is not None and self.web_acl_arn is not None:
            raise ValueError(
                "web_acl_arn is not allowed with issuer: AWS WAF does not support HTTP APIs"
            )
        if self.issuer is not None and len(self.scopes) > SCOPES:
            raise ValueError(
                f"scopes must have at most {SCOPES} entries with issuer, got {len(self.scopes)}"
            )
        if self.issuer is None and self.concurrency is not None:
            raise ValueError("concurrency is allowed only with issuer")
        return self
