"""The one front: every request is routed by service, recorded, and answered.

HTTP and in-process calls meet in :meth:`Front.dispatch`, so both are recorded alike and
both meet ordered faults.
"""

from __future__ import annotations

import io
import logging
import re
import time as wall
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from moto.core.request import Request
from moto.core.routing import get_service_router

from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.moto_bridge import MotoBridge
from sageloop.local_cloud.core.request_limits import check_object, read_body, unreadable
from sageloop.local_cloud.core.service import Call, Service
from sageloop.local_cloud.core.shortcut import BodyInHand, Shortcut, body_of

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_MODEL_OF_SIGNING_NAME = {"monitoring": "cloudwatch", "eventbridge": "events"}
_STATE_OF_MOTO = frozenset(
    ("dynamodb", "ec2", "ecr", "iam", "kms", "logs", "rds", "s3", "secretsmanager", "sns", "sqs",
     "ssm", "sts", "tagging", "resource-groups", "elasticfilesystem", "backup")
)  # fmt: skip

_BODILESS = (204, 304)

Hook = Callable[[Call, wire.Response], None]
Handler = Callable[[Request], wire.Response]
Operation = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Scope:
    access_key: str | None
    region: str
    service: str


class Front:
    """Routes requests to the cloud's own services and to moto."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._moto = MotoBridge(cloud.clock, cloud.region)
        self._services: dict[str, Service] = {}
        self._operations: dict[tuple[str, str], Operation] = {}
        self._routes: list[tuple[str, Handler]] = []
        self._after: dict[str, list[Hook]] = {}
        self._shortcut = Shortcut("sagemaker-runtime", "InvokeEndpoint")

    def add_service(self, service: Service) -> None:
        """Serve a botocore service by an implementation of our own."""
        self._services[service.model] = service

    def add_operation(self, service: str, name: str, operation: Operation) -> None:
        """Serve one operation that moto lacks in a service whose state is moto's."""
        self._operations[service, name] = operation

    def add_route(self, prefix: str, handler: Handler) -> None:
        """Serve a path that is no AWS API (``/_sageloop/...``)."""
        self._routes.append((prefix, handler))

    def after(self, action: str, hook: Hook) -> None:
        """Call ``hook(call, response)`` after each success of ``action`` (``s3:PutObject``)."""
        self._after.setdefault(action, []).append(hook)

    @property
    def services(self) -> dict[str, Service]:
        """The cloud's own services by botocore name."""
        return self._services

    def warm_up(self, services: Iterable[str]) -> None:
        """Load models and moto's part of services before they are first called."""
        for service in services:
            get_service_router(service)
            if service not in self._services:
                self._moto.warm_up(service)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer over WSGI."""
        environ.setdefault("RAW_URI", environ.get("REQUEST_URI", ""))
        response = self._invoked(environ) or self.dispatch(Request(environ))
        headers = [(k, v) for k, v in response.headers.items() if k.lower() != "connection"]
        if response.status in _BODILESS:
            # A client reads no body here; bytes sent all the same would begin its next answer.
            headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
            start_response(f"{response.status} {_reason(response.status)}", headers)
            return []
        if response.stream is not None:
            start_response(f"{response.status} {_reason(response.status)}", headers)
            return response.stream
        if not any(k.lower() == "content-length" for k, _ in headers):
            headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} {_reason(response.status)}", headers)
        return [response.body]

    def dispatch(self, request: Request) -> wire.Response:
        """Answer one request, whatever way it came."""
        for prefix, handler in self._routes:
            if request.path.startswith(prefix):
                return _handled(handler, request)
        scope = _scope_of(request)
        model = _model_of(scope.service, request)
        started = wall.perf_counter()
        if model != "s3":
            # Read before it is routed: a query protocol's body is read away as a form.
            try:
                read_body(model, request)
            except AwsError as error:
                return wire.refusal(None, error)
        try:
            found = wire.find_operation(model, request)
        except Exception:  # whatever is wrong with it, it names no operation
            return self._unrouted(model, request)
        return self._recorded(found, request, scope, lambda: _recordable(found, request), started)

    def _invoked(self, environ: dict[str, Any]) -> wire.Response | None:
        """The answer to InvokeEndpoint, by its short way; ``None`` for any other request."""
        cut = self._shortcut
        if not cut.takes(environ):
            return None
        scope = _scope_in(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or scope.service != "sagemaker":
            return None
        started = wall.perf_counter()
        body = body_of(environ)
        request = cast("Request", BodyInHand(environ, body))
        return self._recorded(
            cut.operation, request, scope, lambda: cut.params(environ, body), started
        )

    def _recorded(
        self, found: wire.Operation, request: Request, scope: _Scope,
        read: Callable[[], dict[str, Any]], started: float,
    ) -> wire.Response:  # fmt: skip
        principal = self._cloud.principals.name(scope.access_key)
        call = Call(
            found.service, found.name, {}, principal, scope.region, self._cloud.account_id, request
        )
        outcome = self._answer(found, call, read)
        self._cloud.recorder.add(
            time=self._cloud.clock.time(), principal=principal,
            action=f"{_action_prefix(found.service)}:{found.name}",
            params=_without_bodies(call.params), region=scope.region,
            outcome="OK" if outcome.status < 400 else _error_code(outcome),
            status=outcome.status, seconds=wall.perf_counter() - started,
        )  # fmt: skip
        return outcome

    def _answer(
        self, found: wire.Operation, call: Call, read: Callable[[], dict[str, Any]]
    ) -> wire.Response:
        try:
            call.params.update(_read(found, read))
            return self._with_faults(call, found)
        except AwsError as error:
            return wire.refusal(found, error)
        except RecursionError as error:
            return wire.refusal(found, unreadable(found, error))
        except Exception as error:
            log.exception("%s:%s broke", found.service, found.name)
            failure = AwsError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            return wire.refusal(found, failure)

    def _with_faults(self, call: Call, found: wire.Operation) -> wire.Response:
        action = f"{_action_prefix(call.service)}:{call.operation}"
        faults = self._cloud.faults
        error = faults.on_call(action, call.principal, after=False)
        if error:
            raise error
        response = self._carry_out(call, found)
        if response.status < 400:
            for hook in self._after.get(action, ()):
                hook(call, response)
        error = faults.on_call(action, call.principal, after=True)
        if error:
            raise error
        return response

    def _carry_out(self, call: Call, found: wire.Operation) -> wire.Response:
        service = self._services.get(call.service)
        if service is None:
            if call.service not in _STATE_OF_MOTO:
                raise not_supported(call.service, call.operation)
            own = self._operations.get((call.service, call.operation))
            if own is not None:
                return wire.answer(found, own(call))
            return self._moto.call(call.service, call.request.environ)
        result = service.handle(call)
        return result if isinstance(result, wire.Response) else wire.answer(found, result or {})

    def _unrouted(self, model: str, request: Request) -> wire.Response:
        if model in _STATE_OF_MOTO:
            return self._moto.call(model, request.environ)
        return wire.refusal(None, not_supported(model, f"{request.method} {request.path}"))


def services_of_moto() -> list[str]:
    """The services whose state is moto's, by botocore name."""
    return sorted(_STATE_OF_MOTO)


def _scope_of(request: Request) -> _Scope:
    signed = request.headers.get("Authorization", "") or "Credential=" + str(
        request.args.get("X-Amz-Credential", "")
    )
    return _scope_in(signed) or _Scope(None, "us-east-1", "s3")


def _scope_in(signed: str) -> _Scope | None:
    found = _SCOPE.search(signed)
    return _Scope(found[1], found[2], found[3].lower()) if found else None


def _model_of(signing_name: str, request: Request) -> str:
    if signing_name == "sagemaker" and "X-Amz-Target" not in request.headers:
        return "sagemaker-runtime"
    return _MODEL_OF_SIGNING_NAME.get(signing_name, signing_name)


def _action_prefix(model: str) -> str:
    return "sagemaker" if model == "sagemaker-runtime" else model


def _handled(handler: Handler, request: Request) -> wire.Response:
    try:
        read_body("local cloud's own", request)
        return handler(request)
    except AwsError as error:
        return wire.refusal(None, error)
    except Exception as error:
        log.exception("%s broke", request.path)
        failure = AwsError("InternalFailure", f"{type(error).__name__}: {error}", 500)
        return wire.refusal(None, failure)


def _read(found: wire.Operation, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except AwsError:
        raise
    except Exception as error:  # whatever a parser raises, it is the request that is wrong
        raise unreadable(found, error) from error


def _recordable(found: wire.Operation, request: Request) -> dict[str, Any]:
    if found.service == "s3":
        # Bodies may be large and are moto's to read; path and query name the resource.
        check_object(request, found.path_params)
        return {**request.args.to_dict(), **found.path_params}
    body = request.get_data()
    params = wire.parse(found, request)
    request.environ["wsgi.input"] = io.BytesIO(body)  # moto reads the same body again
    return params


def _without_bodies(params: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in params.items() if not isinstance(v, bytes)}


def _error_code(response: wire.Response) -> str:
    named = response.headers.get("x-amzn-ErrorType", "")
    if named:
        return named.split(":")[0]
    text = response.body[:2000].decode(errors="replace")
    found = re.search(r'<Code>([^<]+)</Code>|"__type":\s*"(?:[^"#]*#)?([^"]+)"', text)
    return (found[1] or found[2]) if found else str(response.status)


def _reason(status: int) -> str:
    return {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found"}.get(
        status, "Status"
    )
