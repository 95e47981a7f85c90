"""A training job as infrastructure."""

from __future__ import annotations

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from .._private.encryption import grant_statement
from .._private.function import ProjectFunction
from .._private.policies import allow, attach
from ..data import StateTable
from ..network import PrivateNetwork
from .base import NAME_LIMIT, TrainingJobBase
from .specification import JobSpecification


class TrainingJob(TrainingJobBase):
    """Defines a training job that data, a deployment, a schedule, an alarm or a hand can start.

    Deploying records the specification and starts a job only if told to; an unchanged
    specification starts none. Deleting, and rolling back, stops what is running. Job names are
    derived from what started them: ``<job>-<12 hex digits>``.

    Example:
        >>> job = TrainingJob(stack, "Job", job="demo-flights", specification=specification,
        ...                   state=state, network=network)
        >>> job.grant_stop(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        specification: JobSpecification,
        state: StateTable,
        network: PrivateNetwork,
        start_on_deploy: bool = False,
        reserve_concurrency: bool = True,
        page_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the job.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            job: Prefix of the jobs' names, 40 characters at most.
            specification: What the job is.
            state: Table in which the specification is kept.
            network: Network of the function behind the resource.
            start_on_deploy: Start a job when the specification is created or changes; a
                deployment with an empty data set is then refused.
            reserve_concurrency: Whether the function reserves its concurrency in the account.
            page_topic: Topic told when the function fails.

        Raises:
            ConfigurationError: If a name or a value is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.name("job", job, NAME_LIMIT)
            specification.check(check)
        self.job = job
        self.specification = specification
        self.state = state
        self.function = ProjectFunction(
            self,
            "Function",
            folder="training_job_resource",
            description=f"Records the training job {job}, stops it when it goes",
            network=network,
            key=state.key,
            environment={"STATE_TABLE": state.table_name},
            timeout=Duration.minutes(5),
            reserved_concurrency=2 if reserve_concurrency else None,
            page_topic=page_topic,
        )
        self._allow_role()
        self._allow_function()
        self.resource = self._build_resource(start_on_deploy, network)

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone start jobs: isolated, in the VPC, with this role, from this data."""
        return attach(grantee, self.start_statements())

    def start_statements(self) -> list[iam.PolicyStatement]:
        """The statements of ``grant_start``."""
        specification, role = self.specification, self.specification.role
        store, prefix = specification.store, specification.data.prefix
        isolated = {
            "Bool": {
                "sagemaker:InterContainerTrafficEncryption": "true",
                "sagemaker:NetworkIsolation": "true",
            },
            "Null": {"sagemaker:VpcSubnets": "false"},
        }
        key = [] if store.key is None else [grant_statement(store.key)]
        return [
            allow(["sagemaker:CreateTrainingJob"], [self.jobs_arn], isolated),
            allow(["sagemaker:AddTags"], [self.jobs_arn]),
            allow(["iam:PassRole"], [role.role_arn],
                  {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}),
            store.list_statement(prefix),
            *store.key_statements(),
            allow(["s3:PutObject"], [store.bucket.arn_for_objects(f"{prefix}runs/*")]),
            *key,
        ]  # fmt: skip

    def _allow_role(self) -> None:
        specification = self.specification
        store, role = specification.store, specification.role
        store.grant_read(role, prefix=specification.data.prefix)
        store.grant_write(role, prefix=specification.output_prefix)

    def _allow_function(self) -> None:
        verbs = ("DeleteItem", "GetItem", "PutItem", "UpdateItem")
        self.function.allow(
            *self.state.statements(*verbs),
            *self.start_statements(),
            *self.stop_statements(),
            allow(["sagemaker:ListTrainingJobs"], ["*"]),
        )

    def _build_resource(self, start_on_deploy: bool, network: PrivateNetwork) -> CustomResource:
        document = self.specification.document(self, job=self.job, start_on_deploy=start_on_deploy)
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::TrainingJob",
            service_token=self.function.arn,
            service_timeout=Duration.minutes(30),
            properties={
                "Job": self.job,
                "Document": Stack.of(self).to_json_string(document),
                "StateTable": self.state.table_name,
            },
        )
        # On deletion the function must still have its permissions and its way out.
        policies = [*self.function.permissions, *self.specification.role.policies]
        resource.node.add_dependency(*policies, *network.ready)
        return resource
