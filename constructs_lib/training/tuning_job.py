"""Hyperparameter tuning job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from .._private.errors import ConfigurationError
from .._private.policies import allow, arn
from ..data import StateTable
from ..identity import ExecutionRole, TrainingRole
from ..network import PrivateNetwork
from .date_partitioned_dataset import DatePartitionedDataset
from .kinds import TUNING
from .ranges import Range, render_ranges
from .resource import JobResource
from .specification import JobSpecification
from .tuning_definition import TuningDefinition
from .tuning_rules import (
    CompletionCriteria,
    Hyperband,
    Limits,
    Objective,
    Strategy,
    WarmStart,
    check_definition_name,
    check_strategy,
    strategy_name,
)


class TuningJob(JobResource):
    """Defines a hyperparameter tuning job, with the triggers of a training job.

    A deployment records the request, and starts a job only with ``start_on_deploy`` and a changed
    request. Deleting or rolling back the resource stops running jobs. Names of jobs are
    ``<job>-<10 hex digits>``, of trials ``<job>-<10 hex digits>-<number>-<8 hex>``. In a
    ``RetrainingLoop`` the gate evaluates the best trial.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning.html

    Example:
        >>> job = TuningJob(stack, "Search", job="demo-flights", specification=specification,
        ...                 ranges=[IntegerRange("max_depth", 3, 9),
        ...                         ContinuousRange("eta", 0.05, 0.4, scaling="Logarithmic")],
        ...                 max_jobs=20, max_parallel=2, state=state, network=network)
        >>> job.grant_start(people)

    """

    kind = TUNING

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        state: StateTable,
        network: PrivateNetwork,
        specification: JobSpecification | None = None,
        ranges: Sequence[Range] = (),
        static: Mapping[str, str | int | float] | None = None,
        objective: Objective | None = None,
        definitions: Sequence[TuningDefinition] = (),
        strategy: Strategy | Hyperband | str = Strategy.BAYESIAN,
        max_jobs: int | None = None,
        max_parallel: int = 1,
        max_runtime_seconds: int | None = None,
        quota_override: bool = False,
        early_stopping: bool = False,
        completion: CompletionCriteria | None = None,
        warm_start: WarmStart | None = None,
        random_seed: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        start_on_deploy: bool = False,
        alert_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the tuning job.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            job: Name prefix of the jobs, at most 21 characters.
            state: State table that holds the request.
            network: Network of the custom resource's function.
            specification: Training job, if there is one definition; its role needs ``tunes=True``.
            ranges: Ranges of 1 to 30 hyperparameters.
            static: Additional static hyperparameters, see ``TuningDefinition``.
            objective: Objective metric; by default that of the algorithm.
            definitions: 1 to 10 training job definitions, in place of the four above.
            strategy: A ``Strategy`` or ``Hyperband``.
            max_jobs: Maximum number of trials, at most 750; a grid's follows from its ranges.
            max_parallel: Maximum number of parallel trials, at most 10.
            max_runtime_seconds: Maximum runtime in seconds, 120 to 15,768,000; no limit by default.
            quota_override: Whether the account has increased quotas, see ``Limits``.
            early_stopping: Whether SageMaker stops trials early.
            completion: Completion criteria before the limits.
            warm_start: Parent tuning jobs.
            random_seed: Seed of the search, at least 0; for reproducible configurations.
            overrides: Fields of the request that the library does not model, by path
                (``"HyperParameterTuningJobConfig.ParameterRanges.AutoParameters"``) or nested.
            start_on_deploy: Whether a new or changed request starts a job; the deployment then
                fails if the dataset is empty.
            alert_topic: SNS topic that is notified when the function fails.

        Raises:
            ConfigurationError: If a name, a value or a combination is not allowed.

        """
        super().__init__(scope, construct_id)
        self.several = len(definitions) > 0
        self.definitions = _definitions(
            self, definitions, specification, ranges, static=static, objective=objective
        )
        self.limits = Limits(
            jobs=max_jobs, parallel=max_parallel, runtime_seconds=max_runtime_seconds,
            raised=quota_override,
        )  # fmt: skip
        self.strategy, self.early_stopping = strategy, early_stopping
        self.completion, self.warm_start, self.random_seed = completion, warm_start, random_seed
        self.overrides = {} if overrides is None else overrides
        self.job = job
        self._check()
        self.specification = self.definitions[0].specification
        self.objectives = self._objectives()
        self.state, self.store = state, self.specification.store
        for definition in self.definitions:
            definition.specification.grant(self)
        self._declare(
            network=network,
            start_on_deploy=start_on_deploy,
            alert_topic=alert_topic,
        )

    @property
    def trial_arns(self) -> list[str]:
        """ARNs of all trials of this name prefix."""
        names = self.kind.trial_names(self.job)
        return [arn(self, "sagemaker", "training-job", name) for name in names]

    @property
    def job_arns(self) -> list[str]:
        """ARNs of all tuning jobs of this name prefix, and of their trials."""
        return [self.jobs_arn, *self.trial_arns]

    @property
    def roles(self) -> Sequence[ExecutionRole]:
        """The roles that are passed to SageMaker, each once."""
        roles: list[ExecutionRole] = []
        for definition in self.definitions:
            if definition.specification.role not in roles:
                roles.append(definition.specification.role)
        return roles

    @property
    def input_prefixes(self) -> Sequence[str]:
        """Prefixes of the data store that must have objects before a job starts."""
        return self.specification.input_prefixes

    @property
    def data(self) -> DatePartitionedDataset | None:
        """The date-partitioned dataset, the same for all definitions."""
        return self.specification.data

    def describe_statements(self) -> list[iam.PolicyStatement]:
        """Statements to describe tuning jobs and their trials."""
        listing = "sagemaker:ListTrainingJobsForHyperParameterTuningJob"
        return [
            *self.status_statements(),
            allow([listing], [self.jobs_arn]),
            allow(["sagemaker:DescribeTrainingJob"], self.trial_arns),
        ]

    def request(self) -> dict[str, Any]:
        """The ``CreateHyperParameterTuningJob`` request without the job's name."""
        request: dict[str, Any] = {"HyperParameterTuningJobConfig": self._config()}
        if self.several:
            request["TrainingJobDefinitions"] = [
                definition.named(self, objective)
                for definition, objective in zip(self.definitions, self.objectives, strict=True)
            ]
        else:
            request["TrainingJobDefinition"] = self.definitions[0].rendered(self)
        if self.warm_start is not None:
            request["WarmStartConfig"] = self.warm_start.rendered()
        return self.overridden(request, self.overrides)

    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The job document, from which every trigger starts jobs (see ADR 3)."""
        trained = self.specification.document(self, job=self.job, start_on_deploy=start_on_deploy)
        return {**trained, "kind": self.kind.name, "request": self.request()}

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "Strategy": strategy_name(self.strategy),
            "ResourceLimits": self.limits.rendered(),
            "TrainingJobEarlyStoppingType": "Auto" if self.early_stopping else "Off",
        }
        if not self.several:
            config["HyperParameterTuningJobObjective"] = self.objectives[0].rendered()
            config["ParameterRanges"] = render_ranges(self.definitions[0].ranges)
        if isinstance(self.strategy, Hyperband):
            config["StrategyConfig"] = self.strategy.rendered()
        if self.completion is not None:
            config["TuningJobCompletionCriteria"] = self.completion.rendered()
        if self.random_seed is not None:
            config["RandomSeed"] = self.random_seed
        return config

    def _check(self) -> None:
        with Checks(self) as check:
            check.name("job", self.job, self.kind.name_limit)
            if self.several:
                check_definition_name(check, [each.name for each in self.definitions])
            for definition in self.definitions:
                definition.check(check, self)
                _check_role(check, definition)
            check_strategy(
                check, self.strategy, limits=self.limits, early_stopping=self.early_stopping,
                searches=[definition.ranges for definition in self.definitions],
                ends_itself=self.completion is not None,
            )  # fmt: skip
            for part in (self.completion, self.warm_start):
                if part is not None:
                    part.check(check)
            if self.random_seed is not None:
                check.whole("random_seed", self.random_seed, 0, 2**31 - 1)
            self._check_data(check)

    def _check_data(self, check: Checks) -> None:
        """Refuse definitions with other data: all share one manifest."""
        first = self.definitions[0].specification
        for definition in self.definitions[1:]:
            other = definition.specification
            if other.data != first.data or other.store is not first.store:
                check.refuse("DataNotShared", f"{definition.label} must have the store and the "
                             "data of the first definition")  # fmt: skip

    def _objectives(self) -> list[Objective]:
        with Checks(self) as check:
            objectives = [definition.improved(check) for definition in self.definitions]
        return [objective for objective in objectives if objective is not None]


def _definitions(
    scope: Construct,
    definitions: Sequence[TuningDefinition],
    specification: JobSpecification | None,
    ranges: Sequence[Range],
    *,
    static: Mapping[str, str | int | float] | None,
    objective: Objective | None,
) -> list[TuningDefinition]:
    single = specification is not None or len(ranges) > 0 or static or objective is not None
    if definitions and single:
        raise ConfigurationError(
            "DefinitionTwice",
            scope,
            "definitions takes the place of specification, ranges, static and objective: got both",
        )
    if definitions:
        return list(definitions)
    if specification is None:
        raise ConfigurationError("ValueMissing", scope, "specification or definitions is needed, "
                                 "got neither")  # fmt: skip
    return [TuningDefinition(
        specification=specification, ranges=ranges, static={} if static is None else static,
        objective=objective,
    )]  # fmt: skip


def _check_role(check: Checks, definition: TuningDefinition) -> None:
    role = definition.specification.role
    if isinstance(role, TrainingRole) and not role.tunes:
        check.refuse("RoleNotAllowed", f"{definition.label}: the role must be one that a tuning "
                     "job may assume: TrainingRole(..., tunes=True)")  # fmt: skip
