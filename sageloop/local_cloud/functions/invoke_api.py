"""Invocation of functions: synchronous, asynchronous, or dry run."""

from __future__ import annotations

import base64
import json
import secrets
import time as wall
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.service_acts import service_actor
from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.functions.asynchronous import Event, new_request_id
from sageloop.local_cloud.functions.function_api import reference_of
from sageloop.local_cloud.functions.model import Function
from sageloop.local_cloud.functions.names import FunctionRef, parse_reference
from sageloop.local_cloud.functions.runner import Outcome, Request

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.asynchronous import AsyncInvocations
    from sageloop.local_cloud.functions.model import FunctionRepository
    from sageloop.local_cloud.functions.runner import Runner

_SYNC_LIMIT = 6_291_456
_ASYNC_LIMIT = 1_048_576
# CloudFormation calls a custom resource's function with its user's permissions, not its own.
_ON_BEHALF_OF_USERS = frozenset(("cloudformation.amazonaws.com",))


class InvokeApi:
    """The API of invocations, and invocations by services."""

    def __init__(
        self,
        cloud: Cloud,
        repository: FunctionRepository,
        runner: Runner,
        asynchronous: AsyncInvocations,
    ) -> None:
        self._cloud = cloud
        self._repository = repository
        self._runner = runner
        self._asynchronous = asynchronous

    @operation("Invoke")
    def invoke(self, call: Call) -> Response:
        """Invoke a function; a service needs a statement in the function's policy."""
        for member in ("DurableExecutionName", "TenantId"):
            if call.params.get(member):
                raise not_supported("lambda", f"Invoke with {member}")
        ref = reference_of(call)
        function = self._repository.get(ref)
        self._repository.version(function, ref.qualifier)
        self._check_principal(function, ref, call.principal, source_arn=None)
        kind = call.params.get("InvocationType", "RequestResponse")
        payload = _payload(call.params.get("Payload"), asynchronous=kind == "Event")
        if kind == "DryRun":
            return Response(204)
        if kind == "Event":
            request_id = self._accept(function, ref, payload, call.params.get("ClientContext"))
            return Response(202, {"x-amzn-RequestId": request_id})
        return self._wait(function, ref, payload, call.params)

    def invoke_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        """Invoke asynchronously for a service, on behalf of the resource ``source_arn``."""
        with self._recorded(principal, function_arn, source_arn, "Event"):
            self._accept_for(principal, function_arn, payload, source_arn)

    def run_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> Outcome:
        """Invoke and wait, for the event source mapping ``source_arn``.

        The mapping is Lambda's own: the function's policy does not apply. Raises ``AwsError`` if
        the function does not exist or has no free concurrency.
        """
        with self._recorded(principal, function_arn, source_arn, "RequestResponse"):
            ref = parse_reference(function_arn, qualifier=None, region=self._cloud.region)
            function = self._repository.get(ref)
            version = self._repository.version(function, self._routed(function, ref.qualifier))
            request = Request(version, function_arn, new_request_id(), payload)
            return self._runner.run(function, request)

    @contextmanager
    def _recorded(
        self, principal: str, function_arn: str, source_arn: str, kind: str
    ) -> Iterator[None]:
        cloud = self._cloud
        started = wall.perf_counter()
        error: AwsError | None = None
        try:
            error = cloud.faults.on_call("lambda:Invoke", principal, after=False)
            if error is not None:
                raise error
            yield
            error = cloud.faults.on_call("lambda:Invoke", principal, after=True)
            if error is not None:
                raise error
        except AwsError as refused:
            error = refused
            raise
        finally:
            parts = function_arn.split(":")
            status = 202 if kind == "Event" else 200
            cloud.recorder.add(
                time=cloud.clock.time(), principal=principal, action="lambda:Invoke",
                params={
                    "FunctionName": function_arn, "InvocationType": kind, "SourceArn": source_arn,
                },
                region=parts[3] if len(parts) > 3 else cloud.region,
                outcome=error.code if error else "OK", status=error.status if error else status,
                seconds=wall.perf_counter() - started,
            )  # fmt: skip

    def _accept_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        ref = parse_reference(function_arn, qualifier=None, region=self._cloud.region)
        function = self._repository.get(ref)
        self._repository.version(function, ref.qualifier)
        self._check_principal(function, ref, principal, source_arn=source_arn)
        self._accept(function, ref, _payload(payload, asynchronous=True), None)

    def _check_principal(
        self, function: Function, ref: FunctionRef, principal: str, *, source_arn: str | None
    ) -> None:
        if not principal.endswith(".amazonaws.com") or principal in _ON_BEHALF_OF_USERS:
            return
        arn = function.arn_of(ref.qualifier)
        service = service_actor(
            self._cloud, principal, source_arn=source_arn, region=function.region
        )
        denial = service.denial("lambda:InvokeFunction", arn)
        if denial is not None:
            raise AwsError(
                "AccessDeniedException",
                f"{denial.message} (on behalf of {source_arn or 'no resource'})",
                403,
                fields={"Type": "User"},
            )

    def _accept(
        self, function: Function, ref: FunctionRef, payload: bytes, client_context: str | None
    ) -> str:
        request_id = new_request_id()
        arn = function.arn_of(ref.qualifier)
        event = Event(ref, arn, request_id, payload, client_context)
        self._asynchronous.accept(event)
        return request_id

    def _wait(
        self, function: Function, ref: FunctionRef, payload: bytes, context: dict[str, Any]
    ) -> Response:
        version = self._repository.version(function, self._routed(function, ref.qualifier))
        request = Request(
            version, function.arn_of(ref.qualifier), new_request_id(), payload,
            context.get("ClientContext"),
        )  # fmt: skip
        try:
            outcome = self._runner.run(function, request)
        except OSError as error:
            raise AwsError(
                "ServiceException", f"no process could be started: {error}", 500
            ) from error
        headers = {
            "Content-Type": "application/json",
            "x-amzn-RequestId": request.request_id,
            "X-Amz-Executed-Version": version.number,
        }
        if outcome.error:
            headers["X-Amz-Function-Error"] = outcome.error
        if context.get("LogType") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail).decode()
        return Response(200, headers, outcome.payload)

    def _routed(self, function: Function, qualifier: str | None) -> str | None:
        alias = function.aliases.get(qualifier) if qualifier else None
        if alias is None:
            return qualifier
        for number, weight in alias.weights.items():
            if secrets.randbelow(1_000_000) < weight * 1_000_000:
                return number
        return alias.version


def _payload(data: bytes | str | None, *, asynchronous: bool) -> bytes:
    payload = data.encode() if isinstance(data, str) else (data or b"{}")
    limit = _ASYNC_LIMIT if asynchronous else _SYNC_LIMIT
    if len(payload) > limit:
        message = (
            f"{len(payload)} byte payload is too large for the Event invocation type (limit "
            f"{limit} bytes)"
            if asynchronous
            else f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        )
        raise AwsError("RequestEntityTooLargeException", message, 413, fields={"Type": "User"})
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
            fields={"Type": "User"},
        ) from error
    return payload
