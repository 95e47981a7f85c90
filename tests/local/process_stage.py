"""Programs that detach from their parents, and helpers to find their processes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from lambda_stage import package
from roles import FUNCTION, JOB, LAMBDA, SAGEMAKER, make_role, trust

from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import until

# A daemon: its own session, no parent, no environment.
HIDE = """
import os
def hide(mark):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", mark], dict())
        os._exit(0)
    os.wait()
"""


class Mark:
    """A number in the command line of certain processes only."""

    def __init__(self) -> None:
        self.text = f"{random.randrange(10**6, 10**7)}.{random.randrange(10**6, 10**7)}"

    def __str__(self) -> str:
        return self.text

    def processes(self) -> list[psutil.Process]:
        """The processes with the mark."""
        made = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(self.text in word for word in process.cmdline()):
                    made.append(process)
        return made

    def hidden(self) -> list[psutil.Process]:
        """Those that have detached."""
        made = []
        for process in self.processes():
            with suppress(psutil.Error):
                if process.cmdline()[0] == "sleep":
                    made.append(process)
        return made

    def wait_for(self, count: int = 1, seconds: float = 120) -> list[psutil.Process]:
        """Wait for ``count`` detached processes and return them."""
        until(f"{count} hidden processes", lambda: len(self.hidden()) >= count, seconds=seconds)
        return self.processes()


@pytest.fixture
def mark() -> Iterator[Mark]:
    made = Mark()
    yield made
    for process in made.processes():
        with suppress(psutil.Error):
            process.kill()


def create_role(cloud: LocalCloud, *actions: str) -> str:
    """A role for functions and jobs, with further actions."""
    return make_role(
        cloud.client("iam"), "training-tests", trust(LAMBDA, SAGEMAKER), *FUNCTION, *JOB, *actions
    )


def create_function(cloud: LocalCloud, name: str, source: str, **members: Any) -> None:
    """A Python function whose handler is ``index.handler``."""
    cloud.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Handler="index.handler", Timeout=300,
        Role="arn:aws:iam::123456789012:role/training-tests",
        Code={"ZipFile": package({"index.py": source})}, **members,
    )  # fmt: skip


def refusal(call: Any, **members: Any) -> tuple[str, str, int]:
    """Code, message and HTTP status of an error."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    status = int(response["ResponseMetadata"]["HTTPStatusCode"])
    return response["Error"]["Code"], response["Error"]["Message"], status
