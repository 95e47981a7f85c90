"""50 digit models behind one multi-model endpoint, more than its memory holds.

The metric is the accuracy over all models, beside the same models loaded without SageMaker.
"""

from __future__ import annotations

import importlib.util
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from botocore.exceptions import ClientError

from sageloop.examples.archives import packed
from sageloop.examples.datasets import as_csv
from sageloop.examples.figure import Figure
from sageloop.examples.readings import Readings
from sageloop.examples.stage import ExampleFailedError, Stage

ENDPOINT = "digits-multi-model"
MODELS = "models/"
PEOPLE = 50
AGAIN = 10


@dataclass(frozen=True)
class Person:
    """A person whose handwriting a model reads: training digits and held-out digits."""

    number: int
    pictures: Any
    shown: Any
    later_pictures: Any
    later_shown: Any

    @property
    def target(self) -> str:
        """The name of the model below the prefix."""
        return f"person-{self.number:02}.tar.gz"

    def archive(self, code: bytes) -> bytes:
        """The model archive, which contains the inference code."""
        return packed({"digits.npz": self.kept(), "code/inference.py": code})

    def kept(self) -> bytes:
        """The data of the model."""
        body = io.BytesIO()
        np.savez(body, pictures=self.pictures, shown=self.shown)
        return body.getvalue()

    def right(self, predicted: Any) -> int:
        """The number of correct predictions for the held-out digits."""
        return int((np.asarray(predicted) == self.later_shown).sum())


def people(count: int) -> list[Person]:
    """The digits by person.

    The collection has the digits in the order in which they were written, one person after the
    other, so a run of neighbours stands for a person. A model is trained on all digits except
    the last third of its own person.
    """
    from sklearn.datasets import load_digits

    rows, shown = load_digits(return_X_y=True)
    pictures = rows.astype(np.uint8).reshape(-1, 8, 8)
    made = []
    for number, own in enumerate(np.array_split(np.arange(len(shown)), count)):
        later = own[-(len(own) // 3) :]
        first = np.setdiff1d(np.arange(len(shown)), later)
        made.append(Person(number, pictures[first], shown[first], pictures[later], shown[later]))
    return made


class Client:
    """Invokes the models of the endpoint."""

    def __init__(self, stage: Stage) -> None:
        self._runtime = stage.cloud.client("sagemaker-runtime")
        self.sent = 0

    def right(self, person: Person) -> int:
        """The number of a person's digits that its model predicts correctly."""
        self.sent += 1
        answer = self._runtime.invoke_endpoint(
            EndpointName=ENDPOINT, TargetModel=person.target, ContentType="text/csv",
            Accept="application/json", Body=as_csv(person.later_pictures.reshape(-1, 64)),
        )  # fmt: skip
        return person.right(json.loads(answer["Body"].read()))

    def refusal(self, person: Person) -> str:
        """The error for a model that does not exist."""
        try:
            self.right(person)
        except ClientError as error:
            answer = error.response["Error"]
            return f"{answer['Code']}: {answer['Message']}"
        raise ExampleFailedError(f"{person.target} responds, but was not uploaded")


def accuracy_without_sagemaker(code: Path, persons: list[Person]) -> float:
    """The accuracy of the same models, loaded one after the other without a cloud."""
    inference = _module(code)
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        for person in persons:
            (Path(folder) / "digits.npz").write_bytes(person.kept())
            model = inference.model_fn(folder)
            right += person.right(inference.predict_fn(person.later_pictures, model))
    return right / _held_out(persons)


def run(stage: Stage) -> None:
    """Deploy, upload models, invoke each, then a missing one, and upload it."""
    code = stage.folder / "source" / "inference.py"
    *persons, newcomer = people(PEOPLE + 1)
    bucket = stage.deploy()["Bucket"]
    archives = {f"{MODELS}{p.target}": p.archive(code.read_bytes()) for p in persons}
    stage.upload(bucket, archives)
    client, readings = Client(stage), Readings(cloud=stage.cloud, endpoint=ENDPOINT)
    with stage.step(f"invoke {PEOPLE} models"):
        right = sum(client.right(person) for person in persons)
    with stage.step(f"invoke the last {AGAIN} again"):
        for person in persons[-AGAIN:]:
            client.right(person)
    refusal = client.refusal(newcomer)
    # Without a deployment: every model under the prefix is served.
    stage.upload(bucket, {f"{MODELS}{newcomer.target}": newcomer.archive(code.read_bytes())})
    right_of_newcomer = client.right(newcomer)
    client.right(persons[0])
    with stage.step("the same models without SageMaker"):
        outside = accuracy_without_sagemaker(code, persons)
    stage.figure(
        Figure(
            name=f"accuracy of {PEOPLE} models on held-out digits",
            value=right / _held_out(persons),
            outside=outside,
            tolerance=1e-9,
            noise="none: the same neighbours",
        )
    )
    facts = _facts(readings) | {
        "requests": client.sent, "failed": 1, "unknown_model": refusal,
        "newcomer_right": f"{right_of_newcomer} of {len(newcomer.later_shown)}",
    }  # fmt: skip
    stage.note(**facts)
    _check(stage, facts)


def _facts(readings: Readings) -> dict[str, Any]:
    instances = "/aws/sagemaker/Endpoints"
    loads = readings.of("ModelLoadingTime", "SampleCount")
    return {
        "loads": int(loads),
        "unloads": int(readings.of("ModelUnloadingTime", "SampleCount")),
        "hits": int(readings.of("ModelCacheHit")),
        "most_loaded": int(readings.of("LoadedModelCount", "Maximum", namespace=instances)),
        "mean_load_ms": round(readings.of("ModelLoadingTime") / max(loads, 1) / 1000, 1),
    }


def _check(stage: Stage, facts: dict[str, Any]) -> None:
    stage.say(
        f"{facts['loads']} loads and {facts['unloads']} unloads for {facts['requests']} requests; "
        f"at most {facts['most_loaded']} of {PEOPLE + 1} models in memory, {facts['hits']} hits"
    )
    if not 0 < facts["most_loaded"] < PEOPLE or facts["unloads"] < 1:
        raise ExampleFailedError(f"expected more models than memory holds: {facts}")
    if facts["hits"] != AGAIN:
        raise ExampleFailedError(f"{AGAIN} requests were expected to use a loaded model: {facts}")
    if not facts["unknown_model"].startswith("ValidationError: Failed to download model data"):
        raise ExampleFailedError(f"unexpected error of an unknown model: {facts['unknown_model']}")


def _held_out(persons: list[Person]) -> int:
    return sum(len(person.later_shown) for person in persons)


def _module(place: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_inference", place)
    if spec is None or spec.loader is None:
        raise ExampleFailedError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
