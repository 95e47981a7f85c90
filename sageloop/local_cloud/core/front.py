"""Entry point of all requests: routes, authorizes, records and answers them.

HTTP and in-process calls both pass :meth:`Front.dispatch` or :meth:`Front.answer`, so both are
recorded and both are subject to injected faults.
"""

from __future__ import annotations

import hmac
import io
import logging
import re
import time as wall
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, cast

from moto.core.request import Request
from moto.core.routing import get_service_router

from sageloop.local_cloud.access.authentication import Identity, service_claimed
from sageloop.local_cloud.access.caller import Caller, CallerKind
from sageloop.local_cloud.access.post_policy import is_post_of_object
from sageloop.local_cloud.access.request_filter import CloudParts as RequestFilterParts
from sageloop.local_cloud.access.request_filter import RequestFilter
from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.fast_path import BufferedRequest, OperationFastPath, body_of
from sageloop.local_cloud.core.moto_bridge import MotoBridge
from sageloop.local_cloud.core.naming import action_prefix, model_of, moto_part
from sageloop.local_cloud.core.operations import Call, Operations
from sageloop.local_cloud.core.request_limits import (
    bound_body,
    check_object,
    read_body,
    unreadable,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.access.enforcement.authorizer import Authorizer
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.faults import Faults

log = logging.getLogger(__name__)

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_SIGNED_FOR_INFERENCE = "/sagemaker/aws4_request"
_BODILESS = (204, 304)
_NOT_SENT = ("connection", "access-control-")
# A stored object that a browser opens must not run as a page of this origin.
_IN_A_BROWSER = [
    ("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff"),
]  # fmt: skip

Hook = Callable[[Call, wire.Response], None]
Handler = Callable[[Request], wire.Response]
Operation = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Route:
    prefix: str
    handler: Handler
    admin: bool


class CloudParts(RequestFilterParts, Protocol):
    """Parts of the cloud that the front uses."""

    @property
    def faults(self) -> Faults:
        """Injected faults."""
        ...

    @property
    def authorizer(self) -> Authorizer:
        """Decides calls by access policies."""
        ...


class Front:
    """Routes requests to the cloud's own services and to moto."""

    def __init__(self, cloud: CloudParts) -> None:
        self._cloud = cloud
        self._request_filter = RequestFilter(cloud)
        self._moto = MotoBridge(cloud.clock, cloud.region, cloud.account_id)
        self._services: dict[str, Operations] = {}
        self._operations: dict[tuple[str, str], Operation] = {}
        self._routes: list[_Route] = []
        self._after: dict[str, list[Hook]] = {}
        self._fast_path = OperationFastPath("sagemaker-runtime", "InvokeEndpoint")

    def add_service(self, service: Operations) -> None:
        """Register the implementation of a botocore service."""
        self._services[service.model] = service

    def add_operation(self, service: str, name: str, operation: Operation) -> None:
        """Register one operation that moto lacks in a service whose state moto keeps."""
        self._operations[service, name] = operation

    def add_route(self, prefix: str, handler: Handler, *, admin: bool = True) -> None:
        """Serve a path that is not an AWS API (``/_sageloop/...``).

        It requires the cloud's admin token unless ``admin`` is false: then the path itself
        contains a secret, as AWS's presigned URLs do.
        """
        self._routes.append(_Route(prefix, handler, admin))

    def after(self, action: str, hook: Hook) -> None:
        """Call ``hook(call, response)`` after each success of ``action`` (``s3:PutObject``)."""
        self._after.setdefault(action, []).append(hook)

    @property
    def services(self) -> dict[str, Operations]:
        """The cloud's own services by botocore name."""
        return self._services

    def warm_up(self, services: Iterable[str]) -> None:
        """Load models and moto's backends of services before their first call."""
        for service in services:
            get_service_router(service)
            if service not in self._services:
                self._moto.warm_up(service)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a WSGI request."""
        environ.setdefault("RAW_URI", environ.get("REQUEST_URI", ""))
        response = self._request_filter.admission_refusal(environ)
        if response is None:
            response = self._invoked(environ) or self.dispatch(Request(environ))
        headers = [
            (k, v) for k, v in response.headers.items() if not k.lower().startswith(_NOT_SENT)
        ]
        if "HTTP_SEC_FETCH_MODE" in environ:
            headers += _IN_A_BROWSER
        if response.status in _BODILESS:
            # A HEAD response has no body: bytes of one would be read as the start of the next
            # response.
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
        """Answer a request from the network: to a registered path or to an AWS API."""
        for route in self._routes:
            if request.path.startswith(route.prefix):
                if route.admin and not self._is_admin(request):
                    return self._request_filter.refuse_route(request.environ)
                return _handled(route.handler, request)
        environ = request.environ
        try:
            bound_body(service_claimed(environ), environ)
        except AwsError as error:
            return wire.refusal(None, error)  # unread: the client may never send it
        identity = self._request_filter.identify(environ)
        if isinstance(identity, wire.Response):
            return identity
        return self._answered(Request(environ), identity)

    def answer(self, request: Request, caller: Caller) -> wire.Response:
        """Answer a request from the cloud's own process, whose caller is known."""
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        region, service = (scope[1], scope[2]) if scope else (self._cloud.region, "s3")
        return self._answered(request, Identity(caller, region, service.lower()))

    def _answered(self, request: Request, identity: Identity) -> wire.Response:
        model = model_of(identity.service, request.environ)
        started = wall.perf_counter()
        if model == "s3" and is_post_of_object(request.environ):
            return self._unrouted(model, request, identity)  # by its path it is another operation
        if model != "s3":
            # Read before routing: werkzeug consumes the body of the query protocol as a form.
            try:
                read_body(model, request)
            except AwsError as error:
                return wire.refusal(None, error)
        try:
            operation = wire.find_operation(model, request)
        except Exception:  # the request names no operation, whatever the parser raises
            return self._unrouted(model, request, identity)
        return self._recorded(
            operation, request, identity, lambda: _recordable(operation, request), started
        )

    def _is_admin(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expected = self._cloud.keys.admin_token
        return scheme == "Bearer" and hmac.compare_digest(
            token.encode("utf-8", "replace"), expected.encode()
        )

    def _invoked(self, environ: dict[str, Any]) -> wire.Response | None:
        """The response to InvokeEndpoint from the fast path; ``None`` for any other request."""
        fast_path = self._fast_path
        if _SIGNED_FOR_INFERENCE not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        if not fast_path.takes(environ):
            return None
        started = wall.perf_counter()
        body = body_of(environ)
        identity = self._request_filter.identify_signed(environ, body)
        if isinstance(identity, wire.Response):
            return identity
        request = cast("Request", BufferedRequest(environ, body))
        return self._recorded(
            fast_path.operation, request, identity, lambda: fast_path.params(environ, body), started
        )

    def _recorded(
        self, operation: wire.Operation, request: Request, identity: Identity,
        read: Callable[[], dict[str, Any]], started: float,
    ) -> wire.Response:  # fmt: skip
        caller = identity.caller
        call = Call(
            operation.service,
            operation.name,
            {},
            caller,
            identity.region,
            self._cloud.account_id,
            request,
        )
        decisions: list[Decision] = []
        outcome = self._answer(operation, call, read, decisions)
        if (
            outcome.status >= HTTPStatus.BAD_REQUEST
            and operation.model.http.get("method") == "HEAD"
        ):
            outcome.body = b""  # clients take the code from the status
        action = f"{action_prefix(operation.service)}:{operation.name}"
        self._record(
            identity,
            action,
            _without_bodies(call.params),
            outcome,
            started,
            access=access_of(decisions),
        )
        return outcome

    def _record(
        self, identity: Identity, action: str, params: dict[str, Any], outcome: wire.Response,
        started: float, *, access: str = "",
    ) -> None:  # fmt: skip
        self._cloud.recorder.add(
            time=self._cloud.clock.time(), principal=identity.caller.name, action=action,
            params=params, region=identity.region, status=outcome.status,
            outcome="OK" if outcome.status < 400 else _error_code(outcome),
            seconds=wall.perf_counter() - started, access=access,
        )  # fmt: skip

    def _answer(
        self, operation: wire.Operation, call: Call, read: Callable[[], dict[str, Any]],
        decisions: list[Decision],
    ) -> wire.Response:  # fmt: skip
        try:
            self._request_filter.check_public(operation, call)
            call.params.update(_read(operation, read))
            self._cloud.authorizer.check(operation, call, decisions)
            return self._with_faults(call, operation)
        except AwsError as error:
            return wire.refusal(operation, error)
        except NotImplementedError:  # moto raises it for an operation that it lacks
            return wire.refusal(operation, not_supported(operation.service, operation.name))
        except RecursionError as error:
            return wire.refusal(operation, unreadable(operation, error))
        except Exception as error:
            log.exception("%s:%s broke", operation.service, operation.name)
            failure = AwsError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            return wire.refusal(operation, failure)

    def _with_faults(self, call: Call, operation: wire.Operation) -> wire.Response:
        action = f"{action_prefix(call.service)}:{call.operation}"
        faults = self._cloud.faults
        error = faults.on_call(action, call.principal, after=False)
        if error:
            raise error
        response = self._carry_out(call, operation)
        if response.status == HTTPStatus.NOT_FOUND and self._cloud.authorizer.hides_missing(call):
            raise AwsError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)
        if response.status < 400:
            for hook in self._after.get(action, ()):
                hook(call, response)
        error = faults.on_call(action, call.principal, after=True)
        if error:
            raise error
        return response

    def _carry_out(self, call: Call, operation: wire.Operation) -> wire.Response:
        service = self._services.get(call.service)
        if service is None:
            if moto_part(call.service) is None:
                raise not_supported(call.service, call.operation)
            own = self._operations.get((call.service, call.operation))
            if own is not None:
                return wire.answer(operation, own(call))
            return self._moto.call(call.service, call.request.environ)
        result = service.handle(call)
        return result if isinstance(result, wire.Response) else wire.answer(operation, result or {})

    def _unrouted(self, model: str, request: Request, identity: Identity) -> wire.Response:
        """Answer a request for no operation of the service's model: S3's forms, unknown actions."""
        started = wall.perf_counter()
        try:
            if identity.caller.kind is CallerKind.ANONYMOUS:
                self._request_filter.check_form(model, request)
            outcome = self._moto.call(model, request.environ)
        except NotImplementedError:
            named = request.headers.get("X-Amz-Target", f"{request.method} {request.path}")
            error = not_supported(model, named)
            outcome = wire.refusal(None, error, spoken=wire.error_protocol_of(model, request))
        except AwsError as error:
            outcome = wire.refusal(None, error, spoken=wire.error_protocol_of(model, request))
        form = model == "s3" and request.method == "POST"
        action = f"{action_prefix(model)}:{'PostObject' if form else 'Unknown'}"
        params = {"Method": request.method, "Path": request.path}
        self._record(identity, action, params, outcome, started)
        return outcome


def access_of(decisions: Sequence[Decision]) -> str:
    """The decision on a call for its record: the statement that allows it, or why it is denied."""
    denied = next((one for one in decisions if not one.allowed), None)
    if denied is not None:
        return f"denied {denied.request.action} {denied.reason} {denied.source}".rstrip()
    return decisions[0].source if decisions else ""


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


def _read(operation: wire.Operation, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except AwsError:
        raise
    except Exception as error:  # any exception of a parser is an error of the request
        raise unreadable(operation, error) from error


def _recordable(operation: wire.Operation, request: Request) -> dict[str, Any]:
    if operation.service == "s3":
        # Bodies may be large and moto reads them; path and query name the resource.
        check_object(request, operation.path_params)
        return {**request.args.to_dict(), **operation.path_params}
    body = request.get_data()
    params = wire.parse(operation, request)
    request.environ["wsgi.input"] = io.BytesIO(body)  # moto reads the same body again
    return params


def _without_bodies(params: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in params.items() if not isinstance(v, bytes)}


def _error_code(response: wire.Response) -> str:
    named = response.headers.get("x-amzn-ErrorType", "")
    if named:
        return named.split(":")[0]
    text = response.body[:2000].decode(errors="replace")
    match = re.search(r'<Code>([^<]+)</Code>|"__type":\s*"(?:[^"#]*#)?([^"]+)"', text)
    return (match[1] or match[2]) if match else str(response.status)


def _reason(status: int) -> str:
    return {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found"}.get(
        status, "Status"
    )
