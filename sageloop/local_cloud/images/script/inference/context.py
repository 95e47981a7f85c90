"""The context argument of inference functions: request headers and response attributes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RequestProcessor:
    """The headers of one request, as the model server passes them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def get_request_properties(self) -> dict[str, str]:
        """All headers."""
        return dict(self._headers)

    def get_request_property(self, key: str) -> str | None:
        """A header by its case-insensitive name."""
        name = key.lower()
        return next((v for k, v in self._headers.items() if k.lower() == name), None)


class Context:
    """The context that AWS's model servers pass to a function with one additional parameter.

    One request is handled at a time, so every index is 0.
    """

    def __init__(self, model_dir: Path, server: str) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] = {}
        self.system_properties: dict[str, Any] = {
            "model_dir": str(model_dir), "gpu_id": None, "batch_size": 1, "server_name": server,
            "server_version": "local",
        }  # fmt: skip
        self.begin({})

    def begin(self, headers: Mapping[str, str]) -> None:
        """Start a new request."""
        self.request_ids = {0: secrets.token_hex(16)}
        self.request_processor = [RequestProcessor(headers)]
        self.response_headers: dict[str, str] = {}
        self.response_status: tuple[int, str] | None = None

    def get_request_id(self, idx: int = 0) -> str:
        """The id of the request."""
        return self.request_ids[idx]

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of the request."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """The headers of the request."""
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of the response."""
        self.set_response_header(idx, "Content-Type", value)

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set a header of the response."""
        self.request_processor[idx]  # raises IndexError for an invalid index
        self.response_headers[key] = value

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the status of the response."""
        self.request_processor[idx]
        self.response_status = (int(code), phrase)
