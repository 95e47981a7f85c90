"""Models of several containers: a process each on every instance.

In a serial pipeline what one container answers is the next one's request; with direct
invocation a request names the container that answers it.

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
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import Answer, NotSent, Streamed
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import NoAnswer

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

_ACCEPT, _CONTENT_TYPE = "Accept", "Content-Type"
_BROKEN = (OSError, HTTPException)


@dataclass(frozen=True, kw_only=True)
class PipelineBlueprint(Blueprint):
    """What an instance of several containers runs; its own members are the first one's."""

    parts: tuple[Blueprint, ...]
    direct: bool


class PipelineInstance(Instance):
    """An instance whose containers live and die each by itself; it serves while all do."""

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
    def coming(self) -> bool:
        """Whether all containers serve, or are about to."""
        return not self._stopping and all(member.coming for member in self._members)

    @property
    def processes(self) -> list[Child]:
        """A process a container."""
        return [process for member in self._members for process in member.processes]

    def start(self) -> bool:
        """Start every container and wait until all pass ``/ping``."""
        outcomes = run_all([member.start for member in self._members])
        if all(outcomes):
            return True
        failed = self._members[outcomes.index(False)]
        self.unready = failed.container
        return False

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> Answer:
        """Answer a request: the last container's answer, or the first that is no success."""
        member, request, given, until = self._before_last(invocation, headers)
        if isinstance(request, Answer):
            return request
        return self._asked(member, request, given, until)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> Streamed:
        """Answer a request piece by piece, as the last container answers."""
        member, request, given, until = self._before_last(invocation, headers)
        if isinstance(request, Answer):
            name = str(request.container)
            return Streamed(request.status, request.headers, iter([request.body]), name)
        asked = replace(invocation, body=request, timeout=_left(until))
        return replace(member.open(asked, given), container=member.container)

    def check(self) -> None:
        """Ping every container."""
        for member in self._members:
            member.check()

    def revive(self) -> bool:
        """Start the containers that are down; whether there were any."""
        down = [member for member in self._members if member.revive()]
        return bool(down)

    def suspect(self) -> None:
        """See which containers are dead."""
        for member in self._members:
            member.suspect()

    def stop(self) -> None:
        """Drain, then end every container."""
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
    ) -> tuple[Instance, bytes | Answer, Mapping[str, str], float]:
        """The container that answers and its request; an answer if one before it refused."""
        allowed = self._timing.invocation if invocation.timeout is None else invocation.timeout
        until = wall.monotonic() + allowed
        body, given = invocation.body, dict(headers)
        if self._direct:
            return self._named(invocation.target_container), body, given, until
        accept = given.pop(_ACCEPT, None)  # it is meant for the last container
        *others, last = self._members
        for member in others:
            answer = self._asked(member, body, given, until)
            if not 200 <= answer.status < 300:
                return last, answer, given, until
            body = answer.body
            given.pop(_CONTENT_TYPE, None)
            kind = answer.headers.get(_CONTENT_TYPE)
            given |= {} if kind is None else {_CONTENT_TYPE: kind}
        return last, body, given | ({} if accept is None else {_ACCEPT: accept}), until

    def _asked(
        self, member: Instance, body: bytes, headers: Mapping[str, str], until: float
    ) -> Answer:
        sent = wall.perf_counter()
        try:
            answer = member.invoke(body, headers, _left(until))
        except NotSent as error:
            member.suspect()
            if member is self._members[0] or self._direct:
                raise  # no container has seen the request
            raise self._no_answer(member, error, sent) from error
        except _BROKEN as error:
            if not isinstance(error, TimeoutError):
                member.suspect()
            raise self._no_answer(member, error, sent) from error
        self._tell_latency(member, wall.perf_counter() - sent)
        return replace(answer, container=member.container, log_arn=member.log.arn)

    def _no_answer(self, member: Instance, error: Exception, sent: float) -> NoAnswer:
        return NoAnswer(
            error, instance=self.id, log_arn=member.log.arn, sent=sent, container=member.container
        )

    def _tell_latency(self, member: Instance, seconds: float) -> None:
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
    """Refuse a TargetContainerHostname that the variant's model has not, or that is missing."""
    wanted = invocation.target_container
    direct = isinstance(blueprint, PipelineBlueprint) and blueprint.direct
    if not direct:
        if wanted is not None:
            raise AwsError(
                "ValidationError",
                "TargetContainerHostname is for endpoints whose model has several containers and "
                "the InferenceExecutionConfig mode Direct; endpoint "
                f"{invocation.endpoint} has not",
            )
        return
    names = list(_names(blueprint))
    if wanted not in names:
        given = "none was given" if wanted is None else f"got {wanted}"
        raise AwsError(
            "ValidationError",
            f"Endpoint {invocation.endpoint} is invoked directly: TargetContainerHostname must be "
            f"one of {', '.join(names)}; {given}",
        )


def _names(blueprint: Blueprint) -> Iterator[str]:
    for part in blueprint.parts if isinstance(blueprint, PipelineBlueprint) else ():
        yield str(part.container)


def _left(until: float) -> float:
    return max(0.001, until - wall.monotonic())
