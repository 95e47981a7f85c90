"""Containers that exit, hang, do not start or send invalid responses."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_stage import Stage, opened, stage

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.timing import Timing

__all__ = ["opened", "stage"]

SENDERS, REQUESTS, KILLS = 4, 1600, 6


def pids(stage: Stage) -> list[int]:
    return [p for p, label in stage.cloud.processes.running().items() if "endpoint:" in label]


def only_instance(stage: Stage) -> Instance:
    live = stage.hosting._lifecycle.live(stage.name)
    (instance,) = [i for v in live.variants for i in v.instances]
    only: Instance = instance
    return only


def model_error(stage: Stage, body: str) -> dict[str, Any]:
    with pytest.raises(stage.runtime.exceptions.ModelError) as caught:
        stage.invoke(body)
    response: dict[str, Any] = caught.value.response
    return response


class Senders:
    """Threads that send a number of requests in total and occasionally kill a worker."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self._left = REQUESTS
        self.responses: Counter[str] = Counter()
        self.failures: list[ClientError] = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self) -> None:
        while (number := self._next()) is not None:
            if number % (REQUESTS // KILLS) == 0:
                os.kill(pids(self._stage)[0], signal.SIGKILL)
            try:
                response = self._stage.invoke("model")
            except ClientError as error:
                self.failures.append(error)
            else:
                with self._lock:
                    self.responses[response] += 1

    def _next(self) -> int | None:
        with self._lock:
            self._left -= 1
            return self._left + 1 if self._left >= 0 else None


@pytest.mark.slow
@pytest.mark.feature("load: a killed worker fails at most its requests in progress")
def test_killed_workers_fail_at_most_their_requests_in_progress(stage: Stage) -> None:
    stage.config("two", "winter", count=2)
    stage.endpoint("two")
    senders = Senders(stage)

    senders.run()

    assert stage.cloud.settle(180) == []
    assert len(senders.failures) <= KILLS * SENDERS
    assert senders.responses["winter"] == REQUESTS - len(senders.failures)
    assert {f.response["Error"]["Code"] for f in senders.failures} <= {"ModelError"}
    assert stage.wait_until_stable()["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len(pids(stage)) == 2


@pytest.mark.feature("serving: restart of an exited worker")
def test_requests_wait_for_the_restart_of_a_single_worker(stage: Stage) -> None:
    stage.endpoint()
    assert model_error(stage, "die")["OriginalStatusCode"] == 503

    assert stage.invoke("model") == "winter"


def test_worker_killed_while_idle_fails_no_request(stage: Stage) -> None:
    stage.endpoint()
    before, child = stage.invoke("pid"), only_instance(stage).process
    assert child is not None

    stage.cloud.processes.kill(child, signal.SIGKILL)
    child.wait(180)

    assert stage.invoke("pid") != before


@pytest.mark.feature("bad input: a model that crashes at start")
def test_container_crash_at_start_fails_the_endpoint_with_aws_message(stage: Stage) -> None:
    stage.model("crashing", START="exit")
    stage.config("crashing", "crashing")

    described = stage.endpoint("crashing")

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert pids(stage) == []


@pytest.mark.feature("bad input: a model that crashes at start, in an update")
def test_update_with_container_crash_at_start_is_rolled_back(stage: Stage) -> None:
    stage.model("crashing", START="exit")
    stage.config("crashing", "crashing")
    stage.endpoint()

    stage.sagemaker.update_endpoint(EndpointName=stage.name, EndpointConfigName="crashing")
    described = stage.wait_until_stable()

    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == "one"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert stage.events.statuses()[-2:] == ["ROLLING_BACK", "IN_SERVICE"]
    assert stage.invoke("model") == "winter"


@pytest.mark.feature("bad input: a model that hangs in /ping")
def test_hanging_ping_fails_the_endpoint_in_time(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=0.6, ping_timeout=0.2, flush=0.05, terminate=1)
    stage.model("hanging", PING="hangs")
    stage.config("hanging", "hanging")
    began = time.monotonic()

    described = stage.endpoint("hanging")

    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert time.monotonic() - began < 60  # not the minutes that a client would wait
    assert pids(stage) == []


@pytest.mark.feature("serving: health checks")
def test_container_with_failing_pings_is_restarted(stage: Stage) -> None:
    stage.hosting.timing = Timing(
        startup_cap=120, ping_timeout=0.1, ping_interval=0.02, flush=0.05, terminate=1
    )
    stage.endpoint()
    before, child = stage.invoke("pid"), only_instance(stage).process
    stage.invoke("mute")
    for _ in range(3):
        only_instance(stage).check()
    assert child is not None
    child.wait(180)

    assert stage.invoke("pid") != before


@pytest.mark.feature("bad input: a model that responds 500")
def test_response_500_is_a_model_error_without_restart(stage: Stage) -> None:
    stage.model("failing", FAILS="500")
    stage.config("failing", "failing")
    stage.endpoint("failing")
    before = pids(stage)

    response = model_error(stage, "x")

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (500, "never")
    assert stage.total("Invocation5XXErrors") == 1
    assert pids(stage) == before


@pytest.mark.feature("bad input: invocation timeout")
def test_invocation_timeout_is_a_model_error_without_restart(stage: Stage) -> None:
    stage.hosting.timing = Timing(invocation=0.3, flush=0.05, terminate=2)
    stage.endpoint()
    before = pids(stage)

    response = model_error(stage, "sleep 2")

    assert "timed out while waiting for a response from container" in response["Error"]["Message"]
    assert stage.total("InvocationModelErrors") == 1
    assert stage.invoke("model") == "winter"
    assert pids(stage) == before


@pytest.mark.feature("bad input: a response of 7 MB")
def test_response_over_the_limit_is_a_model_error(stage: Stage) -> None:
    stage.endpoint()

    response = model_error(stage, "big")

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert stage.invoke("model") == "winter"


def test_container_with_open_connections_is_stopped(stage: Stage) -> None:
    stage.endpoint()
    for _ in range(3):
        stage.invoke("model")
    began = time.monotonic()

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)

    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"
    assert time.monotonic() - began < 60  # not the minutes that a client would wait
    assert pids(stage) == []


def test_chunked_and_unterminated_responses_are_read_completely(stage: Stage) -> None:
    stage.endpoint()

    assert stage.invoke("chunks") == "one,two,three"
    assert stage.invoke("until closed") == "to the end"
    assert stage.invoke("model") == "winter"


@pytest.mark.feature("bad input: a truncated response")
def test_truncated_response_is_a_model_error(stage: Stage) -> None:
    stage.endpoint()

    response = model_error(stage, "cut short")

    assert "could not load the entire response body" in response["Error"]["Message"]
    assert stage.invoke("model") == "winter"
