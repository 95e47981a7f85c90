"""``serve`` of an image that serves many models."""

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
    """Serve until SIGTERM; 1 if what the environment names is not there."""
    parser = argparse.ArgumentParser(prog="multi_model", description=__doc__)
    parser.add_argument("--framework", choices=FRAMEWORKS, required=True)
    given = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        said = settings.read(os.environ)
        logging.basicConfig(level=said.log_level)
        shared = None if said.submitted is None else code.bring(said, os.environ)
        models = Models(loader(given.framework, said, shared), said.here)
    except (SettingError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return http_server.run(_alone, models.manage)


def _alone(_: bytes, __: object) -> Reply:
    told = b"this container serves many models: ask /models/<name>/invoke"
    return Reply(HTTPStatus.NOT_FOUND, told, {"Content-Type": "text/plain"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
