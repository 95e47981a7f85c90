"""The one front: every request is routed by service, recorded, and answered.

HTTP and in-process calls meet in :meth:`Front.dispatch`, so both are recorded alike and
both meet ordered faults.
"""

from __future__ import annotations

import hmac
import io
import logging
import re
import time as wall
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from moto.core.request import Request
from moto.core.routing import get_service_router

from sageloop.local_cloud.access.authentication import Identity, service_claimed
from sageloop.local_cloud.access.caller import Caller, CallerKind
from sageloop.local_cloud.access.gate import CloudParts as GateParts
from sageloop.local_cloud.access.gate import Gate
from sageloop.local_cloud.access.post_policy import is_post_of_object
from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.moto_bridge import MotoBridge
from sageloop.local_cloud.core.naming import action_prefix, model_of, moto_part
from sageloop.local_cloud.core.operations import Call, Operations
from sageloop.local_cloud.core.request_limits import (
    bound_body,
    check_object,
    read_body,
    unreadable,
)
from sageloop.local_cloud.core.shortcut import BodyInHand, Shortcut, body_of

if TYPE_CHECKING:
    from sageloop.local_cloud.core.faults import Faults

log = logging.getLogger(__name__)

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_SIGNED_FOR_INFERENCE = "/sagemaker/aws4_request"
_BODILESS = (204, 304)
_NOT_SENT = ("connection", "access-control-")
# What is stored here and read in a browser must not act as a page of this address.
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


class CloudParts(GateParts, Protocol):
    """What the front asks of the cloud that it is part of."""

    @property
    def faults(self) -> Faults:
        """Faults that were ordered."""
        ...


class Front:
    """Routes requests to the cloud's own services and to moto."""

    def __init__(self, cloud: CloudParts) -> None:
        self._cloud = cloud
        self._gate = Gate(cloud)
        self._moto = MotoBridge(cloud.clock, cloud.region, cloud.account_id)
        self._services: dict[str, Operations] = {}
        self._operations: dict[tuple[str, str], Operation] = {}
        self._routes: list[_Route] = []
        self._after: dict[str, list[Hook]] = {}
        self._shortcut = Shortcut("sagemaker-runtime", "InvokeEndpoint")

    def add_service(self, service: Operations) -> None:
        """Serve a botocore service by an implementation of our own."""
        self._services[service.model] = service

    def add_operation(self, service: str, name: str, operation: Operation) -> None:
        """Serve one operation that moto lacks in a service whose state is moto's."""
        self._operations[service, name] = operation

    def add_route(self, prefix: str, handler: Handler, *, admin: bool = True) -> None:
        """Serve a path that is no AWS API (``/_sageloop/...``).

        It needs the cloud's admin token, unless ``admin`` is off: then the path itself holds a
        secret, as AWS's presigned URLs do.
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
        """Load models and moto's part of services before they are first called."""
        for service in services:
            get_service_router(service)
            if service not in self._services:
                self._moto.warm_up(service)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer over WSGI."""
        environ.setdefault("RAW_URI", environ.get("REQUEST_URI", ""))
        response = self._gate.refused_at_once(environ)
        if response is None:
            response = self._invoked(environ) or self.dispatch(Request(environ))
        headers = [
            (k, v) for k, v in response.headers.items() if not k.lower().startswith(_NOT_SENT)
        ]
        if "HTTP_SEC_FETCH_MODE" in environ:
            headers += _IN_A_BROWSER
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
        """Answer one request that came over the wire: a route's, or one to an AWS API."""
        for route in self._routes:
            if request.path.startswith(route.prefix):
                if route.admin and not self._is_admin(request):
                    return self._gate.refuse_route(request.environ)
                return _handled(route.handler, request)
        environ = request.environ
        try:
            bound_body(service_claimed(environ), environ)
        except AwsError as error:
            return wire.refusal(None, error)  # unread: it may never come
        identity = self._gate.identify(environ)
        if isinstance(identity, wire.Response):
            return identity
        return self._answered(Request(environ), identity)

    def answer(self, request: Request, caller: Caller) -> wire.Response:
        """Answer a request from inside the cloud's own process, whose caller is known."""
        found = _SCOPE.search(request.headers.get("Authorization", ""))
        region, service = (found[1], found[2]) if found else (self._cloud.region, "s3")
        return self._answered(request, Identity(caller, region, service.lower()))

    def _answered(self, request: Request, identity: Identity) -> wire.Response:
        model = model_of(identity.service, request.environ)
        started = wall.perf_counter()
        if model == "s3" and is_post_of_object(request.environ):
            return self._unrouted(model, request, identity)  # by its path it is another operation
        if model != "s3":
            # Read before it is routed: a query protocol's body is read away as a form.
            try:
                read_body(model, request)
            except AwsError as error:
                return wire.refusal(None, error)
        try:
            found = wire.find_operation(model, request)
        except Exception:  # whatever is wrong with it, it names no operation
            return self._unrouted(model, request, identity)
        return self._recorded(
            found, request, identity, lambda: _recordable(found, request), started
        )

    def _is_admin(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wanted = self._cloud.keys.admin_token
        return scheme == "Bearer" and hmac.compare_digest(
            token.encode("utf-8", "replace"), wanted.encode()
        )

    def _invoked(self, environ: dict[str, Any]) -> wire.Response | None:
        """The answer to InvokeEndpoint, by its short way; ``None`` for any other request."""
        cut = self._shortcut
        if _SIGNED_FOR_INFERENCE not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        if not cut.takes(environ):
            return None
        started = wall.perf_counter()
        body = body_of(environ)
        identity = self._gate.identify_signed(environ, body)
        if isinstance(identity, wire.Response):
            return identity
        request = cast("Request", BodyInHand(environ, body))
        return self._recorded(
            cut.operation, request, identity, lambda: cut.params(environ, body), started
        )

    def _recorded(
        self, found: wire.Operation, request: Request, identity: Identity,
        read: Callable[[], dict[str, Any]], started: float,
    ) -> wire.Response:  # fmt: skip
        caller = identity.caller
        call = Call(
            found.service, found.name, {}, caller, identity.region, self._cloud.account_id, request
        )
        outcome = self._answer(found, call, read)
        action = f"{action_prefix(found.service)}:{found.name}"
        self._record(identity, action, _without_bodies(call.params), outcome, started)
        return outcome

    def _record(
        self, identity: Identity, action: str, params: dict[str, Any], outcome: wire.Response,
        started: float,
    ) -> None:  # fmt: skip
        self._cloud.recorder.add(
            time=self._cloud.clock.time(), principal=identity.caller.name, action=action,
            params=params, region=identity.region, status=outcome.status,
            outcome="OK" if outcome.status < 400 else _error_code(outcome),
            seconds=wall.perf_counter() - started,
        )  # fmt: skip

    def _answer(
        self, found: wire.Operation, call: Call, read: Callable[[], dict[str, Any]]
    ) -> wire.Response:
        try:
            self._gate.check_public(found, call)
            call.params.update(_read(found, read))
            return self._with_faults(call, found)
        except AwsError as error:
            return wire.refusal(found, error)
        except NotImplementedError:  # moto's word for an operation that it lacks
            return wire.refusal(found, not_supported(found.service, found.name))
        except RecursionError as error:
            return wire.refusal(found, unreadable(found, error))
        except Exception as error:
            log.exception("%s:%s broke", found.service, found.name)
            failure = AwsError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            return wire.refusal(found, failure)

    def _with_faults(self, call: Call, found: wire.Operation) -> wire.Response:
        action = f"{action_prefix(call.service)}:{call.operation}"
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
            if moto_part(call.service) is None:
                raise not_supported(call.service, call.operation)
            own = self._operations.get((call.service, call.operation))
            if own is not None:
                return wire.answer(found, own(call))
            return self._moto.call(call.service, call.request.environ)
        result = service.handle(call)
        return result if isinstance(result, wire.Response) else wire.answer(found, result or {})

    def _unrouted(self, model: str, request: Request, identity: Identity) -> wire.Response:
        """Answer what is no operation of a service's model: S3's forms, or an unknown action."""
        started = wall.perf_counter()
        try:
            if identity.caller.kind is CallerKind.ANONYMOUS:
                self._gate.check_form(model, request)
            outcome = self._moto.call(model, request.environ)
        except NotImplementedError:
            named = request.headers.get("X-Amz-Target", f"{request.method} {request.path}")
            error = not_supported(model, named)
            outcome = wire.refusal(None, error, spoken=wire.spoken_by(model, request))
        except AwsError as error:
            outcome = wire.refusal(None, error, spoken=wire.spoken_by(model, request))
        form = model == "s3" and request.method == "POST"
        action = f"{action_prefix(model)}:{'PostObject' if form else 'Unknown'}"
        params = {"Method": request.method, "Path": request.path}
        self._record(identity, action, params, outcome, started)
        return outcome


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
