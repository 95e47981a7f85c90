"""Settings of the endpoint's alarms, schedule and inference API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from constructs_lib.operations.endpoint_schedule import CRON, zone_fault
from constructs_lib.serving.inference_http_api import AUDIENCES, CLAIM, ISSUER, SCOPES

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
"""Unknown keys and values of another type are refused."""


def _zone(name: str) -> str:
    fault = zone_fault(name)
    if fault is not None:
        raise ValueError(fault)
    return name


_CRON = Annotated[str, Field(pattern=f"^{CRON}$", max_length=256)]
_ZONE = Annotated[str, AfterValidator(_zone)]
_POOL = Annotated[str, Field(pattern=r"^arn:[a-z-]+:cognito-idp:[a-z0-9-]+:\d{12}:userpool/.+$")]
_ACL = Annotated[str, Field(pattern=r"^arn:[a-z-]+:wafv2:[a-z0-9-]+:\d{12}:regional/webacl/.+$")]
_ISSUER = Annotated[str, Field(pattern=f"^{ISSUER}$", max_length=2048)]
_CLAIM = Annotated[str, Field(pattern=f"^{CLAIM}$", max_length=2048)]
_CONTENT_TYPE = Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=127)]
_MILLISECONDS = Annotated[int, Field(ge=1)]
_PERCENT = Annotated[float, Field(ge=0, le=100)]


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

    p50_ms: _MILLISECONDS | None = None
    p90_ms: _MILLISECONDS | None = None
    server_error_percent: _PERCENT = 1.0
    client_error_percent: _PERCENT | None = None
    cpu_percent: Annotated[float, Field(ge=0)] | None = None
    memory_percent: _PERCENT | None = None
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

    stop: _CRON | None = None
    start: _CRON | None = None
    timezone: _ZONE = "UTC"
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
    user_pool_arns: list[_POOL] = []
    issuer: _ISSUER | None = None
    audience: Annotated[list[_CLAIM], Field(max_length=AUDIENCES)] = []
    scopes: list[_CLAIM] = []
    content_types: Annotated[list[_CONTENT_TYPE], Field(min_length=1)] = ["text/csv"]
    requests_per_second: Annotated[float, Field(ge=1, le=10_000)] = 100.0
    burst: Annotated[int, Field(ge=1, le=5_000)] = 200
    concurrency: Annotated[int, Field(ge=1)] | None = None
    web_acl_arn: _ACL | None = None

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
