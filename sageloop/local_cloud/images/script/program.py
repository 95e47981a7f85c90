"""The ``train`` command: from fetching the code to the success or failure file."""

from __future__ import annotations

import logging
import os
import sys
import time

from sageloop.local_cloud.images.frameworks import Framework
from sageloop.local_cloud.images.script import (
    child,
    code,
    distribution,
    entry,
    failures,
    mpi,
    training,
    variables,
)
from sageloop.local_cloud.images.script.distribution import Launch, Program
from sageloop.local_cloud.images.script.environments import python_for
from sageloop.local_cloud.images.script.intermediate import Intermediate

_TERMINATED = 143


def train(framework: Framework | None) -> int:
    """Run the job's script once; returns the container's exit code."""
    stop = child.Stop()
    job = training.read(os.environ)
    try:
        with Intermediate(job, _saying(job)):
            _run(job, framework, stop)
    except failures.Terminated:
        return _TERMINATED
    except Exception as error:  # every error is reported to the job's owner
        text = failures.failure_text(error)
        failures.write_failure(job.output, text)
        _print(f"Reporting training FAILURE\n{text}")
        return failures.exit_code(error)
    failures.write_success(job.output)
    _saying(job)("Reporting training SUCCESS")
    return 0


def _run(job: training.Training, framework: Framework | None, stop: child.Stop) -> None:
    say = _saying(job)
    code.bring(job, say)
    name = entry.checked(job.entry_point, job.code)
    kind = entry.kind_of(name, job.code)
    if kind is entry.Kind.COMMAND and (job.code / name).exists():
        (job.code / name).chmod(0o777)
    with python_for(kind, job.code, os.environ, say) as python:
        arguments = variables.arguments(job.hyperparameters)
        launch = distribution.launch(job, Program(name, kind, arguments, python), framework)
        for note in launch.notes:
            say(note)
        _start(job, launch, capture=framework is not None and framework.captures_errors, stop=stop)


def _start(job: training.Training, launch: Launch, *, capture: bool, stop: child.Stop) -> None:
    environment = dict(os.environ) | variables.variables(job) | launch.variables
    stand_ins = environment.pop("SAGELOOP_STAND_INS", None)
    if stand_ins is not None:
        # Last: an installed library has priority over its replacement.
        environment["PYTHONPATH"] += f"{os.pathsep}{stand_ins}"
    if launch.mpi is not None and job.host != job.master:
        mpi.await_first(job)
        return
    command = launch.command
    if launch.mpi is not None:
        command = mpi.command(job, launch.mpi, command)
    _saying(job)(f"Invoking script with the following command:\n\n{failures.quoted(command)}\n")

    def run() -> None:
        child.run(
            command, environment=environment, directory=job.code, capture=capture, stop=stop,
            launcher=launch.launcher,
        )  # fmt: skip

    if launch.mpi is None:
        run()
    else:
        with mpi.others_waiting(job):
            run()


def _saying(job: training.Training) -> code.Say:
    level = job.log_level
    loud = not isinstance(level, int) or level <= logging.INFO

    def say(text: str) -> None:
        if loud:
            _print(text)

    return say


def _print(text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    sys.stdout.write(f"{stamp} sageloop-training INFO     {text}\n")
    sys.stdout.flush()
