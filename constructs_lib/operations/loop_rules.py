"""Checks of the job of a retraining loop."""

from __future__ import annotations

from .._private.checks import Checks, known
from ..training import TrainingJob, TuningJob
from ..training.specification import JobSpecification
from .values import Gate, gate_fault


def check_job(check: Checks, job: TrainingJob | TuningJob, gate: Gate) -> None:
    """Refuse a job without a hold-out, without the gate's metric, or that cannot be served."""
    if job.data is None:
        check.refuse("DataMissing", "the job of a loop needs a DatePartitionedDataset: its last "
                     "days are the gate's hold-out")  # fmt: skip
    if isinstance(job, TuningJob):
        for definition in job.definitions:
            _check_serves(check, definition.specification)
        _check_objectives(check, job, gate)
    else:
        _check_serves(check, job.specification)
        _check_reported(check, job.specification, gate)


def _check_serves(check: Checks, specification: JobSpecification) -> None:
    """Refuse an image that needs inference code: the loop's model packages have none."""
    algorithm = specification.algorithm
    if not algorithm.serves:
        check.refuse("ImageCannotServe", "the job of a loop must train with a built-in algorithm "
                     "or a CustomImage without source, whose image serves the artifact too, got "
                     f"{type(algorithm).__name__}: serve its models by Endpoint and Model, which "
                     "take inference image and code")  # fmt: skip


def _check_reported(check: Checks, specification: JobSpecification, gate: Gate) -> None:
    """Refuse a gate on a metric that the job does not report."""
    if gate_fault(gate.metric, gate.objective) is not None or not specification.algorithm.serves:
        return  # Gate.check has refused it.
    reported = specification.algorithm.reported(specification.metric_definitions)
    if reported is None or not known(gate.metric) or gate.metric in reported:
        return
    listed = ", ".join(sorted(reported)) if reported else "none"
    check.refuse("MetricNotReported", f"gate.metric must be one that the job reports ({listed}), "
                 f"got {gate.metric!r}")  # fmt: skip


def _check_objectives(check: Checks, job: TuningJob, gate: Gate) -> None:
    """Refuse a tuning job whose objective differs from the gate's metric."""
    for objective in job.objectives:
        if (objective.metric, objective.type) != (gate.metric, gate.objective):
            expected = f"{gate.objective} {gate.metric}"
            check.refuse("ObjectiveNotTheGates", f"a tuning job in a loop must {expected} as the "
                         f"gate does, got {objective.type} {objective.metric}")  # fmt: skip
