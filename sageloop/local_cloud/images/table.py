"""The table of local programs and the lookup of an image's program."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.images import builtin, frameworks
from sageloop.local_cloud.images.builtin import Program
from sageloop.local_cloud.images.script.support import (
    refusal as distribution_refusal,
)

Job = Mapping[str, Any]
Container = Mapping[str, Any]

_lock = threading.Lock()
_registered: list[Program] = []


@dataclass(frozen=True, slots=True)
class _Request:
    """The properties of a job that select the command of its container."""

    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    scripted: bool

    @classmethod
    def of(cls, job: Job | None) -> _Request:
        specification = {} if job is None else job.get("AlgorithmSpecification", {})
        return cls(
            tuple(specification.get("ContainerEntrypoint", ())),
            tuple(specification.get("ContainerArguments", ())),
            job is not None and _requests_script(job),
        )


def register(
    image_pattern: str, command: Sequence[str] | None = None, *,
    training: Sequence[str] | None = None, serving: Sequence[str] | None = None,
    processing: Sequence[str] | None = None, script_mode: bool = False,
) -> None:  # fmt: skip
    """Register a local program for images whose URI matches a shell pattern.

    ``command`` is run with ``train`` or ``serve`` appended, like ``docker run image train``, and
    for processing as it is; ``training``, ``serving`` and ``processing`` are complete commands and
    take precedence. With ``script_mode`` the image contains AWS's training toolkit: a job whose
    hyperparameters name a ``sagemaker_program`` runs it, and a model is served with the functions
    of its ``inference.py``. The latest matching registration has priority, also over the
    built-in programs.
    """
    if not script_mode and all(line is None for line in (command, training, serving, processing)):
        raise ValueError(
            f"register({image_pattern!r}) needs command, training, serving, processing or "
            "script_mode"
        )
    made = Program(
        image_pattern,
        training=_line(training, command, "train"),
        serving=_line(serving, command, "serve"),
        processing=_line(processing, command, None),
        script=builtin.script_program() if script_mode else None,
        inference=builtin.inference_program() if script_mode else None,
    )
    with _lock:
        _registered.append(made)


def unregister(image_pattern: str) -> None:
    """Remove the registrations of exactly this pattern."""
    with _lock:
        _registered[:] = [p for p in _registered if p.pattern != image_pattern]


def training_command(image: str, job: Job | None = None) -> list[str] | None:
    """The training command of an image, or ``None`` if it has no local program.

    ``job`` is the CreateTrainingJob request: its ContainerEntrypoint replaces the program, its
    ContainerArguments the word ``train``, and its hyperparameters may select script mode.
    """
    request = _Request.of(job)
    for program in _matching(image):
        if request.entrypoint:
            return [*builtin.ENTRYPOINT, *request.entrypoint, *request.arguments]
        own = program.training_line(scripted=request.scripted)
        if own is not None:
            verb = own[-1:] == ("train",) and request.arguments != ()
            return [*(own[:-1] if verb else own), *request.arguments]
    return None


def refusal(image: str, job: Job) -> str | None:
    """Why a training job of a known image cannot run locally, in one line; ``None`` if it can."""
    program = next(_matching(image), None)
    if program is None:
        return None
    missing = frameworks.missing(program.needs)
    if missing is not None:
        return f"the training image {image} {missing}"
    line = training_command(image, job)
    if line is not None and program.script is not None and line == list(program.script):
        return distribution_refusal(job.get("HyperParameters", {}))
    return None


def serving_command(image: str, container: Container | None = None) -> list[str] | None:
    """The serving command of an image, or ``None`` if it has no local program.

    ``container`` is the model's ContainerDefinition: its environment may name the user's script
    (``SAGEMAKER_PROGRAM``) if the image contains an algorithm too.
    """
    environment = {} if container is None else container.get("Environment", {})
    scripted = "SAGEMAKER_PROGRAM" in environment
    lines = (p.serving_line(scripted=scripted) for p in _matching(image))
    chosen = next((line for line in lines if line is not None), None)
    return None if chosen is None else list(chosen)


def multi_model_command(image: str) -> list[str] | None:
    """The command that serves a multi-model endpoint, or ``None`` if the image does not support it.

    A registered program must implement the API of multi-model containers itself.
    """
    program = next(_matching(image), None)
    if program is None:
        return None
    line = program.many if program in builtin.PROGRAMS else program.serving
    return None if line is None else list(line)


def serving_refusal(image: str, container: Container | None = None) -> str | None:
    """Why a model of an image cannot be served locally, in one line; ``None`` if it can."""
    if serving_command(image, container) is None:
        known = ", ".join(known_images())
        return f"the image {image} (it has no local serving program; images with one: {known})"
    program = next(_matching(image))
    missing = frameworks.missing(program.needs)
    return None if missing is None else f"the image {image}, which {missing}"


def processing_command(image: str) -> list[str] | None:
    """The processing command of an image, or ``None`` if it has no local program."""
    lines = (p.processing for p in _matching(image) if p.processing is not None)
    line = next(lines, None)
    return None if line is None else list(line)


def metric_definitions(image: str) -> list[dict[str, str]]:
    """The metric definitions that AWS adds to every job of a built-in algorithm's image."""
    own = builtin.algorithm_of(image)
    return [] if own is None else [dict(d) for d in own.metrics()]


def is_xgboost(image: str) -> bool:
    """Whether an image is the built-in XGBoost algorithm's."""
    own = builtin.algorithm_of(image)
    return own is not None and own.pattern == builtin.XGBOOST


def known_images() -> list[str]:
    """Patterns of the images that have a local program, for error messages."""
    with _lock:
        return sorted({p.pattern for p in (*_registered, *builtin.PROGRAMS)})


def _matching(image: str) -> Iterator[Program]:
    with _lock:
        own = [p for p in reversed(_registered) if fnmatch.fnmatchcase(image, p.pattern)]
    yield from own
    yield from (p for p in builtin.PROGRAMS if builtin.matches(image, p))


def _requests_script(job: Job) -> bool:
    names = job.get("HyperParameters", {}).keys() | job.get("Environment", {}).keys()
    return not names.isdisjoint(
        ("sagemaker_program", "sagemaker_submit_directory", "SAGEMAKER_PROGRAM")
    )


def _line(
    whole: Sequence[str] | None, command: Sequence[str] | None, verb: str | None
) -> tuple[str, ...] | None:
    if whole is not None:
        return tuple(whole)
    if command is None:
        return None
    return tuple(command) if verb is None else (*command, verb)
