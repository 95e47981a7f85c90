"""Models with several containers: each instance runs one process for each container.

In a serial pipeline the response of a container is the request of the next one. With direct
invocation a request specifies the container that serves it.

https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html
"""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import run_all
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    ContainerResponse,
    NotSent,
    StreamedResponse,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import NoResponse

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

_ACCEPT, _CONTENT_TYPE = "Accept", "Content-Type"
_BROKEN = (OSError, HTTPException)


@dataclass(frozen=True, kw_only=True)
class PipelineBlueprint(Blueprint):
    """The blueprint of an instance with several containers; its own members are the first's."""

    parts: tuple[Blueprint, ...]
    direct: bool


class PipelineInstance(Instance):
    """An instance with several containers; it is healthy while all containers are."""

    def __init__(
        self, cloud: Cloud, blueprint: PipelineBlueprint, timing: Timing,
        on_change: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(cloud, blueprint, timing, on_change)
        self._direct = blueprint.direct
        self._members = [
            Instance(cloud, part, timing, self._member_changed, identity=self.id)
            for part in blueprint.parts
        ]

    @property
    def starting_or_serving(self) -> bool:
        """Whether all containers are healthy or starting."""
        return not self._stopping and all(member.starting_or_serving for member in self._members)

    @property
    def processes(self) -> list[Child]:
        """The processes of all containers."""
        return [process for member in self._members for process in member.processes]

    def start(self) -> bool:
        """Start all containers and wait until all pass ``/ping``."""
        outcomes = run_all([member.start for member in self._members])
        if all(outcomes):
            return True
        failed = self._members[outcomes.index(False)]
        self.unready = failed.container
        return False

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ContainerResponse:
        """The response of the last container, or the first response that is no success."""
        member, request, request_headers, until = self._before_last(invocation, headers)
        if isinstance(request, ContainerResponse):
            return request
        return self._invoke_member(member, request, request_headers, until)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> StreamedResponse:
        """Start a streamed response of the last container."""
        member, request, request_headers, until = self._before_last(invocation, headers)
        if isinstance(request, ContainerResponse):
            name = str(request.container)
            return StreamedResponse(request.status, request.headers, iter([request.body]), name)
        invocation_headers = replace(invocation, body=request, timeout=_left(until))
        return replace(member.open(invocation_headers, request_headers), container=member.container)

    def check(self) -> None:
        """Ping all containers."""
        for member in self._members:
            member.check()

    def restart_if_down(self) -> bool:
        """Restart the containers that are down; return whether there were any."""
        down = [member for member in self._members if member.restart_if_down()]
        return bool(down)

    def check_process(self) -> None:
        """Check which containers have exited."""
        for member in self._members:
            member.check_process()

    def stop(self) -> None:
        """Drain, then stop all containers."""
        self.drain()
        run_all([member.stop for member in self._members])
        isolation.remove(self._base)

    def abandon(self) -> None:
        """Never restart a container again."""
        super().abandon()
        for member in self._members:
            member.abandon()

    def _before_last(
        self, invocation: Invocation, headers: Mapping[str, str]
    ) -> tuple[Instance, bytes | ContainerResponse, Mapping[str, str], float]:
        """The last container with its request, or the response of an earlier one that refused."""
        allowed = self._timing.invocation if invocation.timeout is None else invocation.timeout
        until = wall.monotonic() + allowed
        body, request_headers = invocation.body, dict(headers)
        if self._direct:
            return self._named(invocation.target_container), body, request_headers, until
        accept = request_headers.pop(_ACCEPT, None)  # it applies to the last container
        *others, last = self._members
        for member in others:
            response = self._invoke_member(member, body, request_headers, until)
            if not 200 <= response.status < 300:
                return last, response, request_headers, until
            body = response.body
            request_headers.pop(_CONTENT_TYPE, None)
            kind = response.headers.get(_CONTENT_TYPE)
            request_headers |= {} if kind is None else {_CONTENT_TYPE: kind}
        return last, body, request_headers | ({} if accept is None else {_ACCEPT: accept}), until

    def _invoke_member(
        self, member: Instance, body: bytes, headers: Mapping[str, str], until: float
    ) -> ContainerResponse:
        sent = wall.perf_counter()
        try:
            response = member.invoke(body, headers, _left(until))
        except NotSent as error:
            member.check_process()
            if member is self._members[0] or self._direct:
                raise  # no container has received the request
            raise self._no_response(member, error, sent) from error
        except _BROKEN as error:
            if not isinstance(error, TimeoutError):
                member.check_process()
            raise self._no_response(member, error, sent) from error
        self._publish_latency(member, wall.perf_counter() - sent)
        return replace(response, container=member.container, log_arn=member.log.arn)

    def _no_response(self, member: Instance, error: Exception, sent: float) -> NoResponse:
        return NoResponse(
            error, instance=self.id, log_arn=member.log.arn, sent=sent, container=member.container
        )

    def _publish_latency(self, member: Instance, seconds: float) -> None:
        dimensions = {
            "EndpointName": self.blueprint.endpoint, "VariantName": self.blueprint.variant,
            "ContainerName": member.container,
        }  # fmt: skip
        self._cloud.services.cloudwatch.put(
            "AWS/SageMaker", "ContainerLatency", seconds * 1e6, dimensions=dimensions,
            unit="Microseconds",
        )  # fmt: skip

    def _named(self, name: str | None) -> Instance:
        return next(member for member in self._members if member.container == name)

    def _member_changed(self) -> None:
        with self._requests:
            self.healthy = not self._stopping and all(member.healthy for member in self._members)
        self._on_change()


def check_target(blueprint: Blueprint, invocation: Invocation) -> None:
    """Refuse a TargetContainerHostname that is missing or unknown to the model."""
    target = invocation.target_container
    direct = isinstance(blueprint, PipelineBlueprint) and blueprint.direct
    if not direct:
        if target is not None:
            raise AwsError(
                "ValidationError",
                "TargetContainerHostname is for endpoints whose model has several containers and "
                "the InferenceExecutionConfig mode Direct; endpoint "
                f"{invocation.endpoint} has no such model",
            )
        return
    names = list(_names(blueprint))
    if target not in names:
        received = "none was given" if target is None else f"got {target}"
        raise AwsError(
            "ValidationError",
            f"Endpoint {invocation.endpoint} uses direct invocation: TargetContainerHostname must "
            f"be one of {', '.join(names)}; {received}",
        )


def _names(blueprint: Blueprint) -> Iterator[str]:
    for part in blueprint.parts if isinstance(blueprint, PipelineBlueprint) else ():
        yield str(part.container)


def _left(until: float) -> float:
    return max(0.001, until - wall.monotonic())
