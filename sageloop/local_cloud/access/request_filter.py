"""Admission and authentication of requests, and the responses to refused ones."""

from __future__ import annotations

import json
import time as wall
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.utils import get_service_model
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException

from sageloop.local_cloud.access.admission import NotAdmittedError, admit
from sageloop.local_cloud.access.authentication import (
    COGNITO,
    UNSIGNED_ACTIONS,
    Authentication,
    Identity,
    authorize_for_moto,
    discard_body,
    service_claimed,
)
from sageloop.local_cloud.access.caller import CallerKind, anonymous
from sageloop.local_cloud.access.enforcement import s3_parameters
from sageloop.local_cloud.access.enforcement.documents import parsed
from sageloop.local_cloud.access.policy.authorization import (
    ApiCall,
    UnmappedOperationError,
    required_permissions,
)
from sageloop.local_cloud.access.public_access import is_open
from sageloop.local_cloud.access.refusals import Denial, Denied, Family, family_of
from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import action_prefix, model_of
from sageloop.local_cloud.core.operations import Call

if TYPE_CHECKING:
    from sageloop.local_cloud.access.keys import KeyRing
    from sageloop.local_cloud.access.parts import AccessDecisions
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.clock import VirtualClock
    from sageloop.local_cloud.core.recorder import Recorder

_FORM = "application/x-www-form-urlencoded"
# A request that cannot be routed has no operation name.
_UNKNOWN = "Unknown"


class CloudParts(Protocol):
    """Parts of the cloud that the filter uses."""

    @property
    def account_id(self) -> str:
        """The account id."""
        ...

    @property
    def region(self) -> str:
        """The default region."""
        ...

    @property
    def port(self) -> int:
        """The port of the cloud."""
        ...

    @property
    def keys(self) -> KeyRing:
        """The access keys that the cloud issued."""
        ...

    @property
    def clock(self) -> VirtualClock:
        """Virtual time."""
        ...

    @property
    def recorder(self) -> Recorder:
        """The record of calls."""
        ...

    @property
    def authorizer(self) -> AccessDecisions:
        """Decides by the policies of buckets."""
        ...


class RequestFilter:
    """Admits requests, and answers and records those that it refuses."""

    def __init__(self, cloud: CloudParts) -> None:
        self._cloud = cloud
        self._authentication = Authentication(cloud.keys, cloud.account_id, cloud.region)

    def admission_refusal(self, environ: Mapping[str, Any]) -> wire.Response | None:
        """The refusal of a request for another host or of a web page, or ``None``."""
        try:
            admit(environ, self._cloud.port)
        except NotAdmittedError as error:
            self._record(
                "sageloop:Admission", "NotAdmitted", 403, environ, wall.perf_counter(),
                reason=str(error),
            )  # fmt: skip
            discard_body(environ)
            return wire.refusal(None, AwsError("AccessDeniedException", str(error), 403))
        return None

    def identify(self, environ: dict[str, Any]) -> Identity | wire.Response:
        """The caller, or the refusal of the request."""
        started = wall.perf_counter()
        try:
            return self._authentication.of(environ)
        except (Denied, AwsError) as error:
            return self.refuse(environ, error, started)

    def identify_signed(self, environ: dict[str, Any], body: bytes) -> Identity | wire.Response:
        """The caller of a request whose body is read and that is signed in its headers."""
        started = wall.perf_counter()
        try:
            return self._authentication.of_headers(environ, body)
        except Denied as error:
            return self.refuse(environ, error, started)

    def check_public(self, operation: wire.Operation, call: Call) -> None:
        """Refuse an unsigned request unless it is allowed for everybody. Raises ``AwsError``.

        The parsed operation decides, not the form of the request.
        """
        if call.caller.kind is not CallerKind.ANONYMOUS:
            return
        if operation.service == "sts" and operation.name in UNSIGNED_ACTIONS:
            return
        if operation.service in COGNITO.values():
            return  # unsigned on AWS too; the front refuses an unsupported operation by name
        if operation.service != "s3":
            raise Denied(Denial.MISSING).error(family_of(operation.service, operation.protocol))
        self._check_open(call, s3_parameters.parameters(operation, call.request))

    def check_form(self, model: str, request: Request) -> None:
        """Refuse an unsigned S3 form unless everybody may write. Raises ``AwsError``."""
        is_form = model == "s3" and request.method == "POST"
        key = request.form.get("key", "") if is_form else ""
        request.environ["wsgi.input"].seek(0)  # moto reads the form again
        if not key:
            raise Denied(Denial.MISSING).error("s3")
        account, region = self._cloud.account_id, self._cloud.region
        call = Call("s3", "PutObject", {}, anonymous(account), region, account, request)
        self._check_open(call, {"Bucket": request.path.strip("/"), "Key": key})

    def _check_open(self, call: Call, params: Mapping[str, Any]) -> None:
        bucket = _bucket(self._cloud.account_id, str(params.get("Bucket", "")))
        key = str(params.get("Key", ""))
        if bucket is None:
            raise Denied(Denial.MISSING).error("s3")
        policy = None if bucket.policy is None else parsed(bucket.policy, f"of {bucket.name}")
        if not is_open(bucket, policy, key, self._decisions(call, params)):
            raise Denied(Denial.MISSING).error("s3")
        # moto would evaluate an unsigned request again, by the object's ACL only.
        scope = f"20000101/{self._cloud.region}/s3/aws4_request"
        authorize_for_moto(call.request.environ, "ANONYMOUS", scope)

    def _decisions(self, call: Call, params: Mapping[str, Any]) -> list[Decision]:
        made = ApiCall(
            model="s3", operation=call.operation, params=params, region=call.region,
            account=call.account_id, partition=get_partition(call.region),
        )  # fmt: skip
        authorizer = self._cloud.authorizer
        keys = authorizer.keys_of(call)
        try:
            permissions = required_permissions(made)
        except UnmappedOperationError:
            return []  # not public
        return [authorizer.evaluate(call.caller, one, keys) for one in permissions]

    def refuse_route(self, environ: Mapping[str, Any]) -> wire.Response:
        """The refusal of a request to the cloud's own API that lacks the admin token."""
        discard_body(environ)
        self._record("sageloop:Admin", "NoAdminToken", 403, environ, wall.perf_counter())
        message = "the admin token of this cloud is needed (Authorization: Bearer TOKEN)"
        return wire.Response(
            403, {"Content-Type": "application/json"}, json.dumps({"error": message}).encode()
        )

    def refuse(
        self, environ: dict[str, Any], error: Denied | AwsError, started: float
    ) -> wire.Response:
        """Answer and record a refused request."""
        discard_body(environ)
        operation, model, family = _addressed(environ)
        refusal = error.error(family) if isinstance(error, Denied) else error
        response = wire.refusal(operation, refusal, spoken=family)
        name = _UNKNOWN if operation is None else operation.name
        action = f"{action_prefix(model)}:{name}"
        self._record(action, refusal.code, refusal.status, environ, started)
        return response

    def _record(
        self, action: str, outcome: str, status: int, environ: Mapping[str, Any],
        started: float, **more: str,
    ) -> None:  # fmt: skip
        params = {"Method": environ.get("REQUEST_METHOD"), "Path": environ.get("PATH_INFO"), **more}
        self._cloud.recorder.add(
            time=self._cloud.clock.time(), principal="anonymous", action=action, params=params,
            region=self._cloud.region, outcome=outcome, status=status,
            seconds=wall.perf_counter() - started,
        )  # fmt: skip


def _addressed(environ: dict[str, Any]) -> tuple[wire.Operation | None, str, Family]:
    """The operation that a refused request calls, if it can be parsed, and its error family."""
    signing_name = service_claimed(environ)
    content_type = environ.get("CONTENT_TYPE", "")
    if signing_name is None:
        if content_type.startswith(_FORM) or "Action=" in environ.get("QUERY_STRING", ""):
            return None, "sts", "query"
        return (None, "sageloop", "json") if "HTTP_X_AMZ_TARGET" in environ else (None, "s3", "s3")
    model = model_of(signing_name, environ)
    with suppress(HTTPException, NotImplementedError, KeyError, ValueError, UnknownServiceError):
        operation = wire.find_operation(model, Request(dict(environ)))
        return operation, model, family_of(model, operation.protocol)
    with suppress(UnknownServiceError):
        return None, model, family_of(model, str(get_service_model(model).protocol))
    return None, model, "query" if content_type.startswith(_FORM) else "json"


def _bucket(account_id: str, name: str) -> Any:
    from moto.s3.models import s3_backends

    for partition in s3_backends[account_id].values():
        if name in partition.buckets:
            return partition.buckets[name]
    return None
