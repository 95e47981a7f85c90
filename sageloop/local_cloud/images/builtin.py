"""The programs of the local cloud: built-in algorithms and frameworks."""

from __future__ import annotations

import fnmatch
import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sageloop.local_cloud.images.frameworks import (
    PYTORCH,
    SCIKIT_LEARN,
    TENSORFLOW,
    XGBOOST_LIBRARY,
    Framework,
)

_PACKAGE = __name__.rpartition(".")[0]
# Isolated: neither the caller's directory nor PYTHON* variables reach the program.
_PYTHON = (sys.executable, "-I", "-m")
ENTRYPOINT = (*_PYTHON, f"{_PACKAGE}.entrypoint")


@dataclass(frozen=True, slots=True)
class Program:
    """The local commands of an image for training, serving and processing; ``None`` if unsupported.

    ``script`` trains with the user's script, ``inference`` serves with the user's functions, and
    ``many`` serves the models of a multi-model endpoint. ``algorithm`` is the module with the
    metric definitions of a built-in algorithm. ``needs`` is the framework that must be installed.
    """

    pattern: str
    training: tuple[str, ...] | None = None
    serving: tuple[str, ...] | None = None
    processing: tuple[str, ...] | None = None
    script: tuple[str, ...] | None = None
    inference: tuple[str, ...] | None = None
    many: tuple[str, ...] | None = None
    algorithm: str | None = None
    needs: Framework | None = None

    def training_line(self, *, scripted: bool) -> tuple[str, ...] | None:
        """The training command. An image without an algorithm always runs a script."""
        if self.script is not None and (scripted or self.training is None):
            return self.script
        return self.training

    def serving_line(self, *, scripted: bool) -> tuple[str, ...] | None:
        """The serving command. An image without an algorithm always serves a script."""
        if self.inference is not None and (scripted or self.serving is None):
            return self.inference
        return self.serving

    def metrics(self) -> Iterable[Mapping[str, str]]:
        """The metric definitions of the built-in algorithm."""
        if self.algorithm is None:
            return ()
        definitions: Iterable[Mapping[str, str]] = importlib.import_module(
            f"{_PACKAGE}.{self.algorithm}"
        ).METRIC_DEFINITIONS
        return definitions


def script_program(framework: Framework | None = None) -> tuple[str, ...]:
    """The command that runs a training script in a framework's image."""
    which = () if framework is None else (f"--framework={framework.name}",)
    return (*_PYTHON, f"{_PACKAGE}.script", *which, "train")


def inference_program(framework: Framework | None = None) -> tuple[str, ...]:
    """The command that serves with the user's functions in a framework's image."""
    which = () if framework is None else (f"--framework={framework.name}",)
    return (*_PYTHON, f"{_PACKAGE}.script.inference", *which, "serve")


def many_program(framework: str) -> tuple[str, ...]:
    """The command that serves the models of a multi-model endpoint."""
    return (*_PYTHON, f"{_PACKAGE}.multi_model", f"--framework={framework}")


def matches(image: str, program: Program) -> bool:
    """Whether a program runs in place of an image that is named by tag or digest."""
    return fnmatch.fnmatchcase(f"/{image.replace('@', ':')}", program.pattern)


def algorithm_of(image: str) -> Program | None:
    """The program of a built-in algorithm's image, or ``None``."""
    return next((p for p in PROGRAMS if p.algorithm is not None and matches(image, p)), None)


def _module(name: str) -> tuple[str, ...]:
    return (*_PYTHON, f"{_PACKAGE}.{name}")


def _algorithm(
    pattern: str, package: str, needs: Framework, *, script: bool = False,
    metrics: str | None = None, many: bool = False,
) -> Program:  # fmt: skip
    return Program(
        pattern,
        training=_module(f"{package}.train"),
        serving=_module(f"{package}.serve"),
        script=script_program(needs) if script else None,
        inference=inference_program(needs) if script else None,
        many=many_program(package) if many else None,
        algorithm=package if metrics is None else metrics,
        needs=needs,
    )


def _framework(
    pattern: str, needs: Framework, *, trains: bool = True, serves: bool = True,
    many: bool = False,
) -> Program:  # fmt: skip
    return Program(
        pattern,
        script=script_program(needs) if trains else None,
        inference=inference_program(needs) if serves else None,
        many=many_program(needs.name) if many else None,
        needs=needs,
    )


XGBOOST = "*/sagemaker-xgboost:*"
PROGRAMS = (
    _algorithm(
        XGBOOST, "xgboost", XGBOOST_LIBRARY, script=True, metrics="xgboost.metrics", many=True
    ),
    _algorithm("*/kmeans:*", "kmeans", SCIKIT_LEARN),
    _algorithm("*/linear-learner:*", "linear_learner", SCIKIT_LEARN, many=True),
    _framework("*/pytorch-training:*", PYTORCH),
    _framework("*/pytorch-inference:*", PYTORCH, trains=False, many=True),
    _framework("*/sagemaker-scikit-learn:*", SCIKIT_LEARN, many=True),
    _framework("*/tensorflow-training:*", TENSORFLOW, serves=False),
    _framework("*/tensorflow-inference:*", TENSORFLOW, trains=False),
)
