"""Operations on endpoint configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.hosting.requests import check_endpoint_config, weight_of
from sageloop.local_cloud.sagemaker.listing import list_response

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle

CONFIG_FAMILY = "endpoint-config"
_STORED_MEMBERS = (
    "EndpointConfigName", "ProductionVariants", "DataCaptureConfig", "KmsKeyId", "MetricsConfig",
    "AsyncInferenceConfig", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation",
)  # fmt: skip


class EndpointConfigs:
    """CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lifecycle: Lifecycle

    @operation("CreateEndpointConfig")
    def create_endpoint_config(self, call: Call) -> dict[str, Any]:
        """Store a configuration after checking that its models exist."""
        params, store = call.params, self._account.store
        check_endpoint_config(params)
        self._lifecycle.builder.check_config(params)
        name = params["EndpointConfigName"]
        document = {member: params[member] for member in _STORED_MEMBERS if member in params}
        for member in ("ProductionVariants", "ShadowProductionVariants"):
            if params.get(member):
                document[member] = [
                    variant | {"InitialVariantWeight": weight_of(variant)}
                    for variant in params[member]
                ]
        document["EnableNetworkIsolation"] = params.get("EnableNetworkIsolation", False)
        document["EndpointConfigArn"] = store.arn(CONFIG_FAMILY, name)
        document["CreationTime"] = self._account.cloud.clock.now()
        arn = store.create(CONFIG_FAMILY, name, document, tags=params.get("Tags"))
        self._lifecycle.publish_config(document)
        return {"EndpointConfigArn": arn}

    @operation("DescribeEndpointConfig")
    def describe_endpoint_config(self, call: Call) -> dict[str, Any]:
        """Return the configuration as it was created."""
        return self._account.store.get(CONFIG_FAMILY, call.params["EndpointConfigName"])

    @operation("DeleteEndpointConfig")
    def delete_endpoint_config(self, call: Call) -> None:
        """Delete a configuration.

        Endpoints that serve it go on serving, and cannot be updated any more, as on AWS.
        """
        self._account.store.delete(CONFIG_FAMILY, call.params["EndpointConfigName"])

    @operation("ListEndpointConfigs")
    def list_endpoint_configs(self, call: Call) -> dict[str, Any]:
        """List configurations by name and creation time."""
        return list_response(
            self._account.store.list(CONFIG_FAMILY), call.params, result="EndpointConfigs",
            name="EndpointConfigName",
            members=("EndpointConfigName", "EndpointConfigArn", "CreationTime"),
        )  # fmt: skip
