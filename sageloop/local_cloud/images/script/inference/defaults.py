"""The default inference functions of each framework's image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sageloop.local_cloud.images.formats import libsvm, matrix, media, text
from sageloop.local_cloud.images.script.inference import codecs
from sageloop.local_cloud.images.script.inference.codecs import (
    UnsupportedFormatError,
)

_HINT = "see https://sagemaker.readthedocs.io/en/stable/"


class Defaults:
    """The defaults of AWS's toolkit without a framework: decoding and encoding only."""

    def model_fn(self, _model_dir: str) -> Any:
        """Raises ``NotImplementedError``: no model is loaded by default."""
        raise NotImplementedError(f"Please provide a model_fn implementation; {_HINT}")

    def input_fn(self, data: str | bytes, content_type: str | None) -> Any:
        """Decode an array from JSON, CSV, NPY or NPZ."""
        return codecs.decode(data, content_type)

    def predict_fn(self, _data: Any, _model: Any) -> Any:
        """Raises ``NotImplementedError``: no prediction is made by default."""
        raise NotImplementedError(f"Please provide a predict_fn implementation; {_HINT}")

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode as the first accepted type of JSON, CSV and NPY; returns the type too."""
        kind = _writable(accept)
        return codecs.encode(prediction, kind), kind


class PyTorch(Defaults):
    """Defaults of PyTorch's image: TorchScript models and tensors."""

    def model_fn(self, model_dir: str) -> Any:
        """Load ``model.pt``, or the only ``.pt`` or ``.pth`` file, as TorchScript."""
        import torch

        directory = Path(model_dir)
        path = directory / "model.pt"
        if not path.exists():
            files = sorted(p for p in directory.iterdir() if p.suffix in (".pt", ".pth"))
            if len(files) != 1:
                raise ValueError(
                    "Exactly one .pth or .pt file is required for PyTorch models: "
                    f"{[p.name for p in files]}"
                )
            path = files[0]
        try:
            load: Any = torch.jit.load
            return load(str(path), map_location="cpu").eval()
        except RuntimeError as error:
            raise ValueError(
                f"{path.name} is not a TorchScript model, which the default model_fn needs; save "
                f"it with torch.jit.script(model).save or provide a model_fn: {error}"
            ) from error

    def input_fn(self, data: str | bytes, content_type: str | None) -> Any:
        """Decode a tensor."""
        import torch

        array = codecs.decode(data, content_type)
        if content_type in codecs.UTF8_TYPES:
            return torch.FloatTensor(array)
        return torch.from_numpy(array)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """Call the model on the tensor."""
        import torch

        with torch.no_grad():
            return model(data)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode as the first accepted type of JSON, CSV and NPY."""
        kind = _writable(accept)
        detached = prediction.detach().cpu().numpy() if hasattr(prediction, "detach") else None
        return codecs.encode(prediction if detached is None else detached.tolist(), kind)


class ScikitLearn(Defaults):
    """Defaults of scikit-learn's image: ``predict`` on an array of 32-bit numbers."""

    def input_fn(self, data: str | bytes, content_type: str | None) -> Any:
        """Decode an array; text is read as 32-bit numbers."""
        import numpy as np

        if content_type == codecs.NPZ:
            raise UnsupportedFormatError(content_type)
        array = codecs.decode(data, content_type)
        return array.astype(np.float32) if content_type in codecs.UTF8_TYPES else array

    def predict_fn(self, data: Any, model: Any) -> Any:
        """``model.predict``."""
        return model.predict(data)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode as JSON, CSV or NPY; a list of types is not supported, as on AWS."""
        return codecs.encode(prediction, accept), accept


class XGBoost(Defaults):
    """Defaults of XGBoost's image: ``predict`` on a ``DMatrix``."""

    def input_fn(self, data: str | bytes, content_type: str | None) -> Any:
        """Decode a ``DMatrix`` from CSV, libsvm or RecordIO-protobuf."""
        import numpy as np
        import xgboost

        kind = media.media_type("" if content_type is None else content_type)
        if kind == media.RECORDIO and isinstance(data, bytes):
            return xgboost.DMatrix(matrix.read_recordio(data, absent=np.nan)[0])
        content = data if isinstance(data, str) else data.decode()
        if kind == media.CSV:
            delimiter = text.delimiter_of(text.lines_of(content)[0])
            return xgboost.DMatrix(text.parse_csv(content, delimiter=delimiter, blank=None))
        if kind in media.LIBSVM:
            return xgboost.DMatrix(libsvm.parse_libsvm(content).features)
        raise UnsupportedFormatError(content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """``Booster.predict`` without validation of feature names."""
        return model.predict(data, validate_features=False)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode as JSON, CSV or NPY."""
        return codecs.encode(prediction, accept)


def _writable(accept: str) -> str:
    for kind in codecs.accepted(accept):
        if kind in codecs.ENCODED:
            return kind
    raise UnsupportedFormatError(accept)
