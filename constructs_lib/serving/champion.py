"""Endpoint that serves the champion of a model registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .._private.alarm_duties import ROLLBACK, claim
from .._private.checks import Checks
from .._private.function import ProjectFunction
from .._private.named_scope import named_scope
from .._private.policies import allow, attach
from .._private.statements import alarm_statement, alert_statements, metric_statement
from ..data import DataStoreBase, StateTable
from ..identity import HostingRole
from ..network import PrivateNetwork
from .base import EndpointBase, acknowledge_platform_registry
from .capture import DataCapture
from .configuration import Configuration
from .document import ServingDocument
from .permissions import rollout_statements, scaling_statements
from .registry import ModelRegistry
from .rollback import rollback_alarms as own_rollback_alarms
from .rollout import Rollout
from .rules import Setup
from .variants import EnhancedMetrics, Variant

_MOST_ALARMS = 10


class ChampionEndpoint(EndpointBase):
    """Defines an endpoint that serves the champion of a model registry.

    The template has one serving document; the champion is promoted at run time. A deployment that
    changes the document starts a rollout with the champion; any other starts none. Without a
    champion there is no endpoint. Deleting the construct deletes endpoint, configurations and
    models, and retains the registry.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html

    Example:
        >>> role = HostingRole(stack, "Role", key=store.key)
        >>> endpoint = ChampionEndpoint(stack, "Endpoint", endpoint_name="demo-flights",
        ...     registry=registry, store=store, state=state, network=network, role=role,
        ...     alert_topic=alerts.topic, rollout=Canary(instances=1))
        >>> endpoint.metric_model_latency(percentile=50)  # microseconds

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        registry: ModelRegistry,
        store: DataStoreBase,
        state: StateTable,
        network: PrivateNetwork,
        role: HostingRole,
        alert_topic: sns.ITopic,
        variants: Sequence[Variant] = (Variant(),),
        shadow: Variant | None = None,
        capture: DataCapture | None = None,
        rollout: Rollout | None = None,
        metrics: EnhancedMetrics | None = None,
        models_prefix: str = "models/",
        environment: Mapping[str, str] | None = None,
        rollback_latency: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> None:
        """Define the endpoint.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint_name: Name of the endpoint, 63 characters at most.
            registry: Model registry of the model packages.
            store: Data store of artifacts and captured data.
            state: State table of serving documents and champions.
            network: Network of instances and functions.
            role: Role of the models.
            alert_topic: SNS topic for alerts. Import an encrypted topic with
                ``Topic.from_topic_attributes`` and its ``key_arn``.
            variants: One variant ``AllTraffic`` of two ``ml.m5.large`` by default; all serve the
                champion.
            shadow: Shadow variant, which receives copies of requests and serves the champion on
                other instances.
            capture: Data capture of requests and responses; none by default.
            rollout: Rollout of a new model; all at once by default. An update that adds, removes
                or renames variants is all at once without rollback, as SageMaker requires.
            metrics: Enhanced metrics; none by default.
            models_prefix: Prefix of artifacts in the data store, ending in a slash.
            environment: Environment of the container.
            rollback_latency: p99 latency above which a rollout is rolled back, 1 second by default.
            rollback_alarms: Additional alarms that roll back; at most 10 with those of variants.

        Raises:
            ConfigurationError: If a value is not allowed, a step of the rollout is too large, or a
                model quality alarm is given as rollback alarm.

        """
        super().__init__(scope, construct_id)
        setup = Setup(
            endpoint_name=endpoint_name, variants=variants, shadow=shadow, capture=capture,
            rollout=rollout, metrics=metrics, rollback_latency=rollback_latency,
            rollback_alarms=rollback_alarms,
        )  # fmt: skip
        with Checks(self) as check:
            setup.check(check)
            _check_champion(check, setup)
            check.prefix("models_prefix", models_prefix)
        self.endpoint_name = endpoint_name
        self.registry, self.store, self.state, self.role = registry, store, state, role
        self.network, self.alert_topic, self.capture = network, alert_topic, capture
        self.group = network.security_group(self, "Group", description=f"Models {endpoint_name}")
        self.setup = setup
        self.rollback_alarms = self._build_alarms()
        self._allow_role(models_prefix)
        self.document = self._build_document(environment)
        self.promoter = self._build_promoter()
        self.parameter = self._build_parameter()
        self._named = named_scope(self, "Endpoint", endpoint_name)
        self.resource_function = self._build_resource_function()
        self.resource = self._build_resource()

    @property
    def capture_uri(self) -> str:
        """``s3://`` URI of the captured data."""
        prefix = "capture/" if self.capture is None else self.capture.prefix
        return self.store.uri(prefix).rstrip("/")

    def grant_promote(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to promote the champion, as the promoter does."""
        return attach(grantee, [*self.promote_statements(self), *self.scaling_statements(self)])

    def grant_rollback(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to roll back to a former champion, and to read the history."""
        return attach(grantee, [
            allow(["lambda:InvokeFunction"], [self.promoter.arn]),
            allow(["ssm:GetParameter"], [self.parameter.parameter_arn]),
            *self.state.statements("GetItem"),
            self.registry.read_statement(self),
        ])  # fmt: skip

    def promote_statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements to create, update and delete the endpoint, its configurations and models."""
        return rollout_statements(scope, self.endpoint_name, self.role, self.store)

    def scaling_statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements to scale, to describe alarms, and to publish metrics and alerts."""
        return [
            *scaling_statements(scope, self.endpoint_name),
            alarm_statement(),
            metric_statement(),
            *alert_statements(self.alert_topic),
        ]

    def _build_alarms(self) -> list[cloudwatch.IAlarm]:
        """Two alarms per variant, and the additional rollback alarms."""
        additional, latency = self.setup.rollback_alarms, self.setup.rollback_latency
        claim(self, additional, ROLLBACK)
        own_alarms = own_rollback_alarms(
            self,
            self,
            self.setup.variants,
            latency=Duration.seconds(1) if latency is None else latency,
            alert_topic=self.alert_topic,
        )
        return [*own_alarms, *additional]

    def _build_document(self, environment: Mapping[str, str] | None) -> ServingDocument:
        return ServingDocument(
            endpoint_name=self.endpoint_name,
            role_arn=self.role.role_arn,
            subnet_ids=self.network.subnet_ids,
            security_group_ids=[self.group.security_group_id],
            store=self.store,
            setup=self.setup,
            alarm_names=[alarm.alarm_name for alarm in self.rollback_alarms],
            environment={} if environment is None else dict(environment),
        )

    def _allow_role(self, models_prefix: str) -> None:
        self.store.grant_read(self.role, prefix=models_prefix)
        for prefix in dict.fromkeys(Configuration(setup=self.setup, store=self.store).written):
            self.store.grant_write(self.role, prefix=prefix)
        self.role.allow_rollback_alarms([alarm.alarm_arn for alarm in self.rollback_alarms])

    def _build_promoter(self) -> ProjectFunction:
        promoter = self._function(
            "Promoter",
            folder="promote",
            description=f"Promotes the champion of {self.endpoint_name}",
            environment={
                "STATE_TABLE": self.state.table_name,
                "ENDPOINT_NAME": self.endpoint_name,
                "MODEL_PACKAGE_GROUP": self.registry.group_name,
                "ALERT_TOPIC_ARN": self.alert_topic.topic_arn,
                "METRIC_NAMESPACE": "sageloop",
            },
        )
        promoter.allow(
            *self.state.statements("GetItem", "UpdateItem"),
            self.registry.read_statement(promoter),
        )
        promoter.allow_apart("Rollout", self.promote_statements(promoter))
        promoter.allow_apart("Scaling", self.scaling_statements(promoter))
        promoter.listen(
            "OnPackage",
            description=f"A model for {self.endpoint_name} was approved",
            pattern=_state_change("Model Package", {
                "ModelPackageGroupName": [self.registry.group_name],
                "ModelApprovalStatus": ["Approved"],
            }),
        )  # fmt: skip
        promoter.listen(
            "OnEndpoint",
            description=f"The endpoint {self.endpoint_name} changed its state",
            pattern=_state_change("Endpoint", {"EndpointName": [self.endpoint_name]}),
        )
        return promoter

    def _build_parameter(self) -> ssm.StringParameter:
        """Parameters that ``sageloop history`` and ``sageloop rollback`` read."""
        return ssm.StringParameter(
            self,
            "PromotionParameter",
            parameter_name=f"/sageloop/endpoints/{self.endpoint_name}/promotion",
            simple_name=False,
            string_value=Stack.of(self).to_json_string({
                "promote_function": self.promoter.arn,
                "state_table": self.state.table_name,
                "model_package_group": self.registry.group_name,
            }),
            description=f"Resources that promote the models of {self.endpoint_name}",
        )  # fmt: skip

    def _build_resource_function(self) -> ProjectFunction:
        function = self._function(
            "ResourceFunction",
            scope=self._named,
            folder="champion_endpoint_resource",
            description=f"Custom resource of endpoint {self.endpoint_name}",
            environment={
                "STATE_TABLE": self.state.table_name,
                "ALERT_TOPIC_ARN": self.alert_topic.topic_arn,
            },
            invokes_itself=True,
            serves_cloudformation=True,
            describes_interfaces=True,
        )
        function.allow(
            *self.state.statements("DeleteItem", "GetItem", "UpdateItem"),
            allow(["sagemaker:DescribeModelPackage"], self.registry.package_arns(function)),
        )
        function.allow_apart("Rollout", self.promote_statements(function))
        function.allow_apart("Scaling", self.scaling_statements(function))
        return function

    def _function(
        self,
        construct_id: str,
        *,
        folder: str,
        description: str,
        environment: Mapping[str, str],
        scope: Construct | None = None,
        invokes_itself: bool = False,
        serves_cloudformation: bool = False,
        describes_interfaces: bool = False,
    ) -> ProjectFunction:
        return ProjectFunction(
            self if scope is None else scope,
            construct_id,
            folder=folder,
            description=description,
            network=self.network,
            key=self.state.key,
            environment=environment,
            timeout=Duration.minutes(5),
            invokes_itself=invokes_itself,
            serves_cloudformation=serves_cloudformation,
            describes_interfaces=describes_interfaces,
            alert_topic=self.alert_topic,
        )

    def _build_resource(self) -> CustomResource:
        resource = CustomResource(
            self._named,
            "Resource",
            resource_type="Custom::ChampionEndpoint",
            service_token=self.resource_function.arn,
            service_timeout=Duration.hours(1),
            properties={
                "EndpointName": self.endpoint_name,
                "Document": Stack.of(self).to_json_string(self.document.rendered()),
            },
        )
        acknowledge_platform_registry(resource)
        # On deletion the function still needs its permissions and its network access; models must
        # still have their role and group, or their keys' grants and interfaces stay behind.
        functions = [*self.resource_function.prerequisites, *self.promoter.permissions]
        resource.node.add_dependency(*functions, *self.role.policies, *self.network.dependencies)
        return resource


def _check_champion(check: Checks, setup: Setup) -> None:
    """Refuse options that only ``Endpoint`` supports."""
    alarms = 2 * len(setup.variants) + len(setup.rollback_alarms)
    if alarms > _MOST_ALARMS:
        message = f"a rollout has {_MOST_ALARMS} alarms at most, two per variant included, got "
        check.refuse("ValueOutOfRange", f"{message}{alarms}")
    for variant in setup.all_variants:
        pooled = [pool.model for pool in variant.pools]
        if any(model is not None for model in [variant.model, *pooled]):
            check.refuse("ModelNotAllowed", f"variant {variant.name} serves the champion: leave "
                         "model out, or use Endpoint")  # fmt: skip
        if variant.scaling is not None and (variant.scaling.steps or variant.scaling.schedules):
            check.refuse("ScalingNotAllowed", "a champion endpoint scales by a target only: leave "
                         "scaling.steps and schedules out, or use Endpoint")  # fmt: skip


def _state_change(thing: str, detail: Mapping[str, object]) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.sagemaker"],
        detail_type=[f"SageMaker {thing} State Change"],
        detail=dict(detail),
    )
