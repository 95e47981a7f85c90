"""Endpoints of framework images with user code."""

from __future__ import annotations

import io
import json
import pickle

import pytest
from hosting_stage import Stage, opened, stage
from serving_stage import (
    OWN,
    PYTORCH,
    SCIKIT_LEARN,
    XGBOOST,
    error_of,
    invoke,
    invoke_json,
    is_logged,
    listening,
    log_of,
    own_image,
    packed,
    serve,
    wheel,
)

from sageloop.local_cloud.sagemaker.hosting.timing import Timing

__all__ = ["opened", "own_image", "stage"]
pytestmark = pytest.mark.usefixtures("own_image")

FOUR = """
import json, os

def model_fn(model_dir):
    with open(os.path.join(model_dir, "factor.txt")) as file:
        return float(file.read())

def input_fn(data, content_type):
    if content_type == "text/odd":
        raise ValueError("odd input")
    return [type(data).__name__, content_type, data if isinstance(data, str) else data.decode()]

def predict_fn(data, model, context):
    attributes = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", f"received={attributes}")
    return {"data": data, "factor": model}

def output_fn(prediction, accept):
    return json.dumps(prediction | {"accept": accept})
"""
TRANSFORM = """
def model_fn(model_dir):
    return "loaded"

def transform_fn(model, data, content_type, accept):
    return f"{model} {data} {content_type} {accept}", "text/own"
"""
FILES: dict[str, str | bytes] = {"factor.txt": "2.5", "code/inference.py": FOUR}


@pytest.mark.feature("serving: script-mode handlers")
def test_archive_functions_handle_the_request(stage: Stage) -> None:
    serve(stage, OWN, FILES)

    assert invoke_json(stage, "[1]") == {
        "data": ["str", "application/json", "[1]"], "factor": 2.5, "accept": "application/json"
    }  # fmt: skip
    handled = invoke_json(stage, b"ab", "application/x-own", Accept="text/x")
    assert (handled["data"][0], handled["accept"]) == ("bytes", "text/x")


def test_context_gives_access_to_headers(stage: Stage) -> None:
    serve(stage, OWN, FILES)

    response = stage.runtime.invoke_endpoint(
        EndpointName=stage.name, Body="1", ContentType="text/csv", CustomAttributes="a=1"
    )
    assert response["CustomAttributes"] == "received=a=1"


def test_exception_response_has_message_and_traceback(stage: Stage) -> None:
    serve(stage, OWN, FILES)

    status, message = error_of(stage, "x", "text/odd")
    assert status == 500
    assert message.startswith("odd input\nTraceback")
    assert "inference.py" in message
    assert is_logged(stage, "ValueError: odd input")


def test_transform_function_sets_the_content_type(stage: Stage) -> None:
    serve(
        stage, OWN, {"code/mine.py": TRANSFORM}, SAGEMAKER_PROGRAM="mine.py",
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/usual",
    )  # fmt: skip

    kind, body = invoke(stage, "x", "text/csv", Accept="*/*")
    assert (kind, body) == ("text/own", b"loaded x text/csv text/usual")


def test_model_is_prepared_and_warmed_up_before_the_first_request(stage: Stage) -> None:
    code = """
order = []
def pre_model_fn(model_dir): order.append("pre")
def model_fn(model_dir): order.append("load"); return order
def model_warmup_fn(model_dir, model): model.append("warm")
def transform_fn(model, data, content_type, accept): return ",".join(model)
"""
    serve(stage, OWN, {"code/inference.py": code})
    assert invoke(stage, "x")[1] == b"pre,load,warm"


@pytest.mark.feature("bad input: a model that crashes at start")
def test_model_load_failure_fails_the_endpoint(stage: Stage) -> None:
    code = "def model_fn(model_dir): raise RuntimeError('no such weights')"
    described = serve(stage, OWN, {"code/inference.py": code})

    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert is_logged(stage, "no such weights")


def test_transform_function_with_other_handlers_is_refused(stage: Stage) -> None:
    described = serve(stage, OWN, {"code/inference.py": TRANSFORM + FOUR})

    assert described["EndpointStatus"] == "Failed"
    assert is_logged(stage, "Cannot use transform_fn")


def test_timed_out_worker_process_is_replaced(stage: Stage) -> None:
    code = """
import os, time
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept):
    time.sleep(float(data))
    return str(os.getpid())
"""
    serve(
        stage, OWN, {"code/inference.py": code}, SAGEMAKER_MODEL_SERVER_WORKERS="2",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="1",
    )  # fmt: skip

    assert len({invoke(stage, "0")[1] for _ in range(4)}) == 2
    status, message = error_of(stage, "3")
    assert (status, "within 1 s" in message) == (500, True)
    assert invoke(stage, "0")[1]


def test_model_without_code_uses_code_in_s3(stage: Stage) -> None:
    stage.s3.put_object(Bucket="data", Key="source.tar.gz", Body=packed({"serve.py": TRANSFORM}))
    with listening(stage):
        serve(
            stage, SCIKIT_LEARN, {"empty": ""}, SAGEMAKER_PROGRAM="serve.py",
            SAGEMAKER_SUBMIT_DIRECTORY="s3://data/source.tar.gz",
        )  # fmt: skip

    assert invoke(stage, "x")[1] == b"loaded x application/json application/json"


def test_isolated_model_has_no_access_to_code_in_s3(stage: Stage) -> None:
    described = serve(
        stage, OWN, {"empty": ""}, isolated=True,
        SAGEMAKER_SUBMIT_DIRECTORY="s3://data/source.tar.gz",
    )  # fmt: skip

    assert described["EndpointStatus"] == "Failed"
    assert is_logged(stage, "network isolation")


@pytest.mark.feature("serving: requirements of inference code")
def test_requirements_are_installed_for_the_model_only(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGELOOP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    library = {
        "code/own_helper-1.0-py3-none-any.whl": wheel("own_helper", "ANSWER = 'helped'"),
        "code/requirements.txt": "./own_helper-1.0-py3-none-any.whl\n",
    }
    code = """
import own_helper
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept): return own_helper.ANSWER
"""
    described = serve(stage, OWN, {"code/inference.py": code, **library})

    assert described["EndpointStatus"] == "InService", log_of(stage)
    assert invoke(stage, "x")[1] == b"helped"


@pytest.mark.slow
def test_isolated_model_cannot_install_requirements(stage: Stage) -> None:
    files: dict[str, str | bytes] = {
        "code/inference.py": TRANSFORM, "code/requirements.txt": "no-such-package-here==1\n",
    }  # fmt: skip
    described = serve(stage, OWN, files, isolated=True)

    assert described["EndpointStatus"] == "Failed"
    assert is_logged(stage, "InstallRequirementsError")


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.feature("serving: PyTorch's server")
def test_torchscript_model_is_served_without_code(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import torch

    path = tmp_path_factory.mktemp("torch") / "model.pt"
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, 3.0]]))
        model.bias.zero_()
    torch.jit.trace(model, torch.zeros(1, 2)).save(str(path))
    serve(stage, PYTORCH, {"model.pt": path.read_bytes()})

    assert invoke(stage, "[[1, 1], [2, 0]]") == ("application/json", b"[[5.0], [4.0]]")
    kind, body = invoke(stage, "1,1\n2,0\n", "text/csv", Accept="text/csv")
    assert (kind, body.split()) == ("text/csv", [b"5.0", b"4.0"])
    assert error_of(stage, "x", "text/odd")[0] == 500


@pytest.mark.feature("serving: scikit-learn's server")
def test_scikit_learn_supports_its_formats_and_refuses_others(stage: Stage) -> None:
    import numpy as np
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.array([[0.0, 0], [1, 0], [0, 1]]), [1.0, 3.0, 1.0])
    code = """
import os, pickle
def model_fn(model_dir):
    with open(os.path.join(model_dir, "model.pkl"), "rb") as file:
        return pickle.load(file)
"""
    files: dict[str, str | bytes] = {"model.pkl": pickle.dumps(model), "code/serve.py": code}
    serve(
        stage, SCIKIT_LEARN, files, SAGEMAKER_PROGRAM="serve.py",
        SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code",
    )  # fmt: skip

    assert invoke_json(stage, "[[2.0, 0]]") == pytest.approx([5.0])
    kind, body = invoke(stage, "2.0,0.0\n3.0,0.0", "text/csv", Accept="text/csv")
    assert kind == "text/csv; charset=utf-8"
    assert [float(line) for line in body.split()] == pytest.approx([5.0, 7.0])
    sent, expected = io.BytesIO(), {"Accept": "application/x-npy"}
    np.save(sent, np.array([[2.0, 0.0]]))
    kind, body = invoke(stage, sent.getvalue(), "application/x-npy", **expected)
    assert np.load(io.BytesIO(body)).tolist() == pytest.approx([5.0])
    assert error_of(stage, "x", "text/odd")[0] == 415
    assert error_of(stage, "[[2.0, 0]]", Accept="text/odd")[0] == 406
    status, error_html = error_of(stage, "[1")
    assert (status, "Internal Server Error" in error_html) == (500, True)


def test_scikit_learn_without_script_name_is_refused(stage: Stage) -> None:
    described = serve(stage, SCIKIT_LEARN, {"code/inference.py": TRANSFORM})

    assert described["EndpointStatus"] == "Failed"
    assert is_logged(stage, "SAGEMAKER_PROGRAM")


@pytest.mark.feature("serving: XGBoost's server in script mode")
def test_xgboost_script_receives_a_matrix(stage: Stage) -> None:
    import numpy as np
    import xgboost

    data = xgboost.DMatrix(np.array([[0.0, 0.0], [1.0, 0.0]]), label=[0.0, 1.0])
    booster = xgboost.train({"max_depth": 1, "eta": 1.0, "min_child_weight": 0}, data, 3)
    code = """
import os, xgboost
def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "own.ubj"))
    return booster
"""
    files: dict[str, str | bytes] = {
        "own.ubj": bytes(booster.save_raw("ubj")),
        "code/serve.py": code,
    }
    serve(stage, XGBOOST, files, SAGEMAKER_PROGRAM="serve.py")

    expected = booster.predict(data).tolist()
    assert invoke_json(stage, "0,0\n1,0", "text/csv") == pytest.approx(expected)
    assert invoke_json(stage, "0 0:0 1:0\n0 0:1 1:0", "text/libsvm") == pytest.approx(expected)
    assert error_of(stage, "[1]", "application/json")[0] == 500


def test_image_without_installed_framework_is_refused(stage: Stage) -> None:
    from sageloop.local_cloud.images import frameworks, serving_refusal

    assert serving_refusal(SCIKIT_LEARN) is None
    missing = frameworks.Framework("none", "no_such_module_anywhere", "none")
    assert "no_such_module_anywhere" in str(frameworks.missing(missing))


@pytest.mark.feature("bad input: invocation timeout")
def test_timeout_error_names_the_container(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2, invocation=0.5)
    code = """
import time
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept): time.sleep(5)
"""
    serve(stage, OWN, {"code/inference.py": code})

    status, _ = error_of(stage, "x")
    assert status == 0


def test_other_results_are_serialized_as_json(stage: Stage) -> None:
    code = """
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept):
    return {"a": 1} if data == b"x" or data == "1" else (piece for piece in "ab")
"""
    serve(stage, OWN, {"code/inference.py": code})

    assert json.loads(invoke(stage, "1")[1]) == {"a": 1}
    assert "cannot stream" in error_of(stage, "2")[1]
