"""Parts of the framework servers: formats, settings, user functions and responses."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sageloop.local_cloud import images
from sageloop.local_cloud.images.script.inference import codecs, settings
from sageloop.local_cloud.images.script.inference.context import Context
from sageloop.local_cloud.images.script.inference.defaults import Defaults
from sageloop.local_cloud.images.script.inference.functions import (
    called,
    functions_of,
)
from sageloop.local_cloud.images.script.inference.handler import Handler

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


def _npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [("[[1, 2], [3, 4]]", codecs.JSON), ("1,2\n3,4", codecs.CSV), (_npy(ROWS), codecs.NPY)],
)
def test_array_is_read_from_each_format(data: str | bytes, kind: str) -> None:
    assert codecs.decode(data, kind).tolist() == ROWS.tolist()


def test_sparse_matrix_is_read_from_npz() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    content = io.BytesIO()
    sparse.save_npz(content, sparse.csr_matrix(ROWS))

    assert codecs.decode(content.getvalue(), codecs.NPZ).toarray().tolist() == ROWS.tolist()


@pytest.mark.parametrize("kind", codecs.ENCODED)
def test_array_survives_writing_and_reading(kind: str) -> None:
    assert codecs.decode(codecs.encode(ROWS, kind), kind).tolist() == ROWS.tolist()


def test_pickled_objects_are_not_loaded() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        codecs.decode(_npy(np.array([{"a": 1}], dtype=object)), codecs.NPY)


@pytest.mark.parametrize("kind", ["text/odd", None])
def test_unknown_format_is_named(kind: str | None) -> None:
    with pytest.raises(codecs.UnsupportedFormatError, match=f"Content type {kind}"):
        codecs.decode(b"", kind)


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    read = settings.read(
        {"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": "mine.py",
         "SAGEMAKER_MODEL_SERVER_WORKERS": "3", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "7",
         "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    )  # fmt: skip

    assert (read.module, read.workers, read.timeout, read.isolated) == ("mine", 3, 7.0, False)
    assert read.local_path("/opt/ml/model/code") == tmp_path / "model" / "code"
    assert read.accept == "application/json"


@pytest.mark.parametrize("value", ["0", "many", "-1"])
def test_invalid_number_of_workers_is_refused(value: str) -> None:
    with pytest.raises(settings.SettingError, match="SAGEMAKER_MODEL_SERVER_WORKERS"):
        settings.read({"SAGEMAKER_MODEL_SERVER_WORKERS": value})


def test_context_is_passed_to_functions_with_an_extra_argument(tmp_path: Path) -> None:
    context = Context(tmp_path, "test")

    assert called(lambda data: data, context, 1) == 1
    assert called(lambda data, context: context, context, 1) is context
    with pytest.raises(TypeError, match="takes 3 arguments, but 1 were given"):
        called(lambda a, b, c: None, context, 1)


def _module(**functions: Any) -> ModuleType:
    module = ModuleType("inference")
    vars(module).update(functions)
    return module


def _handler(tmp_path: Path, **functions: Any) -> Handler:
    user_functions = {"model_fn": lambda _: "model"} | functions
    handler = Handler(functions_of(_module(**user_functions), Defaults()), tmp_path, codecs.JSON)
    handler.load()
    return handler


def test_first_supported_accept_type_is_used(tmp_path: Path) -> None:
    handler = _handler(tmp_path, predict_fn=lambda data, _: data * 2)

    reply = handler.reply(b"[1, 2]", {"content-type": codecs.JSON, "accept": "text/x, text/csv"})

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/csv")
    assert reply.body == b"2\n4\n"


def test_exception_determines_the_status(tmp_path: Path) -> None:
    class TooBusy(Exception):
        status_code = 429
        message = "come back later"

    def transform_fn(*_: Any) -> None:
        raise TooBusy

    def four(model: Any, data: Any, kind: str, accept: str) -> None:
        transform_fn(model, data, kind, accept)

    reply = _handler(tmp_path, transform_fn=four).reply(b"x", {})
    assert (reply.status, reply.body.startswith(b"come back later\n")) == (429, True)


def test_missing_model_fn_is_named_in_the_error(tmp_path: Path) -> None:
    handler = Handler(functions_of(None, Defaults()), tmp_path, codecs.JSON)

    with pytest.raises(NotImplementedError, match="model_fn"):
        handler.load()


@pytest.mark.parametrize(
    ("repository", "serves"),
    [("pytorch-inference:2.6.0-cpu-py312", True), ("pytorch-training:2.8.0-cpu-py312", True),
     ("tensorflow-inference:2.19.0-cpu", True), ("tensorflow-training:2.19.0-cpu", False),
     ("sagemaker-scikit-learn:1.4-2", True)],
)  # fmt: skip
def test_framework_images_serve(repository: str, serves: bool) -> None:
    assert (images.serving_command(f"{REGISTRY}/{repository}") is not None) is serves


def test_xgboost_image_serves_its_model_without_a_script() -> None:
    image = f"{REGISTRY}/sagemaker-xgboost:1.7-1"
    scripted = {"Environment": {"SAGEMAKER_PROGRAM": "serve.py"}}

    assert "script.inference" not in " ".join(images.serving_command(image) or ())
    assert "script.inference" in " ".join(images.serving_command(image, scripted) or ())
