"""The models of a container, and the API that loads, lists, invokes and unloads them."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sageloop.local_cloud.images.http_server import Reply, Respond

Load = Callable[[Path], Respond]
_PAGE = 100
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class _Model:
    url: str
    respond: Respond


class Models:
    """Request handler of ``/models``.

    ``load`` creates a model from a directory and may raise any exception; ``place`` maps a path
    of the container to a path of this machine.
    """

    def __init__(self, load: Load, place: Callable[[str], Path]) -> None:
        self._load = load
        self._place = place
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._models: dict[str, _Model] = {}

    def manage(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Answer a request to ``/models`` or a path below it."""
        url = urlsplit(path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if len(parts) == 1 and method == "POST":
            return self._loaded(body)
        if len(parts) == 1 and method == "GET":
            return self._listed(parse_qs(url.query).get("next_page_token", ["0"])[0])
        if len(parts) == 2 and method in ("GET", "DELETE"):
            return self._described(parts[1]) if method == "GET" else self._unloaded(parts[1])
        if len(parts) == 3 and parts[2] == "invoke" and method == "POST":
            return self._invoked(parts[1], body, headers)
        return _json_reply(HTTPStatus.NOT_FOUND, f"no such call: {method} {path}")

    def _loaded(self, body: bytes) -> Reply:
        try:
            body_members = json.loads(body)
            name, url = str(body_members["model_name"]), str(body_members["url"])
        except (ValueError, KeyError, TypeError):
            return _json_reply(HTTPStatus.BAD_REQUEST, "the body needs model_name and url")
        # One at a time: only then can the memory of each model be measured.
        with self._loading:
            if self._find(name) is not None:
                return _json_reply(HTTPStatus.CONFLICT, f"Model {name} is already loaded.")
            try:
                respond = self._load(self._place(url))
            except MemoryError:
                return _json_reply(HTTPStatus.INSUFFICIENT_STORAGE, f"no memory to load {name}")
            except Exception as error:
                sys.stderr.write(traceback.format_exc())
                return _json_reply(
                    HTTPStatus.INTERNAL_SERVER_ERROR, f"Unable to load model: {error}"
                )
            with self._lock:
                self._models[name] = _Model(url, respond)
        return _json_reply(HTTPStatus.OK, f"Model {name} loaded")

    def _listed(self, token: str) -> Reply:
        if not token.isdigit():
            return _json_reply(HTTPStatus.BAD_REQUEST, f"next_page_token is unknown: {token}")
        start = int(token)
        with self._lock:
            models = sorted(self._models.items())
        listed = [_summary(name, model) for name, model in models[start : start + _PAGE]]
        answer: dict[str, Any] = {"models": listed}
        if start + _PAGE < len(models):
            answer["nextPageToken"] = str(start + _PAGE)
        return Reply(HTTPStatus.OK, json.dumps(answer).encode(), _JSON)

    def _described(self, name: str) -> Reply:
        model = self._find(name)
        if model is None:
            return _missing(name)
        return Reply(HTTPStatus.OK, json.dumps(_summary(name, model)).encode(), _JSON)

    def _unloaded(self, name: str) -> Reply:
        # A platform that gave up waiting for a model unloads it: wait for the load to finish first.
        with self._loading, self._lock:
            model = self._models.pop(name, None)
        return (
            _missing(name)
            if model is None
            else _json_reply(HTTPStatus.OK, f"Model {name} unloaded")
        )

    def _invoked(self, name: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        model = self._find(name)
        return _missing(name) if model is None else model.respond(body, headers)

    def _find(self, name: str) -> _Model | None:
        with self._lock:
            return self._models.get(name)


def _summary(name: str, model: _Model) -> dict[str, str]:
    return {"modelName": name, "modelUrl": model.url}


def _missing(name: str) -> Reply:
    return _json_reply(HTTPStatus.NOT_FOUND, f"Model {name} is not loaded.")


def _json_reply(status: HTTPStatus, message: str) -> Reply:
    content = {"code": status.value, "type": status.phrase.replace(" ", ""), "message": message}
    return Reply(status, json.dumps(content).encode(), _JSON)
