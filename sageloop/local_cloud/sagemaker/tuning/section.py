"""CreateHyperParameterTuningJob and the other operations on tuning jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.tuning import limits, requests, warm_start
from sageloop.local_cloud.sagemaker.tuning.definitions import Definition, training_request
from sageloop.local_cloud.sagemaker.tuning.repository import ENDED, FAMILY, TuningJobRepository
from sageloop.local_cloud.sagemaker.tuning.run import Plan, TuningRun
from sageloop.local_cloud.sagemaker.tuning.trials import Trial

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.training.section import TrainingJobs

_SUMMARY = (
    "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus",
    "Strategy", "CreationTime", "HyperParameterTuningEndTime", "LastModifiedTime",
    "TrainingJobStatusCounters", "ObjectiveStatusCounters", "ResourceLimits",
)  # fmt: skip
_TRIAL = (
    "TrainingJobDefinitionName", "TrainingJobName", "TrainingJobArn", "CreationTime",
    "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus", "TunedHyperParameters",
    "FailureReason", "FinalHyperParameterTuningJobObjectiveMetric", "ObjectiveStatus",
)  # fmt: skip
_OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"
_VALUE = "FinalObjectiveMetricValue"


class TuningJobs:
    """Operations on tuning jobs; the trials of a job are training jobs."""

    def __init__(self, account: Account, training: TrainingJobs) -> None:
        self._account = account
        self._training = training
        self._store = account.store
        self._repository = TuningJobRepository(account)
        self._lock = threading.Lock()
        self._runs: dict[str, TuningRun] = {}

    @operation("CreateHyperParameterTuningJob")
    def create(self, call: Call) -> dict[str, Any]:
        """Start a tuning job in the background."""
        request = call.params
        definitions = requests.check(request)
        parents = self._parents(request)
        is_executable = [self._check_training(request, definition) for definition in definitions]
        document = self._repository.open(request, definitions)
        arn = document["HyperParameterTuningJobArn"]
        # A job of an image that is stored without execution (--allow) reports no objective.
        if all(is_executable):
            plan = _plan(request, arn, definitions, parents)
            run = TuningRun(self._account, self._training, self._repository, plan)
            with self._lock:
                self._runs[request["HyperParameterTuningJobName"]] = run
            run.start()
        return {"HyperParameterTuningJobArn": arn}

    @operation("DescribeHyperParameterTuningJob")
    def describe(self, call: Call) -> dict[str, Any]:
        """Return the tuning job."""
        name = call.params["HyperParameterTuningJobName"]
        document = self._store.get(FAMILY, name)
        run = self._run(name)
        if run is not None:
            document["ConsumedResources"] = {"RuntimeInSeconds": run.runtime}
        return document

    @operation("ListHyperParameterTuningJobs")
    def list_jobs(self, call: Call) -> dict[str, Any]:
        """List tuning jobs by name, status and times."""
        known = [_with_config(document) for document in self._store.list(FAMILY)]
        return list_response(
            known, call.params, result="HyperParameterTuningJobSummaries",
            name="HyperParameterTuningJobName", status="HyperParameterTuningJobStatus",
            members=_SUMMARY, default_order="Ascending", default_sort="Name",
        )  # fmt: skip

    @operation("ListTrainingJobsForHyperParameterTuningJob")
    def list_trials(self, call: Call) -> dict[str, Any]:
        """List the training jobs of a tuning job; sorted by objective, those that have one."""
        name = call.params["HyperParameterTuningJobName"]
        self._store.get(FAMILY, name)
        run = self._run(name)
        summaries = [self._summary(trial) for trial in (run.trials if run is not None else ())]
        if call.params.get("SortBy") == _VALUE:
            summaries = [_with_value(one) for one in summaries if _OBJECTIVE in one]
        return list_response(
            summaries, call.params, result="TrainingJobSummaries", name="TrainingJobName",
            status="TrainingJobStatus", members=_TRIAL, sort={_VALUE: _VALUE},
            default_order="Ascending", default_sort="Name",
        )  # fmt: skip

    @operation("StopHyperParameterTuningJob")
    def stop_job(self, call: Call) -> None:
        """Stop a tuning job and its running training jobs."""
        name = call.params["HyperParameterTuningJobName"]
        if not self._repository.mark_stopping(name):
            return
        run = self._run(name)
        if run is None:
            self._repository.move(name, "Stopped")
        else:
            run.request_stop()

    @operation("DeleteHyperParameterTuningJob")
    def delete_job(self, call: Call) -> None:
        """Delete a tuning job that has ended; its training jobs are kept."""
        name = call.params["HyperParameterTuningJobName"]
        with self._store.changed:
            status = self._store.get(FAMILY, name)["HyperParameterTuningJobStatus"]
            if status not in ENDED:
                raise AwsError(
                    "ResourceInUse",
                    f"Hyperparameter tuning job {name} cannot be deleted in status {status}; "
                    "stop it first.",
                )
            self._store.delete(FAMILY, name)
        with self._lock:
            self._runs.pop(name, None)

    def stop(self) -> None:
        """Start no more training jobs; the tuning jobs keep their statuses."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def _run(self, name: str) -> TuningRun | None:
        with self._lock:
            return self._runs.get(name)

    def _summary(self, trial: Trial) -> dict[str, Any]:
        return trial.summary(self._store.find("training-job", trial.name))

    def _check_training(self, request: dict[str, Any], definition: Definition) -> bool:
        # A request whose trials would be refused is refused before the first trial; an exceeded
        # quota only if it is exceeded for each instance type.
        name = f"{request['HyperParameterTuningJobName']}-001-00000000"
        arn = self._account.store.arn(FAMILY, request["HyperParameterTuningJobName"])
        values = {p.name: p.sample for p in definition.searched}
        refusals, is_executable = [], False
        for resources in definition.resources:
            training = training_request(definition, name=name, values=values, resources=resources)
            try:
                is_executable = self._training.check(training, tuning_job_arn=arn)
            except AwsError as error:
                if error.code != "ResourceLimitExceeded":
                    raise
                refusals.append(error)
        if len(refusals) == len(definition.resources):
            raise refusals[-1]
        return is_executable

    def _parents(self, request: dict[str, Any]) -> list[Trial]:
        if "WarmStartConfig" not in request:
            return []
        names = warm_start.parent_names(request)
        documents = [self._store.get(FAMILY, name) for name in names]
        runs = [run for run in map(self._run, names) if run is not None]
        trials = [trial for run in runs for trial in run.trials]
        for message in warm_start.violations(request, documents, len(trials)):
            raise AwsError("ValidationException", message)
        return trials


def _with_config(document: dict[str, Any]) -> dict[str, Any]:
    config = document["HyperParameterTuningJobConfig"]
    return document | {member: config[member] for member in ("Strategy", "ResourceLimits")}


def _with_value(summary: dict[str, Any]) -> dict[str, Any]:
    # A tuple, because zero must sort as a value and not as a missing one.
    return summary | {_VALUE: (summary[_OBJECTIVE]["Value"],)}


def _plan(
    request: dict[str, Any], arn: str, definitions: list[Definition], parents: list[Trial]
) -> Plan:
    config = request["HyperParameterTuningJobConfig"]
    bounds = config["ResourceLimits"]
    warm = request.get("WarmStartConfig", {}).get("WarmStartType")
    return Plan(
        name=request["HyperParameterTuningJobName"],
        arn=arn,
        strategy=config["Strategy"],
        definitions=definitions,
        max_jobs=limits.max_jobs(request),
        parallel=bounds["MaxParallelTrainingJobs"],
        max_runtime=bounds.get("MaxRuntimeInSeconds"),
        seed=config.get("RandomSeed"),
        early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        criteria=config.get("TuningJobCompletionCriteria", {}),
        hyperband=[limits.hyperband_of(request, d.document) for d in definitions],
        tags=request.get("Tags", ()),
        parents=parents,
        overall=warm == warm_start.IDENTICAL,
    )
