"""What declared jobs of every kind share: function, custom resource, document and grants."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from .._private.api_model import violations
from .._private.checks import Checks
from .._private.encryption import grant_statement
from .._private.function import ProjectFunction
from .._private.policies import allow, attach
from .._private.statements import metric_statement
from ..data import DataStoreBase, StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from .base import JobBase
from .date_partitioned_dataset import DatePartitionedDataset
from .overrides import merged

_VERBS = ("DeleteItem", "GetItem", "PutItem", "UpdateItem")


class JobResource(JobBase):
    """A declared job: its document stands in the state table, from which all triggers start it.

    Attributes:
        state: Table in which the document is kept.
        store: Where its data lies.
        function: The function behind the custom resource.
        resource: The custom resource.

    """

    state: StateTable
    store: DataStoreBase
    function: ProjectFunction
    resource: CustomResource

    @abstractmethod
    def request(self) -> dict[str, Any]:
        """The complete ``Create*`` request but the job's name."""

    @abstractmethod
    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The document from which every trigger starts a job (see ADR 3)."""

    @property
    @abstractmethod
    def roles(self) -> Sequence[ExecutionRole]:
        """Roles that are handed to SageMaker."""

    @property
    def data(self) -> DatePartitionedDataset | None:
        """The data set in daily partitions, if the job takes one."""
        return None

    @property
    def input_prefixes(self) -> Sequence[str]:
        """Prefixes of the store whose objects are looked for before a job starts."""
        return () if self.data is None else (self.data.prefix,)

    def overridden(self, request: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """A request with fields put over it that the library does not model.

        Args:
            request: The request.
            overrides: Values by path, see ``JobSpecification``.

        Raises:
            ConfigurationError: If there is no such place.

        """
        with Checks(self) as check:
            return merged(check, request, overrides)

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone start jobs: as isolated as the request is, with this role, on this data."""
        return attach(grantee, self.start_statements())

    def start_statements(self) -> list[iam.PolicyStatement]:
        """The statements of ``grant_start``."""
        store, data = self.store, self.data
        key = [] if store.key is None else [grant_statement(store.key)]
        pass_role = allow(
            ["iam:PassRole"],
            [role.role_arn for role in self.roles],
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
        runs = [] if data is None else [
            *store.key_statements(),
            allow(["s3:PutObject"], [store.bucket.arn_for_objects(f"{data.prefix}runs/*")]),
        ]  # fmt: skip
        return [
            allow([self.kind.action("Create")], [self.jobs_arn], guards(self.request())),
            allow(["sagemaker:AddTags"], [self.jobs_arn]),
            *([pass_role] if self.roles else []),
            *[store.list_statement(prefix) for prefix in self.input_prefixes],
            *runs,
            *key,
        ]

    def _declare(
        self,
        *,
        network: PrivateNetwork,
        start_on_deploy: bool,
        alert_topic: sns.ITopic | None,
    ) -> None:
        """Define the function and the custom resource, once all attributes stand.

        Raises:
            ConfigurationError: If SageMaker's model does not take the request.

        """
        with Checks(self) as check:
            operation = f"Create{self.kind.noun}"
            for fault in violations(operation, self.request(), without=(self.kind.name_key,)):
                check.refuse("RequestNotAllowed", fault)
        self.function = ProjectFunction(
            self,
            "Function",
            folder="job_resource",
            description=f"Records the {self.kind.name} job {self.job}, stops it when it goes",
            network=network,
            key=self.state.key,
            environment={"STATE_TABLE": self.state.table_name},
            timeout=Duration.minutes(5),
            alert_topic=alert_topic,
        )
        self.function.allow(
            *self.state.statements(*_VERBS),
            *self.start_statements(),
            *self.stop_statements(),
            allow([self.kind.action("List")], ["*"]),
            metric_statement(),
        )
        document = self.document(start_on_deploy=start_on_deploy)
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type=self.kind.resource_type,
            service_token=self.function.arn,
            service_timeout=Duration.minutes(30),
            properties={
                "Job": self.job,
                "Document": Stack.of(self).to_json_string(document),
                "StateTable": self.state.table_name,
            },
        )
        # On deletion the function must still have its permissions and its way out.
        policies = [policy for role in self.roles for policy in role.policies]
        self.resource.node.add_dependency(
            *self.function.permissions, *policies, *network.dependencies
        )


def guards(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Conditions by which no job may be started that is less isolated than the request.

    A second wall under the request itself, for whoever may start the job.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    parts = _parts(request)
    wanted = {
        "sagemaker:InterContainerTrafficEncryption": "EnableInterContainerTrafficEncryption",
        "sagemaker:NetworkIsolation": "EnableNetworkIsolation",
    }
    bools = {
        key: "true"
        for key, field in wanted.items()
        if all(part.get(field) is True for part in parts)
    }
    conditions: dict[str, Any] = {"Bool": bools} if bools else {}
    if all("VpcConfig" in part for part in parts):
        conditions["Null"] = {"sagemaker:VpcSubnets": "false"}
    return conditions if conditions else None


def _parts(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a request that say how isolated its containers are."""
    if "TrainingJobDefinitions" in request:
        return list(request["TrainingJobDefinitions"])
    for key in ("TrainingJobDefinition", "NetworkConfig"):
        if key in request:
            return [request[key]]
    return [request]
