"""``serve`` of a framework's image."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sageloop.local_cloud.images import http_server
from sageloop.local_cloud.images.script.failures import ClientError, ProcessFailed
from sageloop.local_cloud.images.script.inference import (
    code,
    defaults,
    settings,
    tensorflow,
)
from sageloop.local_cloud.images.script.inference.functions import functions_of
from sageloop.local_cloud.images.script.inference.handler import (
    FlaskHandler,
    Handler,
)
from sageloop.local_cloud.images.script.inference.settings import (
    SettingError,
    Settings,
)
from sageloop.local_cloud.images.script.inference.workers import (
    Handles,
    Pool,
    SingleWorker,
    work,
)

_MODULE = (__spec__.parent if __spec__ is not None else None) or ""


@dataclass(frozen=True, slots=True)
class _Image:
    """How a framework's image serves; a ``named`` one requires SAGEMAKER_PROGRAM."""

    defaults: defaults.Defaults
    handler: type[Handler]
    named: bool


_PLAIN = _Image(defaults.Defaults(), Handler, named=False)
_IMAGES = {
    "pytorch": _Image(defaults.PyTorch(), Handler, named=False),
    "scikit-learn": _Image(defaults.ScikitLearn(), FlaskHandler, named=True),
    "xgboost": _Image(defaults.XGBoost(), Handler, named=True),
}


@dataclass(frozen=True, slots=True)
class _Served:
    framework: str | None
    settings: Settings
    code: Path

    def handler(self) -> Handles:
        """The request handler; no model is loaded yet."""
        if self.framework == "tensorflow":
            return tensorflow.Service(self.settings, self.code)
        image = _IMAGES.get(self.framework or "", _PLAIN)
        module = _module(self.settings, named=image.named)
        own = functions_of(module, image.defaults)
        return image.handler(own, self.settings.model_dir, self.settings.accept)


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; returns 1 if the container cannot start."""
    parser = argparse.ArgumentParser(prog="inference", description=__doc__)
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("--framework", choices=[*sorted(_IMAGES), "tensorflow"])
    parser.add_argument("--code", type=Path, help="directory of the fetched code")
    parser.add_argument("--worker", type=int, help="descriptor of a worker's socket")
    parsed = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        configured = settings.read(os.environ)
        logging.basicConfig(level=configured.log_level)
        if parsed.code is None:
            return _prepared(configured, parsed.framework)
        served = _Served(parsed.framework, configured, parsed.code)
        sys.path[:0] = [str(parsed.code), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        if parsed.worker is not None:
            work(parsed.worker, served.handler)
            return 0
        return _serve(served)
    except (SettingError, ClientError, ProcessFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _prepared(configured: Settings, framework: str | None) -> int:
    """Fetch the code, then continue in the Python that has its requirements."""
    brought = code.bring(configured, os.environ)
    python = code.python(configured, brought, os.environ, _say)
    os.execv(python, _command(python, framework, brought))  # noqa: S606


def _command(python: str, framework: str | None, brought: Path) -> list[str]:
    which = [] if framework is None else [f"--framework={framework}"]
    return [python, "-I", "-m", _MODULE, *which, f"--code={brought}", "serve"]


def _serve(served: _Served) -> int:
    configured = served.settings
    if configured.workers == 1 and configured.timeout is None:
        handler = served.handler()
        handler.load()
        _say("1 worker: this process, one request at a time (SAGEMAKER_MODEL_SERVER_WORKERS)")
        reply: Callable[..., http_server.Reply] = SingleWorker(handler).reply
    else:
        command = _command(sys.executable, served.framework, served.code)
        pool = Pool(command, configured.workers, configured.timeout)
        if not pool.wait():
            sys.stderr.write("a worker ended before the model was loaded\n")
            return 1
        _say(f"{configured.workers} worker processes")
        reply = pool.reply
    return http_server.run(reply)


def _module(configured: Settings, *, named: bool) -> ModuleType | None:
    if named and configured.program is None:
        raise SettingError(
            "SAGEMAKER_PROGRAM must name the script that serves (such as inference.py): this "
            "image has no default one"
        )
    if not named and importlib.util.find_spec(configured.module) is None:
        _say(f"no module {configured.module} in the code: the framework's default functions serve")
        return None
    return importlib.import_module(configured.module)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
