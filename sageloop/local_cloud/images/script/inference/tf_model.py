"""TensorFlow's models behind the JSON predict interface of TensorFlow Serving.

https://www.tensorflow.org/tfx/serving/api_rest#predict_api
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Columns = dict[str, Any]
# Takes columns by name (or one without a name) and a signature; gives columns.
Predict = Callable[[Columns, str], Columns]
_SIGNATURE = "serving_default"
_UNNAMED = ""


class RequestError(Exception):
    """A request that TensorFlow Serving answers with 400."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is loaded. ``saved`` is whether it is a SavedModel."""

    name: str
    version: str
    predict: Predict
    saved: bool


def load(directory: Path) -> list[Model]:
    """Every model under a directory, newest versions only, SavedModels first.

    Raises ``ValueError`` if there is none.
    """
    newest: dict[str, Path] = {}
    for file in directory.rglob("saved_model.pb"):
        version, name = file.parent, file.parent.parent.name
        if version.name.isdigit() and _number(version) > _number(newest.get(name)):
            newest[name] = version
    found = [Model(n, p.name, _saved(p), saved=True) for n, p in sorted(newest.items())]
    found += [Model(p.stem, "1", _keras(p), saved=False) for p in sorted(directory.glob("*.keras"))]
    if not found:
        raise ValueError(
            f"no SavedModel bundles found! {directory} needs <version>/saved_model.pb or "
            "<name>/<version>/saved_model.pb, the version being a number"
        )
    return found


def answer(model: Model, body: bytes) -> bytes:
    """The JSON answer to a predict request. Raises :class:`RequestError`."""
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise RequestError(f"JSON Parse error: {error}") from None
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise RequestError("Missing 'inputs' or 'instances' key")
    rows = "instances" in asked
    columns = _columns(asked["instances"]) if rows else _named(asked["inputs"])
    try:
        given = model.predict(columns, asked.get("signature_name", _SIGNATURE))
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    told = {"predictions": _rows(given)} if rows else {"outputs": _alone(given)}
    return json.dumps(told).encode()


def _number(version: Path | None) -> int:
    return -1 if version is None else int(version.name)


def _saved(path: Path) -> Predict:
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))

    def predict(columns: Columns, signature: str) -> Columns:
        function = loaded.signatures.get(signature)
        if function is None:
            raise RequestError(f'Serving signature key "{signature}" not found.')
        wanted = function.structured_input_signature[1]
        named = _matched(columns, list(wanted))
        tensors = {n: tensorflow.constant(v, dtype=wanted[n].dtype) for n, v in named.items()}
        return {name: tensor.numpy().tolist() for name, tensor in function(**tensors).items()}

    predict.loaded = loaded  # type: ignore[attr-defined]  # its variables live with it only
    return predict


def _keras(path: Path) -> Predict:
    import tensorflow

    model = tensorflow.keras.models.load_model(path)
    inputs = {tensor.name.split(":")[0]: tensor.dtype for tensor in model.inputs}

    def predict(columns: Columns, _: str) -> Columns:
        named = _matched(columns, list(inputs))
        tensors = [tensorflow.constant(named[n], dtype=kind) for n, kind in inputs.items()]
        given = model(tensors[0] if len(tensors) == 1 else tensors, training=False)
        if isinstance(given, Mapping):
            return {name: tensor.numpy().tolist() for name, tensor in given.items()}
        several = given if isinstance(given, Sequence) else [given]
        return {
            name: tensor.numpy().tolist()
            for name, tensor in zip(model.output_names, several, strict=True)
        }

    return predict


def _columns(instances: Any) -> Columns:
    if not isinstance(instances, list) or not instances:
        raise RequestError("'instances' must be a list with at least one instance")
    if not isinstance(instances[0], dict):
        return {_UNNAMED: instances}
    names = instances[0].keys()
    if any(not isinstance(i, dict) or i.keys() != names for i in instances):
        raise RequestError("every instance must have the same inputs as the first one")
    return {name: [instance[name] for instance in instances] for name in names}


def _named(inputs: Any) -> Columns:
    return inputs if isinstance(inputs, dict) else {_UNNAMED: inputs}


def _matched(columns: Columns, wanted: list[str]) -> Columns:
    if list(columns) == [_UNNAMED] and len(wanted) == 1:
        return {wanted[0]: columns[_UNNAMED]}
    if set(columns) != set(wanted):
        raise RequestError(
            f"the model's inputs are {', '.join(wanted)}; given were {', '.join(columns) or 'none'}"
        )
    return columns


def _alone(columns: Columns) -> Any:
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _rows(columns: Columns) -> list[Any]:
    if len(columns) == 1:
        return list(_alone(columns))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
