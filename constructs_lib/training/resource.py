"""Base of jobs that a stack defines: custom resource, document and grants."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.api_model import violations
from .._private.checks import Checks
from .._private.encryption import grant_statement, use_statement
from .._private.function import ProjectFunction
from .._private.named_scope import named_scope
from .._private.policies import allow, attach
from .._private.statements import metric_statement
from ..data import DataStoreBase, StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from .base import JobBase
from .date_partitioned_dataset import DatePartitionedDataset
from .overrides import merged

_VERBS = ("DeleteItem", "GetItem", "PutItem", "UpdateItem")


class Specification(Protocol):
    """The specification of one job, of any kind."""

    @property
    def store(self) -> DataStoreBase:
        """Data store of the job's inputs and outputs."""
        ...

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not allow."""
        ...

    def grant(self, scope: Construct, /) -> None:
        """Grant the job's role access to its inputs and outputs."""
        ...


class JobResource(JobBase):
    """A job that a stack defines: its document in the state table, from which triggers start jobs.

    Attributes:
        state: Table that holds the document.
        store: Data store of the job's inputs and outputs.
        function: The function behind the custom resource.
        resource: The custom resource.

    """

    state: StateTable
    store: DataStoreBase
    function: ProjectFunction
    resource: CustomResource

    @abstractmethod
    def request(self) -> dict[str, Any]:
        """The ``Create*`` request without the job's name."""

    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The job document, from which every trigger starts jobs (see ADR 3)."""
        return {
            "job": self.job,
            "kind": self.kind.name,
            "request": self.request(),
            "data": None,
            "start_on_deploy": start_on_deploy,
        }

    @property
    @abstractmethod
    def roles(self) -> Sequence[ExecutionRole]:
        """Roles that are passed to SageMaker."""

    @property
    def data(self) -> DatePartitionedDataset | None:
        """The date-partitioned dataset, if the job has one."""
        return None

    @property
    def input_prefixes(self) -> Sequence[str]:
        """Prefixes of the data store that must have objects before a job starts."""
        return () if self.data is None else (self.data.prefix,)

    def overridden(self, request: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """A request with overrides applied.

        Args:
            request: The request.
            overrides: Values by path, see ``JobSpecification``.

        Raises:
            ConfigurationError: If the request has no such member.

        """
        with Checks(self) as check:
            return merged(check, request, overrides)

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to start jobs with this isolation, role and data."""
        return attach(grantee, self.start_statements())

    def start_statements(self) -> list[iam.PolicyStatement]:
        """The statements of ``grant_start``."""
        store, data = self.store, self.data
        # SageMaker requires the caller's permission only where the job's role has none.
        # https://docs.aws.amazon.com/sagemaker/latest/dg/api-permissions-reference.html
        permitted = (
            bool(self.roles)
            and store.key is not None
            and all(role.creates_grants(store.key) for role in self.roles)
        )
        key = [] if store.key is None or permitted else [grant_statement(store.key)]
        tags = [allow(["sagemaker:AddTags"], [self.jobs_arn])] if "Tags" in self.request() else []
        pass_role = allow(
            ["iam:PassRole"],
            [role.role_arn for role in self.roles],
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
        runs: list[iam.PolicyStatement] = []
        if data is not None:
            manifests = f"{data.prefix}runs/{self.kind.names(self.job)}/*"
            if store.key is not None:
                runs.append(use_statement(store.key, ["s3"], reads=False))
            runs.append(allow(["s3:PutObject"], [store.bucket.arn_for_objects(manifests)]))
        return [
            allow(
                [self.kind.action("Create")], [self.jobs_arn], isolation_conditions(self.request())
            ),
            *tags,
            *([pass_role] if self.roles else []),
            *[store.list_statement(prefix) for prefix in self.input_prefixes],
            *runs,
            *key,
        ]

    def _define(
        self,
        specification: Specification,
        *,
        job: str,
        state: StateTable,
        network: PrivateNetwork,
        start_on_deploy: bool,
        alert_topic: sns.ITopic | None,
    ) -> None:
        """Define the job of one specification.

        Raises:
            ConfigurationError: If the name or a value of the specification is not allowed.

        """
        with Checks(self) as check:
            check.name("job", job, self.kind.name_limit)
            specification.check(check)
        self.job = job
        self.state, self.store = state, specification.store
        specification.grant(self)
        self._declare(network=network, start_on_deploy=start_on_deploy, alert_topic=alert_topic)

    def _declare(
        self,
        *,
        network: PrivateNetwork,
        start_on_deploy: bool,
        alert_topic: sns.ITopic | None,
    ) -> None:
        """Define the function and the custom resource; the attributes must be set.

        Raises:
            ConfigurationError: If the request does not match SageMaker's API model.

        """
        with Checks(self) as check:
            operation = f"Create{self.kind.noun}"
            for fault in violations(operation, self.request(), without=(self.kind.name_key,)):
                check.refuse("RequestNotAllowed", fault)
        named = named_scope(self, "Job", self.job)
        self.function = ProjectFunction(
            named,
            "Function",
            folder="job_resource",
            description=f"Custom resource of the {self.kind.name} job {self.job}",
            network=network,
            key=self.state.key,
            environment={"STATE_TABLE": self.state.table_name},
            timeout=Duration.minutes(5),
            alert_topic=alert_topic,
            serves_cloudformation=True,
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
            named,
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
        # On deletion the function still needs its permissions and its network access.
        policies = [policy for role in self.roles for policy in role.policies]
        self.resource.node.add_dependency(
            *self.function.prerequisites, *policies, *network.dependencies
        )


def isolation_conditions(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """IAM conditions that deny jobs with less isolation than the request.

    They apply to every principal with ``grant_start``.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    parts = _parts(request)
    fields = {
        "sagemaker:InterContainerTrafficEncryption": "EnableInterContainerTrafficEncryption",
        "sagemaker:NetworkIsolation": "EnableNetworkIsolation",
    }
    bools = {
        key: "true"
        for key, field in fields.items()
        if all(part.get(field) is True for part in parts)
    }
    conditions: dict[str, Any] = {"Bool": bools} if bools else {}
    if all("VpcConfig" in part for part in parts):
        conditions["Null"] = {"sagemaker:VpcSubnets": "false"}
    return conditions if conditions else None


def _parts(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a request with isolation settings."""
    if "TrainingJobDefinitions" in request:
        return list(request["TrainingJobDefinitions"])
    for key in ("TrainingJobDefinition", "NetworkConfig"):
        if key in request:
            return [request[key]]
    return [request]
