"""``serve`` of a multi-model container."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from http import HTTPStatus

from sageloop.local_cloud.images import http_server
from sageloop.local_cloud.images.http_server import Reply
from sageloop.local_cloud.images.multi_model.loading import FRAMEWORKS, loader
from sageloop.local_cloud.images.multi_model.models import Models
from sageloop.local_cloud.images.script.failures import ClientError
from sageloop.local_cloud.images.script.inference import code, settings
from sageloop.local_cloud.images.script.inference.settings import SettingError


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; returns 1 if the environment is invalid."""
    parser = argparse.ArgumentParser(prog="multi_model", description=__doc__)
    parser.add_argument("--framework", choices=FRAMEWORKS, required=True)
    parsed = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        configured = settings.read(os.environ)
        logging.basicConfig(level=configured.log_level)
        shared = None if configured.submitted is None else code.bring(configured, os.environ)
        models = Models(loader(parsed.framework, configured, shared), configured.local_path)
    except (SettingError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return http_server.run(_invocation_without_model, models.manage)


def _invocation_without_model(_: bytes, __: object) -> Reply:
    message = b"this container serves several models: use /models/<name>/invoke"
    return Reply(HTTPStatus.NOT_FOUND, message, {"Content-Type": "text/plain"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
