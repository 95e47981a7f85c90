"""The local cloud as a process: ``python -m sageloop.local_cloud.server``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from sageloop.environment import forget_accounts
from sageloop.local_cloud.access.enforcement.mode import AccessMode, access_mode
from sageloop.local_cloud.admin import Admin
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.http_server import HttpServer
from sageloop.local_cloud.core.supervision.link import prepare_cloud_process
from sageloop.local_cloud.services import own_services

_OPERATION_WAIT = 4.0
# Seconds between the request to end and the kill of a cloud that is still running.
_GRACE = 10.0


class LocalCloudServer:
    """A cloud with an HTTP server on loopback."""

    def __init__(self, config: CloudConfig) -> None:
        self.cloud = Cloud(config)
        self.cloud.add(own_services(self.cloud))
        Admin(self.cloud)
        self._server = HttpServer(config.host, config.port, self.cloud.front)

    def start(self) -> None:
        """Bind and serve in the background. Raises ``OSError`` if the port is in use."""
        try:
            self._server.prepare()
        except OSError:
            self.cloud.stop()
            raise
        self.cloud.port = self._server.bind_addr[1]
        threading.Thread(target=self._server.serve, name="front", daemon=True).start()
        self.cloud.start()

    def stop(self) -> None:
        """Stop serving and end every child."""
        self.cloud.stop()
        self._server.stop()


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal, the admin API or the end of the parent process."""
    parser = argparse.ArgumentParser(description="The local cloud, on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument(
        "--ready-file",
        type=Path,
        help="file for address, keys and token, written when the cloud is ready",
    )
    parser.add_argument(
        "--test-key", action="append", default=[], metavar="ID:SECRET",
        help="a published key that is accepted as the user's; for tests only",
    )  # fmt: skip
    parser.add_argument(
        "--allow", default="", help="resource types and condition keys that may have no effect"
    )
    parser.add_argument(
        "--iam", default=AccessMode.ENFORCE, choices=list(AccessMode),
        help="whether access policies are enforced",
    )  # fmt: skip
    parser.add_argument("--warm", action="store_true", help="load services before their first call")
    parser.add_argument(
        "--with-parent", action="store_true", help="stop when the standard input closes"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    try:
        config = CloudConfig(
            port=options.port, region=options.region, rate=options.rate,
            operation_wait=_OPERATION_WAIT, allow=frozenset(filter(None, options.allow.split(","))),
            iam=access_mode(options.iam),
            test_keys=dict(pair.split(":", 1) for pair in options.test_key),
        )  # fmt: skip
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    forget_accounts()
    prepare_cloud_process()
    server = LocalCloudServer(config)
    try:
        server.start()
    except OSError as error:
        reason = error.strerror or error
        print(f"port {options.port} cannot be bound on 127.0.0.1: {reason}", file=sys.stderr)
        return 3
    _handle_signals(server.cloud)
    _announce(server.cloud, options.ready_file)
    gc.freeze()
    if options.warm:
        # Objects that stay must not be traversed by the garbage collector while requests wait.
        server.cloud.warm_up(then=gc.freeze)
    ended = server.cloud.stopped_by_request
    if options.with_parent:
        threading.Thread(target=_end_with_stdin, args=(ended,), daemon=True).start()
    ended.wait()
    # In any state of its threads, this process and all that it started end in time.
    server.cloud.processes.end_cloud_after(_GRACE)
    server.stop()
    return 0


def _announce(cloud: Cloud, ready_file: Path | None) -> None:
    if ready_file is None:
        print(cloud.access.to_json(), flush=True)
    else:
        cloud.access.write(ready_file)


def _end_with_stdin(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _handle_signals(cloud: Cloud) -> None:
    def on_signal(_: int, __: FrameType | None) -> None:
        cloud.stopped_by_request.set()

    signal.set_wakeup_fd(cloud.processes.alarm(_GRACE), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # everything has ended: Python's own clean-up takes a second
