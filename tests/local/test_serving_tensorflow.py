"""TensorFlow's inference image: SavedModels and requests as in TensorFlow Serving."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hosting_stage import Stage, opened, stage
from serving_stage import TENSORFLOW, error_of, invoke, invoke_json, is_logged, serve

__all__ = ["opened", "stage"]

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

# Created in a separate process, because an imported TensorFlow stays in memory.
_TRAINED = """
import sys
import tensorflow as tf
class Scorer(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def score(self, x):
        return {"score": tf.reduce_sum(x, axis=1, keepdims=True) * 2.0}
scorer = Scorer()
tf.saved_model.save(scorer, sys.argv[1] + "/scorer/1", signatures=scorer.score)
inputs = tf.keras.Input((2,))
outputs = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs)
tf.keras.Model(inputs, outputs).save(sys.argv[1] + "/summed.keras")
"""
HANDLERS = """
import json
def input_handler(data, context):
    rows = [[float(field) for field in data.read().decode().split(";")]]
    return json.dumps({"instances": rows})
def output_handler(response, context):
    return json.dumps({"own": response.json()["predictions"]}), "application/own"
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorflow")
    subprocess.run([sys.executable, "-c", _TRAINED, str(folder)], check=True, capture_output=True)
    return folder


def _saved_model(folder: Path) -> dict[str, str | bytes]:
    files = [path for path in (folder / "scorer").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.feature("serving: TensorFlow's server")
def test_saved_model_responds_as_tensorflow_serving(stage: Stage, saved: Path) -> None:
    serve(stage, TENSORFLOW, _saved_model(saved))

    rows = [[1.0, 2.0], [0.0, 1.0]]
    expected = {"predictions": [[6.0], [2.0]]}
    assert invoke_json(stage, json.dumps({"instances": rows})) == expected
    assert invoke_json(stage, json.dumps(rows)) == expected
    assert invoke_json(stage, "1.0,2.0\n0.0,1.0", "text/csv") == expected
    assert invoke_json(stage, "[1.0, 2.0]\n[0.0, 1.0]", "application/jsonlines") == expected
    assert invoke_json(stage, json.dumps({"inputs": rows})) == {"outputs": [[6.0], [2.0]]}
    status, message = error_of(stage, json.dumps({"instances": rows, "signature_name": "other"}))
    assert (status, "other" in message) == (400, True)
    assert error_of(stage, "x", "text/odd")[0] == 415


def test_keras_model_is_served_with_a_warning(stage: Stage, saved: Path) -> None:
    files: dict[str, str | bytes] = {
        "summed.keras": (saved / "summed.keras").read_bytes(), "code/inference.py": HANDLERS,
    }  # fmt: skip
    serve(stage, TENSORFLOW, files)

    kind, body = invoke(stage, "1;2", "text/own")
    assert (kind, json.loads(body)) == ("application/own", {"own": [[3.0]]})
    assert is_logged(stage, "serves a SavedModel only")


def test_archive_without_a_model_is_refused(stage: Stage) -> None:
    described = serve(stage, TENSORFLOW, {"weights.h5": ""})

    assert described["EndpointStatus"] == "Failed"
    assert is_logged(stage, "no SavedModel bundles found")
