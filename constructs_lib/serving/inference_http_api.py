"""An HTTPS address before an endpoint, for callers with tokens of any OpenID issuer."""

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
from .inference_api_parts import STAGE, access_log_group, check_front

ISSUER = r"https://[^\s/?#@]+(/[^\s?#]*)?"
CLAIM = r"\S+"
_DISCOVERY = "/.well-known/openid-configuration"
AUDIENCES, SCOPES = 50, 10
"""What an authorizer and a route hold at most."""

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
"""What the access logs tell; an HTTP API has no other logs."""


class InferenceHttpApi(Construct):
    """Defines an HTTP API whose ``POST /invocations`` asks an endpoint for bearers of a token.

    Callers bring a JSON Web Token of an OpenID issuer (Auth0, Okta, Entra ID, Keycloak ...), which
    AWS itself holds against the issuer's keys: signed by RSA, not expired, for one of the
    audiences, and with one of the scopes. A function stands between, since an HTTP API cannot ask
    SageMaker; it may ask this endpoint and nothing else. Requests without a good token are refused
    (401, 403), those of other content types than those named too (415), and those beyond the rate
    (429). A model's error is told as 502, an endpoint that is away as 503.

    API Gateway takes 10 MB and waits 30 seconds, but a function takes and gives 6 MB, of which
    base64 leaves 4.5 MB to bodies that are no text. WAF does not filter HTTP APIs, and there is no
    schema. For IAM's signatures, or tokens of Cognito without a function, see ``InferenceRestApi``.
    The local cloud has no API Gateway: there its types must be allowed by name, and are left out;
    the function runs.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html

    Attributes:
        api: The API.
        stage: Its stage.
        function: What asks the endpoint.
        log_group: Where each call is told.
        url: Address that requests are posted to.

    Example:
        >>> api = InferenceHttpApi(stack, "Api", endpoint=endpoint, network=network, key=store.key,
        ...                  issuer="https://login.example.com/", audience=["scores"],
        ...                  scopes=["scores/ask"], content_types=["text/csv"])

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
        """Define the front.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint: What is asked; one that answers at once.
            network: Network of the function.
            issuer: Who issues the tokens, letter by letter as their claim ``iss`` says it.
            audience: Of which a token's claim ``aud`` must name one, 50 at most; its ``client_id``
                counts where it has no ``aud``.
            key: Key of the access logs, and of the function's environment and logs.
            scopes: Of which a token's claim ``scope`` or ``scp`` must name one, 10 at most. Give
                some: they tell access tokens from identity tokens. Any token by default.
            content_types: Types that requests may have.
            requests_per_second: Requests that are let through for long.
            burst: Requests that are let through at one moment.
            concurrency: Requests that the function handles at one time; more are refused.

        Raises:
            ConfigurationError: If a value is not allowed, or the endpoint does not answer at once.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check_front(
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
            self, "Api", description=f"Asks {endpoint.endpoint_name}", create_default_stage=False
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
            "AskEndpoint",
            folder="invoke_proxy",
            description=f"Asks {name} for callers of the HTTP API",
            network=network,
            key=key,
            environment={
                "ENDPOINT_NAME": name, "CONTENT_TYPES": json.dumps(list(content_types)),
            },
            # The API waits for 30: the caller shall be told by the function.
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
    """Each call as one JSON object in a group."""

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
        check.refuse("IssuerNotAllowed", f"issuer must be what tokens name in 'iss', without "
                     f"{_DISCOVERY}, got {issuer!r}")  # fmt: skip


def _check_claims(check: Checks, label: str, values: Sequence[str], most: int) -> None:
    if isinstance(values, str):
        check.refuse("TypeNotAllowed", f"{label} must be a list of texts, got {values!r}")
        return
    if len(values) > most:
        check.refuse("TooMany", f"{label} must have at most {most} entries, got {len(values)}")
    for each in values:
        check.matches(label, each, CLAIM, 2048)
