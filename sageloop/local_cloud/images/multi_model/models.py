"""The models that are loaded, and the calls that load, list, ask and unload them."""

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
    """What answers under ``/models``.

    ``load`` makes a model of a directory and raises whatever it likes if it cannot; ``place``
    says where a path of the container is on this machine.
    """

    def __init__(self, load: Load, place: Callable[[str], Path]) -> None:
        self._load = load
        self._place = place
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._models: dict[str, _Model] = {}

    def manage(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Answer a call to ``/models`` and what is below."""
        asked = urlsplit(path)
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        if len(parts) == 1 and method == "POST":
            return self._loaded(body)
        if len(parts) == 1 and method == "GET":
            return self._listed(parse_qs(asked.query).get("next_page_token", ["0"])[0])
        if len(parts) == 2 and method in ("GET", "DELETE"):
            return self._described(parts[1]) if method == "GET" else self._unloaded(parts[1])
        if len(parts) == 3 and parts[2] == "invoke" and method == "POST":
            return self._asked(parts[1], body, headers)
        return _told(HTTPStatus.NOT_FOUND, f"no such call: {method} {path}")

    def _loaded(self, body: bytes) -> Reply:
        try:
            given = json.loads(body)
            name, url = str(given["model_name"]), str(given["url"])
        except (ValueError, KeyError, TypeError):
            return _told(HTTPStatus.BAD_REQUEST, "the body needs model_name and url")
        # One at a time: what a model takes of memory can only be told so.
        with self._loading:
            if self._found(name) is not None:
                return _told(HTTPStatus.CONFLICT, f"Model {name} is already loaded.")
            try:
                respond = self._load(self._place(url))
            except MemoryError:
                return _told(HTTPStatus.INSUFFICIENT_STORAGE, f"no memory to load {name}")
            except Exception as error:
                sys.stderr.write(traceback.format_exc())
                return _told(HTTPStatus.INTERNAL_SERVER_ERROR, f"Unable to load model: {error}")
            with self._lock:
                self._models[name] = _Model(url, respond)
        return _told(HTTPStatus.OK, f"Model {name} loaded")

    def _listed(self, token: str) -> Reply:
        if not token.isdigit():
            return _told(HTTPStatus.BAD_REQUEST, f"next_page_token is unknown: {token}")
        start = int(token)
        with self._lock:
            models = sorted(self._models.items())
        listed = [_summary(name, model) for name, model in models[start : start + _PAGE]]
        answer: dict[str, Any] = {"models": listed}
        if start + _PAGE < len(models):
            answer["nextPageToken"] = str(start + _PAGE)
        return Reply(HTTPStatus.OK, json.dumps(answer).encode(), _JSON)

    def _described(self, name: str) -> Reply:
        model = self._found(name)
        if model is None:
            return _missing(name)
        return Reply(HTTPStatus.OK, json.dumps(_summary(name, model)).encode(), _JSON)

    def _unloaded(self, name: str) -> Reply:
        # A platform that no longer waits for a model unloads it: what is being loaded comes first.
        with self._loading, self._lock:
            model = self._models.pop(name, None)
        return _missing(name) if model is None else _told(HTTPStatus.OK, f"Model {name} unloaded")

    def _asked(self, name: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        model = self._found(name)
        return _missing(name) if model is None else model.respond(body, headers)

    def _found(self, name: str) -> _Model | None:
        with self._lock:
            return self._models.get(name)


def _summary(name: str, model: _Model) -> dict[str, str]:
    return {"modelName": name, "modelUrl": model.url}


def _missing(name: str) -> Reply:
    return _told(HTTPStatus.NOT_FOUND, f"Model {name} is not loaded.")


def _told(status: HTTPStatus, message: str) -> Reply:
    told = {"code": status.value, "type": status.phrase.replace(" ", ""), "message": message}
    return Reply(status, json.dumps(told).encode(), _JSON)
