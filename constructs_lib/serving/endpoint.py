"""Endpoint of a fixed model, defined by CloudFormation's native resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.acknowledge import acknowledge_packs
from .._private.alarm_duties import ROLLBACK, claim
from .._private.api_model import violations
from .._private.checks import Checks
from .._private.l1 import arguments
from .._private.policies import attach
from ..data import DataStoreBase
from ..identity import HostingRole
from ..network import PrivateNetwork
from .artifact import ModelArtifact
from .autoscaling import Scaled, Wake, declare
from .base import EndpointBase
from .capture import DataCapture
from .configuration import Configuration
from .container import ModelContainer
from .form import Form
from .kinds import Asynchronous, EndpointKind, InferenceComponents, MultiModel, Serverless
from .model import Model, ModelBase
from .model_rules import check_models, kind_for
from .rollback import rollback_alarms as own_rollback_alarms
from .rollout import AllAtOnce, Rollout
from .rules import Setup
from .scaled_variants import ScaledVariants
from .variants import EnhancedMetrics, Variant

__all__ = ["Endpoint", "EndpointBase"]

_MOST_ALARMS = 10


class Endpoint(EndpointBase):
    """Defines an endpoint of any kind, with its configuration, for a given model.

    A new artifact needs a new deployment; no model is promoted at run time. The endpoint's name is
    stable; CloudFormation generates the names of model and configuration, so that an update can
    replace them. Capacity that automatic scaling added is retained by an update; weights and data
    capture are taken from the template.

    The instance type of a scaled variant can change in one deployment: a function of this library
    deregisters the variant before the update. Removing the scaling and changing the type takes two
    deployments. SageMaker allows blue/green deployments only between variants of the same names:
    adding, removing or renaming one needs a deployment with ``blue_green=False``.

    See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sagemaker-endpoint.html

    Example:
        >>> Endpoint(stack, "Endpoint", endpoint_name="demo", model=model, store=store,
        ...          capture=DataCapture(), rollout=Canary(percent=20))
        >>> Endpoint(stack, "Scoring", endpoint_name="scoring", model=model, store=store,
        ...          kind=Asynchronous(output_prefix="scored/"),
        ...          variants=[Variant(scaling=Scaling(minimum=0, maximum=4,
        ...                                            backlog_per_instance=5))])

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ModelBase | None = None,
        image: str | None = None,
        model_data: str | None = None,
        store: DataStoreBase | None = None,
        network: PrivateNetwork | None = None,
        role: HostingRole | None = None,
        kind: EndpointKind | None = None,
        variants: Sequence[Variant] = (Variant(),),
        shadow: Variant | None = None,
        capture: DataCapture | None = None,
        rollout: Rollout | None = None,
        blue_green: bool = True,
        metrics: EnhancedMetrics | None = None,
        environment: Mapping[str, str] | None = None,
        rollback_latency: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
        retain_weights: bool = False,
        alert_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the endpoint.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint_name: Name of the endpoint, 63 characters at most.
            model: Model of all variants that have no model.
            image: URI of an inference image, in place of a model.
            model_data: Key of the image's artifact (``model.tar.gz``) in the store; for a
                multi-model endpoint a prefix that ends in a slash.
            store: Data store of captured data, responses and the image's artifact; its key
                encrypts volumes.
            network: Network of the image's instances, of inference components, and of the scaling
                function; by default that of the model.
            role: Role of the image's model, or of inference components.
            kind: Kind of the endpoint: ``RealTime`` by default, ``MultiModel``, ``Serverless``,
                ``Asynchronous`` or ``InferenceComponents``.
            variants: Production variants; one of two ``ml.m5.large`` by default.
            shadow: Shadow variant, which receives copies of requests; the ratio of its weight to
                that of the production variant is the share of copied requests.
            capture: Data capture of requests and responses; none by default.
            rollout: Rollout of a changed configuration; all at once by default.
            blue_green: Whether updates are blue/green deployments with the rollout's guardrails.
                SageMaker allows these only between variants of the same names: to add, remove or
                rename a variant, deploy once with ``False``. See
                https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
            metrics: Enhanced metrics; none by default.
            environment: Environment of the image's container.
            rollback_latency: p99 latency above which a rollout is rolled back, 1 second by default;
                an asynchronous endpoint has no such limit by default.
            rollback_alarms: Additional alarms that roll back; at most 10 with those of variants.
            retain_weights: Whether an update retains weights that were changed at run time.
            alert_topic: SNS topic of the rollback alarms and of failures of the scaling function.

        Raises:
            ConfigurationError: If a value or a combination is not allowed, a step of the rollout is
                too large, or a model quality alarm is given as rollback alarm.

        """
        super().__init__(scope, construct_id)
        requested = MultiModel() if kind is None and _is_prefix(model_data) else kind
        self.kind = kind_for(requested, model)
        self.setup = Setup(
            endpoint_name=endpoint_name, kind=self.kind, variants=variants, shadow=shadow,
            capture=capture, rollout=rollout, metrics=metrics, rollback_latency=rollback_latency,
            rollback_alarms=rollback_alarms,
        )  # fmt: skip
        with Checks(self) as check:
            self.setup.check(check)
            Form(
                kind=self.kind, model=model, image=image, model_data=model_data, store=store,
                network=network, role=role,
            ).check(check)  # fmt: skip
        self.endpoint_name, self.store = endpoint_name, store
        self.group: ec2.SecurityGroup | None = None
        if network is not None and (image is not None or self._has_components):
            self.group = network.security_group(self, "Group", description="Instances of a model")
        self.model = model
        if image is not None:
            assert store is not None
            assert role is not None
            artifact = ModelArtifact.from_store(store, str(model_data))
            self.model = self._build_model(image, artifact, network, role, environment)
        self._check_models()
        self.roles = self._find_roles(role)
        self.config = self._build_config(network, role)
        self._allow_roles()
        self.alarms = self._build_alarms(alert_topic)
        self.resource = self._build_endpoint(
            network, retain_weights=retain_weights, blue_green=blue_green
        )
        if isinstance(self.kind, Serverless):
            self._scale_serverless(self.kind)
        else:
            self._scale_instances(network, alert_topic)

    def grant_invoke(
        self, grantee: iam.IGrantable, *, streaming: bool = False, asynchronous: bool | None = None
    ) -> iam.Grant:
        """Grant permission to invoke this endpoint.

        For an asynchronous endpoint this includes writing requests and reading responses.

        Args:
            grantee: Principal that receives the permission.
            streaming: Whether to allow response streaming as well.
            asynchronous: By default as the endpoint's kind requires.

        """
        kind = self.kind
        queued = isinstance(kind, Asynchronous) if asynchronous is None else asynchronous
        statements = [self.invoke_statement(streaming, queued)]
        if isinstance(kind, Asynchronous) and self.store is not None:
            if kind.input_prefix is not None:
                statements += self.store.write_statements(kind.input_prefix)
            for prefix in kind.written:
                statements += self.store.read_statements(prefix)
        return attach(grantee, statements)

    @property
    def models(self) -> list[ModelBase]:
        """The distinct models of all variants."""
        if self._has_components:
            return []
        pools = [pool.model for variant in self.setup.all_variants for pool in variant.pools]
        own = [variant.model or self.model for variant in self.setup.all_variants]
        return list(dict.fromkeys(model for model in [*own, *pools] if model is not None))

    @property
    def _has_components(self) -> bool:
        return isinstance(self.kind, InferenceComponents)

    def _check_models(self) -> None:
        with Checks(self) as check:
            shadowed = self.setup.shadow is not None
            check_models(check, self.kind, self.models, shadowed=shadowed)
            if self._has_components:
                return
            for variant in self.setup.all_variants:
                if variant.model is None and self.model is None:
                    check.refuse("ModelMissing", f"variant {variant.name} has no model: give model "
                                 "to it or to the endpoint")  # fmt: skip

    def _find_roles(self, role: HostingRole | None) -> list[HostingRole]:
        roles = [model.role for model in self.models] if self.models else [role]
        return list(dict.fromkeys(each for each in roles if each is not None))

    def _allow_roles(self) -> None:
        kind = self.kind
        for role in self.roles:
            for prefix in dict.fromkeys(self.configuration.written):
                assert self.store is not None
                self.store.grant_write(role, prefix=prefix)
            if isinstance(kind, Asynchronous):
                role.allow_notifications(list(dict.fromkeys(kind.topics)))
                if kind.input_prefix is not None and self.store is not None:
                    self.store.grant_read(role, prefix=kind.input_prefix)

    def _build_model(
        self,
        image: str,
        artifact: ModelArtifact,
        network: PrivateNetwork | None,
        role: HostingRole,
        environment: Mapping[str, str] | None,
    ) -> Model:
        container = ModelContainer(
            image=image, artifact=artifact, multi_model=isinstance(self.kind, MultiModel),
            environment={} if environment is None else dict(environment),
        )  # fmt: skip
        return Model(
            self, "Model", containers=[container], role=role, network=network, group=self.group,
            network_isolation=not isinstance(self.kind, Serverless),
        )  # fmt: skip

    def _build_config(
        self, network: PrivateNetwork | None, role: HostingRole | None
    ) -> sagemaker.CfnEndpointConfig:
        self.configuration = Configuration(setup=self.setup, store=self.store)
        request = self.configuration.rendered()
        names = [variant.model or self.model for variant in self.setup.variants]
        if not self._has_components:
            for rendered, model in zip(request["ProductionVariants"], names, strict=True):
                rendered["ModelName"] = _name(model)
        if self.setup.shadow is not None:
            (rendered,) = request["ShadowProductionVariants"]
            rendered["ModelName"] = _name(self.setup.shadow.model or self.model)
        if self._has_components and role is not None and network is not None:
            assert self.group is not None
            groups = [self.group.security_group_id]
            request |= {
                "ExecutionRoleArn": role.role_arn,
                "EnableNetworkIsolation": True,
                "VpcConfig": {"SecurityGroupIds": groups, "Subnets": network.subnet_ids},
            }
        self.request = request
        with Checks(self) as check:
            without = ("EndpointConfigName",)
            for violation in violations("CreateEndpointConfig", request, without=without):
                check.refuse("RequestNotAllowed", violation)
        kind = sagemaker.CfnEndpointConfig
        config = kind(self, "Config", **arguments(kind, request))
        if self.configuration.key_arn is not None and self.configuration.volume_key_arn is None:
            reason = "instance storage is encrypted by hardware, and takes no key"
            rule = "SageMakerEndpointConfigurationKMSKeyConfigured"
            acknowledge_packs(config, rule, reason)
        return config

    def _build_alarms(self, alert_topic: sns.ITopic | None) -> list[cloudwatch.Alarm]:
        if isinstance(self.kind, Serverless | InferenceComponents):
            return []
        queued, latency = isinstance(self.kind, Asynchronous), self.setup.rollback_latency
        if latency is None and not queued:
            latency = Duration.seconds(1)
        additional = list(self.setup.rollback_alarms)
        claim(self, additional, ROLLBACK)
        alarms = own_rollback_alarms(
            self, self, self.setup.variants, latency=latency, alert_topic=alert_topic, queued=queued
        )
        with Checks(self) as check:
            total = len(alarms) + len(additional)
            if total > _MOST_ALARMS:
                message = f"a rollout has {_MOST_ALARMS} alarms at most, got {len(alarms)} of the "
                check.refuse("ValueOutOfRange", f"{message}variants, {len(additional)} of your own")
        for role in self.roles:
            role.allow_rollback_alarms([alarm.alarm_arn for alarm in [*alarms, *additional]])
        return alarms

    def _build_endpoint(
        self, network: PrivateNetwork | None, *, retain_weights: bool, blue_green: bool
    ) -> sagemaker.CfnEndpoint:
        properties: dict[str, Any] = {
            "EndpointName": self.endpoint_name,
            "EndpointConfigName": self.config.attr_endpoint_config_name,
        }
        if not isinstance(self.kind, Serverless | InferenceComponents):
            properties |= {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": self._excluded_properties(retain_weights),
            }
            if blue_green:
                properties["DeploymentConfig"] = self._deployment()
        kind = sagemaker.CfnEndpoint
        endpoint = kind(self, "Resource", **arguments(kind, properties))
        for role in self.roles:
            endpoint.node.add_dependency(*role.policies)
        if network is not None:
            endpoint.node.add_dependency(*network.dependencies)
        return endpoint

    def _excluded_properties(self, retain_weights: bool) -> list[dict[str, str]]:
        """Variant properties that an update takes from the template."""
        scaled = any(variant.scaling is not None for variant in self.setup.all_variants)
        anew = ["DataCaptureConfig"]
        anew += [] if scaled else ["DesiredInstanceCount"]
        anew += [] if retain_weights else ["DesiredWeight"]
        return [{"VariantPropertyType": name} for name in anew]

    def _deployment(self) -> dict[str, Any]:
        rollout = AllAtOnce() if self.setup.rollout is None else self.setup.rollout
        alarms = [*self.alarms, *self.setup.rollback_alarms]
        named = [{"AlarmName": alarm.alarm_name} for alarm in alarms]
        return {"AutoRollbackConfiguration": {"Alarms": named}, **rollout.rendered()}

    def _scale_serverless(self, kind: Serverless) -> None:
        if kind.scaling is None:
            return
        declare(self, "0", kind.scaling, Scaled(
            resource_id=f"endpoint/{self.endpoint_name}/variant/{kind.variant}",
            dimension=kind.DIMENSION,
            endpoint_name=self.endpoint_name,
            dimensions={"EndpointName": self.endpoint_name, "VariantName": kind.variant},
            after=[self.resource],
        ))  # fmt: skip

    def _scale_instances(
        self, network: PrivateNetwork | None, alert_topic: sns.ITopic | None
    ) -> None:
        variants = [variant for variant in self.setup.variants if variant.scaling is not None]
        if not variants:
            return
        own = [model.network for model in self.models if model.network is not None]
        function_network = network if network is not None else next(iter(own), None)
        with Checks(self) as check:
            if function_network is None:
                check.refuse("NetworkMissing", "scaled variants need network, for the function "
                             "that registers them")  # fmt: skip
        assert function_network is not None
        wake = None
        if isinstance(self.kind, Asynchronous):
            wake = Wake(metric=self.metric_backlog_without_capacity(), periods=2)
        self.scaled = ScaledVariants(
            self, "Scaling", endpoint=self, variants=variants, network=function_network, wake=wake,
            key=None if self.store is None else self.store.key, alert_topic=alert_topic,
        )  # fmt: skip
        self.scaled.register_after(self.resource)


def _name(model: ModelBase | None) -> str:
    assert model is not None
    return model.model_name


def _is_prefix(model_data: str | None) -> bool:
    return model_data is not None and model_data.endswith("/")
