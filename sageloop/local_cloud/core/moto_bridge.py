"""moto as the keeper of state: its WSGI application, called without a socket."""

from __future__ import annotations

import io
import json
import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from werkzeug.test import run_wsgi_app

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.moto_sqs import in_time_of
from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock

# Loading EC2's catalogue of images costs seconds and 175 MB, and nothing here needs it.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
# The stacks attach none, but a user's may: a policy that is not there must not be ignored.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")


class MotoBridge:
    """Sends a request to moto and returns its answer."""

    def __init__(self, clock: VirtualClock, region: str) -> None:
        self._clock = clock
        self._region = region
        self._lock = threading.Lock()
        self._application: Any = None
        # Re-entrant: a topic's delivery may call the front again from inside moto.
        self._locks: dict[str, threading.RLock] = {}
        self._parts: dict[tuple[str, bool, bool], Any] = {}

    def call(self, service: str, environ: dict[str, Any]) -> Response:
        """Serve one WSGI request for ``service`` from moto's state.

        moto's state has no locks and iterates dictionaries that other requests change, so the
        calls of one service go one after another. A long poll for messages waits outside.
        Raises ``AwsError`` with status 501 for what moto has not implemented.
        """
        part = self._part(service, environ)
        unlocked = nullcontext() if _may_wait(environ) else self._lock_of(service)
        try:
            with unlocked, in_time_of(self._clock):
                body, status, headers = run_wsgi_app(part, environ, buffered=True)
        except NotImplementedError as missing:
            # Let through, it would be a 500, which clients repeat.
            message = f"the local cloud does not support this of {service}: {missing}"
            raise AwsError("NotImplemented", message, 501) from missing
        return Response(int(status.split()[0]), dict(headers.items()), b"".join(body))

    def warm_up(self, service: str) -> None:
        """Load one of moto's services before it is first called."""
        scope = f"Credential=warm/20260101/us-east-1/{service}/aws4_request"
        self._loaded().get_application(
            {
                "PATH_INFO": "/",
                "HTTP_HOST": "127.0.0.1",
                "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host",
                "HTTP_X_AMZ_TARGET": "DynamoDB_20120810.ListTables",
            }
        )

    def _lock_of(self, service: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(service, threading.RLock())

    def _part(self, service: str, environ: dict[str, Any]) -> Any:
        # moto looks through its folders to find a service's part, at each request; once is enough.
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        control = environ.get("PATH_INFO", "").startswith("/v20180820/")
        key = (service, control, target.startswith("DynamoDBStreams"))
        part = self._parts.get(key)
        if part is None:
            if service == "sqs":
                _keep_queues_in_virtual_time()
            part = self._parts[key] = self._loaded().get_application(environ)
        return part

    def _loaded(self) -> Any:
        with self._lock:
            if self._application is None:
                self._application = _application(self._region)
            return self._application


def _keep_queues_in_virtual_time() -> None:
    # Imported at the first call to SQS: moto's part of it takes a while to load.
    from sageloop.local_cloud.core.moto_queues import accept_virtual_time

    accept_virtual_time()


def _may_wait(environ: dict[str, Any]) -> bool:
    if environ.get("HTTP_X_AMZ_TARGET", "") != "AmazonSQS.ReceiveMessage":
        return False
    body = environ.get("wsgi.input")
    asked = body.getvalue() if isinstance(body, io.BytesIO) else b""
    return bool(json.loads(asked or b"{}").get("WaitTimeSeconds") != 0)


def _application(region: str) -> Any:
    # Imported at the first call: moto's server side takes a second to load.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from sageloop.local_cloud.core.moto_iam import load_policies_where
    from sageloop.local_cloud.core.moto_logs import accept_virtual_time
    from sageloop.local_cloud.core.moto_s3 import keep_bucket_policies_stored

    load_policies_where(region)
    accept_virtual_time()
    keep_bucket_policies_stored()
    return DomainDispatcherApplication(create_backend_app)
