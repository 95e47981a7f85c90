"""How a first-party built-in algorithm reads a request and writes its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from sageloop.local_cloud.images.formats import media, rows
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.http_server import Predict, Refused


def predictor(
    answer: Callable[[Matrix], Sequence[rows.Answer]], *, columns: int, accepts: Sequence[str]
) -> Predict:
    """A server's predictor from one that takes a matrix of so many columns.

    The first of ``accepts`` is what a request that names none is answered with.
    """

    def predict(body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        kind = _chosen(accept, accepts)
        try:
            asked = rows.decoded(body, content_type)
        except media.DataError as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from None
        if asked.shape[1] != columns:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"the payload has {asked.shape[1]} features, the model was trained with {columns}",
            )
        return rows.encoded(answer(asked), kind), kind

    return predict


def _chosen(accept: str, accepts: Sequence[str]) -> str:
    for wanted in accept.split(",") if accept.strip() else ("*/*",):
        kind = media.media_type(wanted)
        if kind in accepts:
            return kind
        if kind in ("*/*", "application/*"):
            return accepts[0]
    raise Refused(
        HTTPStatus.NOT_ACCEPTABLE,
        f"Accept type {accept} is not supported; use one of {', '.join(accepts)}",
    )
