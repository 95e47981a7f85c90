"""TensorFlow models behind the JSON predict interface of TensorFlow Serving.

https://www.tensorflow.org/tfx/serving/api_rest#predict_api
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Columns = dict[str, Any]
# A function from columns by name (or one unnamed column) and a signature to columns.
Predict = Callable[[Columns, str], Columns]
_SIGNATURE = "serving_default"
_UNNAMED = ""


class RequestError(Exception):
    """A request that TensorFlow Serving refuses with 400."""


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model. ``saved``: whether it is a SavedModel."""

    name: str
    version: str
    predict: Predict
    saved: bool


def load(directory: Path) -> list[Model]:
    """Load the newest version of every model in a directory, SavedModels first.

    Raises ``ValueError`` if it has none.
    """
    newest: dict[str, Path] = {}
    for file in directory.rglob("saved_model.pb"):
        version, name = file.parent, file.parent.parent.name
        if version.name.isdigit() and _number(version) > _number(newest.get(name)):
            newest[name] = version
    models = [Model(n, p.name, _saved(p), saved=True) for n, p in sorted(newest.items())]
    models += [
        Model(p.stem, "1", _keras(p), saved=False) for p in sorted(directory.glob("*.keras"))
    ]
    if not models:
        raise ValueError(
            f"no SavedModel bundles found! {directory} needs <version>/saved_model.pb or "
            "<name>/<version>/saved_model.pb, the version being a number"
        )
    return models


def answer(model: Model, body: bytes) -> bytes:
    """The JSON response to a predict request. Raises :class:`RequestError`."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise RequestError(f"JSON Parse error: {error}") from None
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise RequestError("Missing 'inputs' or 'instances' key")
    rows = "instances" in request
    columns = _columns(request["instances"]) if rows else _named(request["inputs"])
    try:
        outputs = model.predict(columns, request.get("signature_name", _SIGNATURE))
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"{type(error).__name__}: {error}") from error
    content = {"predictions": _rows(outputs)} if rows else {"outputs": _single_or_named(outputs)}
    return json.dumps(content).encode()


def _number(version: Path | None) -> int:
    return -1 if version is None else int(version.name)


def _saved(path: Path) -> Predict:
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))

    def predict(columns: Columns, signature: str) -> Columns:
        function = loaded.signatures.get(signature)
        if function is None:
            raise RequestError(f'Serving signature key "{signature}" not found.')
        inputs = function.structured_input_signature[1]
        named = _matched(columns, list(inputs))
        tensors = {n: tensorflow.constant(v, dtype=inputs[n].dtype) for n, v in named.items()}
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
        result = model(tensors[0] if len(tensors) == 1 else tensors, training=False)
        if isinstance(result, Mapping):
            return {name: tensor.numpy().tolist() for name, tensor in result.items()}
        several = result if isinstance(result, Sequence) else [result]
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


def _matched(columns: Columns, inputs: list[str]) -> Columns:
    if list(columns) == [_UNNAMED] and len(inputs) == 1:
        return {inputs[0]: columns[_UNNAMED]}
    if set(columns) != set(inputs):
        raise RequestError(
            f"the model's inputs are {', '.join(inputs)}; the request has "
            f"{', '.join(columns) or 'none'}"
        )
    return columns


def _single_or_named(columns: Columns) -> Any:
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _rows(columns: Columns) -> list[Any]:
    if len(columns) == 1:
        return list(_single_or_named(columns))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
