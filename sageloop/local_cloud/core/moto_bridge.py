"""Calls moto's WSGI application, which keeps state, without a socket."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from werkzeug.test import run_wsgi_app

from sageloop.local_cloud.access.post_policy import is_post_of_object
from sageloop.local_cloud.core import moto_state
from sageloop.local_cloud.core.moto_sqs import using_clock
from sageloop.local_cloud.core.naming import moto_part
from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock

# Flask answers these with an HTML page; AWS's services answer in their own protocol.
_PAGES = (404, 405, 500)


class MotoBridge:
    """Sends a request to moto and returns the response."""

    def __init__(self, clock: VirtualClock, region: str, account_id: str) -> None:
        moto_state.configure()
        self._clock = clock
        self._region = region
        self._account_id = account_id
        self._lock = threading.Lock()
        # Re-entrant: a topic's delivery may call the front again from inside moto.
        self._locks: dict[str, threading.RLock] = {}
        self._parts: dict[str, Any] = {}

    def call(self, service: str, environ: dict[str, Any]) -> Response:
        """Serve one WSGI request for ``service`` from moto's state.

        Raises ``NotImplementedError`` for an operation that moto lacks.

        moto's state has no locks and iterates dictionaries that other requests change, so the
        calls of one service run one after another. A long poll for messages waits outside the
        lock.
        """
        if moto_part(service) is None:
            raise NotImplementedError(f"moto keeps no state of {service}")
        part = self._part(service)
        # moto would derive the account from the access key, and knows only some keys.
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        unlocked = nullcontext() if _may_wait(environ) else self._lock_of(service)
        with unlocked, using_clock(self._clock):
            body, status, headers = run_wsgi_app(part, environ, buffered=True)
        answered = Response(int(status.split()[0]), dict(headers.items()), b"".join(body))
        if answered.status in _PAGES and answered.body.startswith(b"<!doctype html>"):
            raise NotImplementedError(f"moto has no {environ.get('PATH_INFO')} of {service}")
        return answered

    def warm_up(self, service: str) -> None:
        """Load one of moto's services before its first call."""
        self._part(service)

    def _lock_of(self, service: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(service, threading.RLock())

    def _part(self, service: str) -> Any:
        # Selected by the service's name only: moto would infer the service from the headers of the
        # first request, which do not hold for the next.
        with self._lock:
            part = self._parts.get(service)
            if part is None:
                if service == "sqs":
                    _keep_queues_in_virtual_time()
                part = self._parts[service] = load_part(service, self._region)
            return part


def _keep_queues_in_virtual_time() -> None:
    # Imported at the first call to SQS: moto's SQS is slow to load.
    from sageloop.local_cloud.core.moto_queues import use_virtual_time

    use_virtual_time()


def _may_wait(environ: dict[str, Any]) -> bool:
    if environ.get("HTTP_X_AMZ_TARGET", "") != "AmazonSQS.ReceiveMessage":
        return False
    body = environ.get("wsgi.input")
    content = body.getvalue() if isinstance(body, io.BytesIO) else b""
    return bool(json.loads(content or b"{}").get("WaitTimeSeconds") != 0)


def preload(services: Iterable[str], region: str) -> None:
    """Load models and moto's part of services, and leave no state."""
    from moto.core.routing import get_service_router

    moto_state.configure()
    for service in services:
        get_service_router(service)
        if moto_part(service) is not None:
            load_part(service, region)
    moto_state.forget()


def load_part(service: str, region: str) -> Any:
    """Moto's WSGI application of a service."""
    # Imported at the first call: moto's server takes a second to load.
    from moto.moto_server.werkzeug_app import create_backend_app

    from sageloop.local_cloud.core.moto_iam import load_policies_where
    from sageloop.local_cloud.core.moto_logs import use_virtual_time
    from sageloop.local_cloud.core.moto_s3 import disable_bucket_policies

    moto_state.track_no_instances()
    load_policies_where(region)
    use_virtual_time()
    disable_bucket_policies()
    part = moto_part(service)
    if part is None:
        raise KeyError(f"moto keeps no state of {service}")
    application = create_backend_app(cast("Any", part))
    if service == "s3":
        application.request_class = _object_requests(application.request_class)
    return application


def _object_requests(base: Any) -> Any:
    class ObjectRequest(base):  # type: ignore[misc]
        """A request to S3: but for a POST Object, a body of a form's type is an object's content.

        Read as a form it would be lost, and the object empty: ``curl --data-binary`` and urllib
        send that type by default.
        """

        @property
        def want_form_data_parsed(self) -> bool:
            return is_post_of_object(self.environ)

    return ObjectRequest
