"""moto as the keeper of state: its WSGI application, called without a socket."""

from __future__ import annotations

import os
from typing import Any

from werkzeug.test import run_wsgi_app

from sageloop.local_cloud.core.wire import Response

# Loading EC2's catalogue of images costs seconds and 175 MB, and nothing here needs it.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
# The stacks attach none, but a user's may: a policy that is not there must not be ignored.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")


class MotoBridge:
    """Sends a request to moto and returns its answer."""

    def __init__(self) -> None:
        self._application: Any = None

    def call(self, environ: dict[str, Any]) -> Response:
        """Serve one WSGI request from moto's state."""
        if self._application is None:
            self._application = _application()
        body, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        answered = Response(int(status.split()[0]), dict(headers.items()), b"".join(body))
        if answered.status == 500 and answered.body.startswith(b"<!doctype"):
            answered.status = 501  # moto's way to say NotImplementedError; clients retry a 500
        return answered


def _application() -> Any:
    # Imported at the first call: moto's server side takes a second to load.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from sageloop.local_cloud.core.moto_logs import accept_virtual_time
    from sageloop.local_cloud.core.moto_s3 import keep_bucket_policies_stored

    accept_virtual_time()
    keep_bucket_policies_stored()
    return DomainDispatcherApplication(create_backend_app)
