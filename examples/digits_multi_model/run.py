"""50 digit models behind one endpoint: one a person, loaded when asked for, more than memory holds.

The figure is the share of digits told right over all models, beside the same models by hand.
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
    """Whose hand a model reads: what it learns from, and digits of that hand held out."""

    number: int
    pictures: Any
    shown: Any
    later_pictures: Any
    later_shown: Any

    @property
    def target(self) -> str:
        """Name of the model below the prefix."""
        return f"person-{self.number:02}.tar.gz"

    def archive(self, code: bytes) -> bytes:
        """The model as it is uploaded; every model brings its code."""
        return packed({"digits.npz": self.kept(), "code/inference.py": code})

    def kept(self) -> bytes:
        """What the model is made of."""
        body = io.BytesIO()
        np.savez(body, pictures=self.pictures, shown=self.shown)
        return body.getvalue()

    def right(self, told: Any) -> int:
        """How many of those held out were told right."""
        return int((np.asarray(told) == self.later_shown).sum())


def people(count: int) -> list[Person]:
    """The digits by hand.

    They lie in the collection as they were written, one person after the other, so a run of
    neighbours stands for a person. A model learns everybody's, but for the last third of its own.
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
    """Asks the endpoint for one of its models."""

    def __init__(self, stage: Stage) -> None:
        self._runtime = stage.cloud.client("sagemaker-runtime")
        self.sent = 0

    def right(self, person: Person) -> int:
        """How many digits of a person its model told right."""
        self.sent += 1
        answer = self._runtime.invoke_endpoint(
            EndpointName=ENDPOINT, TargetModel=person.target, ContentType="text/csv",
            Accept="application/json", Body=as_csv(person.later_pictures.reshape(-1, 64)),
        )  # fmt: skip
        return person.right(json.loads(answer["Body"].read()))

    def refusal(self, person: Person) -> str:
        """What is answered for a model that is not there."""
        try:
            self.right(person)
        except ClientError as error:
            told = error.response["Error"]
            return f"{told['Code']}: {told['Message']}"
        raise ExampleFailedError(f"{person.target} answers, but was not uploaded")


def by_hand(code: Path, persons: list[Person]) -> float:
    """The share told right by the same models, loaded one after the other without any cloud."""
    inference = _module(code)
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        for person in persons:
            (Path(folder) / "digits.npz").write_bytes(person.kept())
            model = inference.model_fn(folder)
            right += person.right(inference.predict_fn(person.later_pictures, model))
    return right / _held_out(persons)


def run(stage: Stage) -> None:
    """Deploy, upload models, ask each, then one that is missing, and upload it."""
    code = stage.folder / "source" / "inference.py"
    *persons, newcomer = people(PEOPLE + 1)
    bucket = stage.deploy()["Bucket"]
    archives = {f"{MODELS}{p.target}": p.archive(code.read_bytes()) for p in persons}
    stage.upload(bucket, archives)
    client, readings = Client(stage), Readings(cloud=stage.cloud, endpoint=ENDPOINT)
    with stage.step(f"ask {PEOPLE} models"):
        right = sum(client.right(person) for person in persons)
    with stage.step(f"ask the last {AGAIN} again"):
        for person in persons[-AGAIN:]:
            client.right(person)
    refusal = client.refusal(newcomer)
    # No deployment: what lies under the prefix is served.
    stage.upload(bucket, {f"{MODELS}{newcomer.target}": newcomer.archive(code.read_bytes())})
    right_of_newcomer = client.right(newcomer)
    client.right(persons[0])
    with stage.step("the same models by hand"):
        outside = by_hand(code, persons)
    stage.figure(
        Figure(
            name=f"accuracy of {PEOPLE} models on held-out digits",
            value=right / _held_out(persons),
            outside=outside,
            tolerance=1e-9,
            noise="none: the same neighbours",
        )
    )
    told = _told(readings) | {
        "requests": client.sent, "failed": 1, "unknown_model": refusal,
        "newcomer_right": f"{right_of_newcomer} of {len(newcomer.later_shown)}",
    }  # fmt: skip
    stage.note(**told)
    _check(stage, told)


def _told(readings: Readings) -> dict[str, Any]:
    instances = "/aws/sagemaker/Endpoints"
    loads = readings.of("ModelLoadingTime", "SampleCount")
    return {
        "loads": int(loads),
        "unloads": int(readings.of("ModelUnloadingTime", "SampleCount")),
        "hits": int(readings.of("ModelCacheHit")),
        "most_loaded": int(readings.of("LoadedModelCount", "Maximum", namespace=instances)),
        "mean_load_ms": round(readings.of("ModelLoadingTime") / max(loads, 1) / 1000, 1),
    }


def _check(stage: Stage, told: dict[str, Any]) -> None:
    stage.say(
        f"{told['loads']} loads and {told['unloads']} unloads for {told['requests']} requests; "
        f"at most {told['most_loaded']} of {PEOPLE + 1} models in memory, {told['hits']} hits"
    )
    if not 0 < told["most_loaded"] < PEOPLE or told["unloads"] < 1:
        raise ExampleFailedError(f"memory was to be short: {told}")
    if told["hits"] != AGAIN:
        raise ExampleFailedError(f"{AGAIN} requests were to find their model loaded: {told}")
    if not told["unknown_model"].startswith("ValidationError: Failed to download model data"):
        raise ExampleFailedError(f"an unknown model was told of as {told['unknown_model']}")


def _held_out(persons: list[Person]) -> int:
    return sum(len(person.later_shown) for person in persons)


def _module(place: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_by_hand", place)
    if spec is None or spec.loader is None:
        raise ExampleFailedError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
