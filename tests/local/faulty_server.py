"""A local cloud whose containers fail on demand (see ``faulty_container``).

Called with the folder of the fault files. Prints its access; ends when its standard input closes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sageloop.environment import forget_accounts
from sageloop.local_cloud import images
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.local_cloud.server import LocalCloudServer


def main(folder: str) -> None:
    program = [sys.executable, "-I", str(Path(__file__).with_name("faulty_container.py")), folder]
    images.register("*/sagemaker-xgboost:*", program)
    images.register("own/silent:1", program)
    forget_accounts()
    server = LocalCloudServer(CloudConfig(operation_wait=4.0))
    hosting = server.cloud.service("sagemaker").hosting
    server.start()
    sys.stdout.write(f"{server.cloud.access.to_json()}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        cap = float(line)
        hosting.timing = Timing(startup_cap=cap if cap else None)
        sys.stdout.write("done\n")
        sys.stdout.flush()
    server.stop()


if __name__ == "__main__":
    main(sys.argv[1])
