"""API Gateway HTTP API for an endpoint, with JWT authorization."""

from __future__ import annotations

import json
from collections.abc import Sequence

import jsii
from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from .._private.checks import Checks, known
from .._private.function import ProjectFunction
from ..network import PrivateNetwork
from .base import EndpointBase
from .inference_api_parts import STAGE, access_log_group, check_api

ISSUER = r"https://[^\s/?#@]+(/[^\s?#]*)?"
CLAIM = r"[^\s\x00-\x1f\x7f]+"
_DISCOVERY = "/.well-known/openid-configuration"
AUDIENCES, SCOPES = 50, 10
"""Limits of a JWT authorizer and a route."""

_FIELDS = {
    "requestId": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "caller": "$context.authorizer.claims.sub",
    "requestTime": "$context.requestTime",
    "httpMethod": "$context.httpMethod",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "authorizerError": "$context.authorizer.error",
    "integrationError": "$context.integrationErrorMessage",
}
"""Fields of the access logs; an HTTP API has no other logs."""


class InferenceHttpApi(Construct):
    """Defines an HTTP API whose ``POST /invocations`` invokes an endpoint, authorized by JWT.

    API Gateway validates the JSON Web Token of an OpenID issuer (Auth0, Okta, Entra ID, Keycloak
    ...): RSA signature, expiry, audience and scope. A Lambda function invokes the endpoint, since
    an HTTP API has no SageMaker integration; it has permission for this endpoint only. Responses
    are 401 or 403 without a valid token, 415 for other content types, 429 above the rate, 502 for
    an error of the model, and 503 while the endpoint does not exist.

    Lambda limits payloads to 6 MB, 4.5 MB for binary bodies, and the API's timeout is 30 seconds.
    HTTP APIs support neither AWS WAF nor request models. ``InferenceRestApi`` has IAM and Cognito
    authorization, without a function. The local cloud has no API Gateway: allow its resource types
    by name, and they are left out; the function runs.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html

    Attributes:
        api: The API.
        stage: Stage of the API.
        function: Function that invokes the endpoint.
        log_group: Log group of the access logs.
        url: URL for POST requests.

    Example:
        >>> api = InferenceHttpApi(stack, "Api", endpoint=endpoint, network=network, key=store.key,
        ...                  issuer="https://login.example.com/", audience=["scores"],
        ...                  scopes=["scores/invoke"], content_types=["text/csv"])

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: EndpointBase,
        network: PrivateNetwork,
        issuer: str,
        audience: Sequence[str],
        key: kms.IKey | None = None,
        scopes: Sequence[str] = (),
        content_types: Sequence[str] = ("text/csv", "application/json"),
        requests_per_second: float = 100,
        burst: int = 200,
        concurrency: int = 50,
    ) -> None:
        """Define the API.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint to invoke, with synchronous inference.
            network: Network of the function.
            issuer: Issuer, exactly as in the claim ``iss`` of the tokens.
            audience: Accepted values of the claim ``aud`` (``client_id`` where a token has no
                ``aud``), at most 50.
            key: Key of the access logs, and of the function's environment and logs.
            scopes: Scopes of which the claim ``scope`` or ``scp`` must have one, at most 10; they
                distinguish access tokens from identity tokens. Any token by default.
            content_types: Content types that are accepted.
            requests_per_second: Rate limit of the stage, in requests per second.
            burst: Burst limit of the stage, in requests.
            concurrency: Reserved concurrency of the function.

        Raises:
            ConfigurationError: If a value is not allowed, or the endpoint's kind is not supported.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check_api(
                check, endpoint=endpoint, content_types=content_types,
                requests_per_second=requests_per_second, burst=burst,
            )  # fmt: skip
            check.whole("concurrency", concurrency, 1)
            _check_issuer(check, issuer)
            check.not_empty("audience", audience)
            _check_claims(check, "audience", audience, AUDIENCES)
            _check_claims(check, "scopes", scopes, SCOPES)
        self._endpoint = endpoint
        self.log_group = access_log_group(self, key)
        self.function = self._build_function(network, key, content_types, concurrency)
        self.api = apigatewayv2.HttpApi(
            self, "Api", description=f"Invokes {endpoint.endpoint_name}", create_default_stage=False
        )
        self._build_route(issuer, audience, scopes)
        self.stage = self._build_stage(requests_per_second, burst)
        self.url = f"{self.stage.url}/invocations"

    def _build_function(
        self,
        network: PrivateNetwork,
        key: kms.IKey | None,
        content_types: Sequence[str],
        concurrency: int,
    ) -> ProjectFunction:
        name = self._endpoint.endpoint_name
        function = ProjectFunction(
            self,
            "InvokeProxy",
            folder="invoke_proxy",
            description=f"Invokes {name} for the HTTP API",
            network=network,
            key=key,
            environment={
                "ENDPOINT_NAME": name, "CONTENT_TYPES": json.dumps(list(content_types)),
            },
            # Below the API's 30 seconds, so that the function reports the timeout.
            timeout=Duration.seconds(29),
            reserved_concurrency=concurrency,
            keeps_dead_letters=False,
        )  # fmt: skip
        function.allow(self._endpoint.invoke_statement())
        return function

    def _build_route(self, issuer: str, audience: Sequence[str], scopes: Sequence[str]) -> None:
        (route,) = self.api.add_routes(
            path="/invocations",
            methods=[apigatewayv2.HttpMethod.POST],
            integration=integrations.HttpLambdaIntegration(
                "Function",
                self.function.function,
                payload_format_version=apigatewayv2.PayloadFormatVersion.VERSION_2_0,
            ),
            authorizer=authorizers.HttpJwtAuthorizer(
                "Authorizer", issuer, jwt_audience=list(audience)
            ),
            authorization_scopes=list(scopes) if scopes else None,
        )
        route.node.add_dependency(*self.function.permissions)

    def _build_stage(self, rate: float, burst: int) -> apigatewayv2.HttpStage:
        return apigatewayv2.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name=STAGE,
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=apigatewayv2.ThrottleSettings(rate_limit=rate, burst_limit=burst),
            access_log_settings=_AccessLogs(self.log_group),
        )


@jsii.implements(apigatewayv2.IAccessLogSettings)
class _AccessLogs:
    """The access log settings: one JSON object for each request."""

    def __init__(self, group: logs.LogGroup) -> None:
        self._destination = apigatewayv2.LogGroupLogDestination(group)

    @property
    def destination(self) -> apigatewayv2.IAccessLogDestination:
        return self._destination

    @property
    def format(self) -> apigateway.AccessLogFormat:
        return apigateway.AccessLogFormat.custom(json.dumps(_FIELDS))


def _check_issuer(check: Checks, issuer: str) -> None:
    check.matches("issuer", issuer, ISSUER, 2048)
    if known(issuer) and str(issuer).rstrip("/").endswith(_DISCOVERY):
        check.refuse("IssuerNotAllowed", "issuer must equal the claim 'iss' of the tokens, without "
                     f"{_DISCOVERY}, got {issuer!r}")  # fmt: skip


def _check_claims(check: Checks, label: str, values: Sequence[str], most: int) -> None:
    if isinstance(values, str):
        check.refuse("TypeNotAllowed", f"{label} must be a list of texts, got {values!r}")
        return
    if len(values) > most:
        check.refuse("TooMany", f"{label} must have at most {most} entries, got {len(values)}")
    for each in values:
        check.matches(label, each, CLAIM, 2048)
