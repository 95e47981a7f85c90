"""An endpoint with a model of the user's own, by CloudFormation's native resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..data import DataStoreBase
from ..identity import HostingRole
from ..network import PrivateNetwork
from .base import EndpointBase, acknowledge_platform_registry
from .rollback import rollback_alarms
from .values import Canary, DataCapture, Variant, check_serving

__all__ = ["Endpoint", "EndpointBase"]


class Endpoint(EndpointBase):
    """Defines model, configuration and endpoint for an artifact that you name.

    Nothing is promoted at run time: a new artifact is a new deployment. The endpoint's name is
    stable; those of model and configuration are left to CloudFormation, so that a change can
    replace them. Capacity that automatic scaling added survives an update.

    See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sagemaker-endpoint.html

    Example:
        >>> image = AlgorithmImage.xgboost(stack, "3.0-5")
        >>> role = HostingRole(stack, "Role", key=store.key,
        ...                    repository_arns=[image.repository_arn])
        >>> endpoint = Endpoint(stack, "Endpoint", endpoint_name="demo", image=image.uri,
        ...     model_data="models/m.tar.gz", store=store, network=network, role=role)
        >>> endpoint.grant_invoke(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        image: str,
        model_data: str,
        store: DataStoreBase,
        network: PrivateNetwork,
        role: HostingRole,
        variants: Sequence[Variant] = (Variant(),),
        capture: DataCapture | None = None,
        rollout: Canary | None = None,
        environment: Mapping[str, str] | None = None,
        rollback_latency: Duration | None = None,
        page_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the endpoint.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint_name: Name of the endpoint, 63 characters at most.
            image: Address of the inference image.
            model_data: Key of the artifact (``model.tar.gz``) in the store.
            store: Where the artifact lies and captured data goes.
            network: Network of the instances.
            role: Role of the model.
            variants: One variant of two ``ml.m5.large`` by default.
            capture: What is kept of requests and answers; nothing by default.
            rollout: How a changed configuration comes in; all at once by default.
            environment: Environment of the container.
            rollback_latency: p99 of answers above which a rollout is undone, 1 second by default.
            page_topic: Topic told by the rollback alarms.

        Raises:
            ConfigurationError: If a value is not allowed, or the canary has no room.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check_serving(
                check, endpoint_name=endpoint_name, variants=variants, capture=capture,
                rollout=rollout, rollback_latency=rollback_latency,
            )  # fmt: skip
        if capture is not None:
            store.grant_write(role, prefix=capture.prefix)
        store.grant_read(role, prefix=model_data)
        self.group = network.workload_group(self, "Group", description="Instances of a model")
        self.model = self._build_model(image, store.uri(model_data), network, role, environment)
        self.config = self._build_config(variants, store, capture)
        self.endpoint_name = endpoint_name
        self.alarms = rollback_alarms(
            self,
            self,
            variants,
            latency=Duration.seconds(1) if rollback_latency is None else rollback_latency,
            page_topic=page_topic,
        )
        role.allow_rollback_alarms([alarm.alarm_arn for alarm in self.alarms])
        self.resource = self._build_endpoint(rollout)
        self.resource.node.add_dependency(*role.policies, *network.ready)
        for index, variant in enumerate(variants):
            self._scale(index, variant)

    def _build_model(
        self,
        image: str,
        model_data_url: str,
        network: PrivateNetwork,
        role: HostingRole,
        environment: Mapping[str, str] | None,
    ) -> sagemaker.CfnModel:
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image,
                model_data_url=model_data_url,
                environment={} if environment is None else dict(environment),
            ),
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                security_group_ids=[self.group.security_group_id], subnets=network.subnet_ids
            ),
        )
        # SageMaker reads the artifact at once, with a role that must already be allowed to.
        model.node.add_dependency(*role.policies)
        acknowledge_platform_registry(model)
        return model

    def _build_config(
        self, variants: Sequence[Variant], store: DataStoreBase, capture: DataCapture | None
    ) -> sagemaker.CfnEndpointConfig:
        key = None if store.key is None else store.key.key_arn
        return sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=key,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=variant.name,
                    model_name=self.model.attr_model_name,
                    instance_type=variant.instance_type,
                    initial_instance_count=variant.instance_count,
                    initial_variant_weight=variant.weight,
                    container_startup_health_check_timeout_in_seconds=variant.startup_seconds,
                )
                for variant in variants
            ],
            data_capture_config=None if capture is None else _capture(capture, store, key),
        )

    def _build_endpoint(self, rollout: Canary | None) -> sagemaker.CfnEndpoint:
        alarms = [
            sagemaker.CfnEndpoint.AlarmProperty(alarm_name=alarm.alarm_name)
            for alarm in self.alarms
        ]
        return sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=self.config.attr_endpoint_config_name,
            retain_all_variant_properties=True,
            deployment_config=sagemaker.CfnEndpoint.DeploymentConfigProperty(
                auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
                    alarms=alarms
                ),
                blue_green_update_policy=_policy(rollout),
            ),
        )

    def _scale(self, index: int, variant: Variant) -> None:
        if variant.scaling is None:
            return
        target = scaling.CfnScalableTarget(
            self,
            f"Target{index}",
            min_capacity=variant.scaling.minimum,
            max_capacity=variant.scaling.maximum,
            resource_id=f"endpoint/{self.endpoint_name}/variant/{variant.name}",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            service_namespace="sagemaker",
        )
        target.node.add_dependency(self.resource)
        by_invocations = scaling.CfnScalingPolicy
        by_invocations(
            self,
            f"Policy{index}",
            policy_name="InvocationsPerInstance",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=(
                by_invocations.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=variant.scaling.invocations_per_instance,
                    scale_in_cooldown=variant.scaling.scale_in_seconds,
                    scale_out_cooldown=variant.scaling.scale_out_seconds,
                    predefined_metric_specification=(
                        by_invocations.PredefinedMetricSpecificationProperty(
                            predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                        )
                    ),
                )
            ),
        )


def _capture(
    capture: DataCapture, store: DataStoreBase, key: str | None
) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
    config = sagemaker.CfnEndpointConfig
    return config.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=capture.percentage,
        destination_s3_uri=store.uri(capture.prefix).rstrip("/"),
        kms_key_id=key,
        capture_options=[
            config.CaptureOptionProperty(capture_mode="Input"),
            config.CaptureOptionProperty(capture_mode="Output"),
        ],
        capture_content_type_header=config.CaptureContentTypeHeaderProperty(
            csv_content_types=list(capture.content_types)
        ),
    )


def _policy(rollout: Canary | None) -> sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty:
    endpoint = sagemaker.CfnEndpoint
    if rollout is None:
        return endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=endpoint.TrafficRoutingConfigProperty(
                type="ALL_AT_ONCE", wait_interval_in_seconds=0
            ),
            termination_wait_in_seconds=120,
            maximum_execution_timeout_in_seconds=1800,
        )
    return endpoint.BlueGreenUpdatePolicyProperty(
        traffic_routing_configuration=endpoint.TrafficRoutingConfigProperty(
            type="CANARY",
            wait_interval_in_seconds=rollout.wait_seconds,
            canary_size=endpoint.CapacitySizeProperty(
                type="INSTANCE_COUNT", value=rollout.instances
            ),
        ),
        termination_wait_in_seconds=rollout.termination_wait_seconds,
        maximum_execution_timeout_in_seconds=rollout.maximum_seconds,
    )
