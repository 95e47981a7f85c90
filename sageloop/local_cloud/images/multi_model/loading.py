"""Loads models from directories, for each framework's image."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sageloop.local_cloud.images.http_server import Respond, responder
from sageloop.local_cloud.images.multi_model.models import Load
from sageloop.local_cloud.images.script.inference import defaults
from sageloop.local_cloud.images.script.inference.functions import functions_of
from sageloop.local_cloud.images.script.inference.handler import (
    FlaskHandler,
    Handler,
)
from sageloop.local_cloud.images.script.inference.settings import (
    SettingError,
    Settings,
)
from sageloop.local_cloud.images.script.inference.workers import SingleWorker

ALGORITHMS = ("xgboost", "linear_learner")
_SCRIPTED: dict[str, tuple[type[defaults.Defaults], type[Handler], bool]] = {
    "pytorch": (defaults.PyTorch, Handler, False),
    "scikit-learn": (defaults.ScikitLearn, FlaskHandler, True),
    "xgboost": (defaults.XGBoost, Handler, True),
}
FRAMEWORKS = tuple(sorted({*_SCRIPTED, *ALGORITHMS}))


def loader(framework: str, settings: Settings, code: Path | None) -> Load:
    """The function that loads models for a framework's image.

    ``code`` is the directory of a script shared by all models (``SAGEMAKER_SUBMIT_DIRECTORY``);
    without it each model has its own script under ``code/``.
    """
    if framework in ALGORITHMS and settings.program is None:
        algorithm = importlib.import_module(
            f"{__package__}".rpartition(".")[0] + f".{framework}.serve"
        )
        return lambda directory: responder(algorithm.load(directory))
    return _Scripts(framework, settings, code).load


@dataclass(frozen=True, slots=True)
class _Scripts:
    """Models that are served by the user's functions."""

    framework: str
    settings: Settings
    code: Path | None

    def load(self, directory: Path) -> Respond:
        """Import the script and load the model with it. Exceptions of the script are not caught."""
        usual, handler, named = _SCRIPTED[self.framework]
        own_code = directory / "code" if self.code is None else self.code
        if (own_code / "requirements.txt").exists():
            sys.stdout.write(
                f"{own_code}/requirements.txt is not installed: the models of a container share "
                "one Python\n"
            )
        with _importing(own_code):
            functions = functions_of(self._module(own_code, named=named), usual())
            made = handler(functions, directory, self.settings.accept)
            made.load()
        return SingleWorker(made).reply

    def _module(self, code: Path, *, named: bool) -> ModuleType | None:
        name = self.settings.module
        if (code / f"{name}.py").is_file() or (code / name / "__init__.py").is_file():
            return importlib.import_module(name)
        if named:
            raise SettingError(f"there is no {name}.py in {code}, and this image has no default")
        return None


@contextmanager
def _importing(code: Path) -> Iterator[None]:
    """Import from one model's directory: modules of other models with equal names are hidden."""
    path, before = str(code), set(sys.modules)
    sys.path.insert(0, path)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(path)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(code):
                del sys.modules[name]
