"""API Gateway REST API for an endpoint, with IAM or Cognito authorization."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from .._private.acknowledge import acknowledge, acknowledge_checkov, acknowledge_packs
from .._private.checks import Checks
from .._private.policies import allow, attach, managed_policy
from .base import EndpointBase
from .inference_api_parts import STAGE, access_log_group, check_api

_HEADERS = {
    "Content-Type": True, "Accept": False, "X-Amzn-SageMaker-Inference-Id": False,
    "X-Amzn-SageMaker-Target-Model": False,
}  # fmt: skip
_STATUSES = {"424": "502", r"4(?!24)\d{2}": "400", r"5\d{2}": "503"}
"""Status codes of the endpoint, as a pattern, and of the API."""

_EXECUTION_LOGS = (
    "execution logs hold request bodies and need a role set for the whole account; the access "
    "logs name each call, who made it and how it ended"
)
_NO_CACHE = "responses are not cached: a new model responds differently to equal requests"
_NO_CLIENT_CERTIFICATE = "the integration is SageMaker, which API Gateway calls with an IAM role"
_NO_WAF = "callers are authenticated and throttled; web_acl_arn adds AWS WAF"
_IAM = "callers sign with IAM; give user_pools for callers with tokens of Cognito"


class InferenceRestApi(Construct):
    """Defines a REST API whose ``POST /invocations`` invokes an endpoint, without a function.

    Callers sign requests with IAM credentials or send a token of a Cognito user pool. Responses
    are 415 for other content types, 400 for a body that does not match the schema, 429 above the
    rate, and 502 for an error of the model (424). Payloads are text of up to 10 MB; the timeout is
    29 seconds. For tokens of other issuers use ``InferenceHttpApi``. The local cloud has no API
    Gateway: allow its resource types by name, and they are left out.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-integration-types.html

    Attributes:
        api: The API.
        url: URL for POST requests.

    Example:
        >>> front = InferenceRestApi(stack, "Front", endpoint=endpoint, key=store.key,
        ...                    content_types=["text/csv"], requests_per_second=50)
        >>> front.grant_call(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: EndpointBase,
        key: kms.IKey | None = None,
        user_pools: Sequence[cognito.IUserPool] = (),
        scopes: Sequence[str] = (),
        content_types: Sequence[str] = ("text/csv", "application/json"),
        schema: apigateway.JsonSchema | None = None,
        requests_per_second: float = 100,
        burst: int = 200,
        web_acl_arn: str | None = None,
    ) -> None:
        """Define the API.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint to invoke, with synchronous inference.
            key: Key of the access logs.
            user_pools: Cognito user pools that authorize requests; IAM by default.
            scopes: OAuth scopes of which an access token must have one.
            content_types: Content types that are accepted.
            schema: JSON schema of ``application/json`` bodies; none by default.
            requests_per_second: Rate limit of the stage, in requests per second.
            burst: Burst limit of the stage, in requests.
            web_acl_arn: ARN of an AWS WAF web ACL; none by default.

        Raises:
            ConfigurationError: If a value is not allowed, or the endpoint's kind is not supported.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check_api(
                check, endpoint=endpoint, content_types=content_types,
                requests_per_second=requests_per_second, burst=burst,
            )  # fmt: skip
            if schema is not None and "application/json" not in content_types:
                message = "schema needs application/json in content_types"
                check.refuse("SchemaNotAllowed", message)
            if scopes and not user_pools:
                check.refuse("ScopesNotAllowed", "scopes needs user_pools")  # fmt: skip
        self._endpoint = endpoint
        self.log_group = access_log_group(self, key)
        self.api = self._build_api(requests_per_second, burst)
        self.role = self._build_role()
        self.method = self._build_method(content_types, schema, user_pools, scopes)
        self.url = self.api.url_for_path("/invocations")
        self._acknowledge(with_pools=bool(user_pools))
        self._filter(web_acl_arn)

    def grant_call(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to invoke the API with IAM authorization."""
        resource = self.api.arn_for_execute_api("POST", "/invocations", STAGE)
        return attach(grantee, [allow(["execute-api:Invoke"], [resource])])

    def _build_api(self, rate: float, burst: int) -> apigateway.RestApi:
        return apigateway.RestApi(
            self,
            "Api",
            description=f"Invokes {self._endpoint.endpoint_name}",
            cloud_watch_role=False,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=rate,
                throttling_burst_limit=burst,
                tracing_enabled=True,
                metrics_enabled=True,
                access_log_destination=apigateway.LogGroupLogDestination(self.log_group),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=True, http_method=True, ip=True, protocol=True, request_time=True,
                    resource_path=True, response_length=True, status=True, user=True,
                ),
            ),
        )  # fmt: skip

    def _build_role(self) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"))
        statement = allow(["sagemaker:InvokeEndpoint"], [self._endpoint.endpoint_arn])
        managed_policy(self, "Policy", [statement], role=role)
        return role

    def _build_method(
        self,
        content_types: Sequence[str],
        schema: apigateway.JsonSchema | None,
        user_pools: Sequence[cognito.IUserPool],
        scopes: Sequence[str],
    ) -> apigateway.Method:
        authorizer = None
        if user_pools:
            authorizer = apigateway.CognitoUserPoolsAuthorizer(
                self, "Authorizer", cognito_user_pools=list(user_pools)
            )
        kind = apigateway.AuthorizationType
        return self.api.root.add_resource("invocations").add_method(
            "POST",
            self._integration(content_types),
            authorization_type=kind.IAM if authorizer is None else kind.COGNITO,
            authorizer=authorizer,
            authorization_scopes=list(scopes) if scopes else None,
            request_parameters={
                f"method.request.header.{name}": needed for name, needed in _HEADERS.items()
            },
            request_models={} if schema is None else {"application/json": self._model(schema)},
            request_validator=apigateway.RequestValidator(
                self, "Validator", rest_api=self.api, validate_request_parameters=True,
                validate_request_body=True,
            ),
            method_responses=[
                apigateway.MethodResponse(status_code=status)
                for status in ("200", *_STATUSES.values())
            ],
        )  # fmt: skip

    def _model(self, schema: apigateway.JsonSchema) -> apigateway.Model:
        return apigateway.Model(
            self, "Model", rest_api=self.api, content_type="application/json", schema=schema
        )

    def _integration(self, content_types: Sequence[str]) -> apigateway.AwsIntegration:
        answers = [
            apigateway.IntegrationResponse(status_code=status, selection_pattern=pattern)
            for pattern, status in _STATUSES.items()
        ]
        return apigateway.AwsIntegration(
            service="runtime.sagemaker",
            path=f"endpoints/{self._endpoint.endpoint_name}/invocations",
            integration_http_method="POST",
            options=apigateway.IntegrationOptions(
                credentials_role=self.role,
                passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                request_templates=dict.fromkeys(content_types, "$input.body"),
                request_parameters={
                    f"integration.request.header.{name}": f"method.request.header.{name}"
                    for name in _HEADERS
                },
                integration_responses=[
                    apigateway.IntegrationResponse(status_code="200"), *answers,
                ],
            ),
        )  # fmt: skip

    def _acknowledge(self, *, with_pools: bool) -> None:
        stage = self.api.deployment_stage
        acknowledge(stage, ["AwsSolutions-APIG6"], _EXECUTION_LOGS)
        acknowledge_packs(stage, "APIGWExecutionLoggingEnabled", _EXECUTION_LOGS)
        acknowledge_packs(stage, "APIGWCacheEnabledAndEncrypted", _NO_CACHE)
        acknowledge_packs(stage, "APIGWSSLEnabled", _NO_CLIENT_CERTIFICATE)
        acknowledge_checkov(stage, "CKV_AWS_120", _NO_CACHE)
        if not with_pools:
            acknowledge(self.method, ["AwsSolutions-COG4"], _IAM)

    def _filter(self, web_acl_arn: str | None) -> None:
        stage = self.api.deployment_stage
        if web_acl_arn is None:
            acknowledge(stage, ["AwsSolutions-APIG3"], _NO_WAF)
            acknowledge_packs(stage, "APIGWAssociatedWithWAF", _NO_WAF)
            return
        wafv2.CfnWebACLAssociation(
            self, "Filter", resource_arn=stage.stage_arn, web_acl_arn=web_acl_arn
        )
