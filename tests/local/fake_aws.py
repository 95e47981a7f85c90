"""A listener in place of AWS that counts what the user's own credentials would reach."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIG = """\
[profile production]
region = eu-west-1
{endpoint}
"""
_CREDENTIALS = """\
[production]
aws_access_key_id = AKIAREALREALREALREAL
aws_secret_access_key = real
"""


class FakeAws:
    """Refuses all requests, as a proxy or as AWS, and records them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.requests: list[str] = []
        self._folder, self.url = folder, url

    def environment(self, *, endpoint: bool = False, **variables: str) -> dict[str, str]:
        """The variables of a shell whose account leads to this listener.

        The listener is the proxy of AWS's endpoints; with ``endpoint``, the profile has it as
        AWS's endpoint as well.
        """
        config, credentials = self._folder / "aws-config", self._folder / "aws-credentials"
        config.write_text(_CONFIG.format(endpoint=f"endpoint_url = {self.url}" if endpoint else ""))
        credentials.write_text(_CREDENTIALS)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NO_PROXY"))}
        kept.pop("no_proxy", None)
        return {
            **kept, "AWS_PROFILE": "production", "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true", "HTTPS_PROXY": self.url, **variables,
        }  # fmt: skip


@contextmanager
def fake_aws(folder: Path) -> Iterator[FakeAws]:
    """A listener on loopback with its configuration files in a folder."""
    made: FakeAws

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            made.requests.append(f"{self.command} {self.path}")
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_CONNECT = refuse

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = FakeAws(folder, f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
