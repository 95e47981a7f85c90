"""Request decoding and response encoding shared by the built-in algorithms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from sageloop.local_cloud.images.formats import media, rows
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.http_server import Predict, Refused


def predictor(
    answer: Callable[[Matrix], Sequence[rows.Answer]], *, columns: int, accepts: Sequence[str]
) -> Predict:
    """Wrap a function of a feature matrix as the predictor of an HTTP server.

    A request without an Accept type receives the first type of ``accepts``. A request whose number
    of features is not ``columns`` is refused with 400.
    """

    def predict(body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        kind = _chosen(accept, accepts)
        try:
            features = rows.decoded(body, content_type)
        except media.DataError as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from None
        if features.shape[1] != columns:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"the payload has {features.shape[1]} features, the model was trained "
                f"with {columns}",
            )
        return rows.encoded(answer(features), kind), kind

    return predict


def _chosen(accept: str, accepts: Sequence[str]) -> str:
    for candidate in accept.split(",") if accept.strip() else ("*/*",):
        kind = media.media_type(candidate)
        if kind in accepts:
            return kind
        if kind in ("*/*", "application/*"):
            return accepts[0]
    raise Refused(
        HTTPStatus.NOT_ACCEPTABLE,
        f"Accept type {accept} is not supported; use one of {', '.join(accepts)}",
    )
