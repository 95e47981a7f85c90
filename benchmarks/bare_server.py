"""The baseline: a model served by cheroot only.

``python -m benchmarks.bare_server DIRECTORY PORT``: the handler of the local XGBoost container,
called by the WSGI server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server

from sageloop.local_cloud.images.xgboost import serve

_THREADS = 10  # cheroot's default


def main(directory: str, port: str) -> None:
    """Serve until the process is killed."""
    predict = serve.load(Path(directory))

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if not body:
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        answer, kind = predict(
            body, environ.get("CONTENT_TYPE", ""), environ.get("HTTP_ACCEPT", "")
        )
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(answer)))])
        return [answer]

    server = Server(("127.0.0.1", int(port)), app, numthreads=_THREADS, request_queue_size=256)
    server.keep_alive_conn_limit = 512
    server.safe_start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
