"""XGBoost serving program: ``python -m ...xgboost.serve`` under the inference contract.

Variables beside those of the server: ``SAGEMAKER_BATCH`` (one prediction a line) and
``SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`` (type for requests without Accept; text/csv).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from sageloop.local_cloud.images import http_server
from sageloop.local_cloud.images.formats import libsvm, matrix, media, rows, text
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.http_server import Refused
from sageloop.local_cloud.images.xgboost.library import xgboost

_SELECTABLE = "SAGEMAKER_INFERENCE_OUTPUT"


class Model:
    """A booster that serves concurrent requests."""

    def __init__(self, directory: Path) -> None:
        files = [path for path in sorted(directory.iterdir()) if path.is_file()]
        if not files:
            raise FileNotFoundError(f"no model file in {directory}")
        named = [path for path in files if path.name == "xgboost-model"]
        self._booster = xgboost.Booster()
        try:
            self._booster.load_model(bytearray((named or files)[0].read_bytes()))
        except xgboost.core.XGBoostError as error:
            raise ValueError(
                f"{(named or files)[0].name} is not an XGBoost model: {error}"
            ) from None
        # One thread a request: a thread pool for each small request would only add latency.
        self._booster.set_param({"nthread": 1})
        self.columns = int(self._booster.num_features())
        self._predict = self._predictor()

    def predict(self, features: Matrix) -> list[Any]:
        """Predictions for rows of features.

        As in AWS's container, features that a row lacks at its end are missing values. Raises
        :class:`Refused` if the rows have more features than the model.
        """
        try:
            if features.shape[1] == self.columns:
                answer: list[Any] = self._predict(features).tolist()
            else:
                answer = self._predict_other_width(features).tolist()
        except xgboost.core.XGBoostError as error:
            reason = str(error).partition("\nStack trace:")[0]
            message = f"Unable to evaluate payload provided: {reason}"
            raise Refused(HTTPStatus.BAD_REQUEST, message) from None
        return answer

    def _predict_other_width(self, features: Matrix) -> Any:
        data = xgboost.DMatrix(features, missing=np.nan)
        return self._booster.predict(data, validate_features=False)

    def _predictor(self) -> Callable[[Matrix], Any]:
        booster = self._booster
        try:
            booster.inplace_predict(np.zeros((1, self.columns), dtype=np.float32))
        except (xgboost.core.XGBoostError, NotImplementedError, ValueError):
            return lambda features: booster.predict(xgboost.DMatrix(features, missing=np.nan))
        return lambda features: booster.inplace_predict(
            features, missing=np.nan, validate_features=False
        )


def decoded(body: bytes, content_type: str, columns: int) -> Matrix:
    """Decode rows of features from a request body."""
    kind = media.media_type(content_type) or media.CSV
    try:
        if kind == media.RECORDIO:
            return matrix.read_recordio(body, columns=columns, absent=np.nan)[0]
        if kind == media.CSV:
            media.check_one_label(content_type)
            content = body.decode().strip()
            delimiter = text.delimiter_of(text.lines_of(content)[0])
            return text.parse_csv(content, delimiter=delimiter, blank=None)
        if kind in media.LIBSVM:
            return libsvm.parse_libsvm(body.decode(), columns=columns).features
    except (media.DataError, UnicodeDecodeError) as error:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Loading data failed: {error}") from None
    raise Refused(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content type {kind} is not supported; use {media.CSV}, {media.LIBSVM[0]} or "
        f"{media.RECORDIO}",
    )


def encoded(predictions: list[Any], accept: str, *, batch: bool) -> tuple[bytes, str]:
    """Encode predictions as a response body and its content type.

    In real time AWS's container joins CSV predictions with commas on one line; in batch it
    writes one line for each.
    """
    kind = media.media_type(accept.split(",", 1)[0])
    if kind in ("", "*/*", "text/*", media.CSV):
        texts = map(str, predictions)
        joined = "\n".join(texts) + "\n" if batch else ",".join(texts)
        return joined.encode(), "text/csv; charset=utf-8"
    if kind in (media.JSON, media.JSON_LINES, media.RECORDIO):
        return rows.encoded([{"score": prediction} for prediction in predictions], kind), kind
    raise Refused(
        HTTPStatus.NOT_ACCEPTABLE,
        f"Accept type {kind} is not supported; use {media.CSV}, {media.JSON}, "
        f"{media.JSON_LINES} or {media.RECORDIO}",
    )


def load(directory: Path) -> http_server.Predict:
    """The predictor of the model in a directory."""
    if os.environ.get(_SELECTABLE):
        raise ValueError(
            f"{_SELECTABLE} (selectable inference content) is not supported by the local XGBoost"
        )
    model, batch = Model(directory), http_server.in_batch()
    usual = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", media.CSV)

    def predict(body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        features = decoded(body, content_type, model.columns)
        response_type = usual if accept.strip() in ("", "*/*") else accept
        return encoded(model.predict(features), response_type, batch=batch)

    return predict


if __name__ == "__main__":
    http_server.main(load)
