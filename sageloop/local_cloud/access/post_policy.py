"""S3's POST Object: a form with a signed policy.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import io
import json
import time as wall
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from moto.core.request import Request

from sageloop.local_cloud.access import signature_v2
from sageloop.local_cloud.access.claims import ALGORITHM, scope_of
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.signature import matches, signing_key
from sageloop.local_cloud.core.errors import AwsError

_MULTIPART = "multipart/form-data"
# Fields that no condition has to name.
_FREE = frozenset(("x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"))
_IGNORED = "x-ignore-"


@dataclass(frozen=True, slots=True)
class _Form:
    """The form's fields in lower case, its file's size, and the bucket of the URL."""

    fields: Mapping[str, str]
    size: int

    def value(self, name: str) -> str:
        return self.fields.get(name, "")


def is_post_of_object(environ: Mapping[str, Any]) -> bool:
    """Whether a request is a form with a file for a bucket."""
    return environ.get("REQUEST_METHOD") == "POST" and environ.get("CONTENT_TYPE", "").startswith(
        _MULTIPART
    )


def verify_post(environ: Mapping[str, Any]) -> tuple[str | None, str, Callable[[str], None]]:
    """Access key and session token of a form, and the check that needs the key's secret.

    The key is ``None`` for a form without a policy, which is anonymous. Raises :class:`Denied` and
    ``AwsError``.
    """
    form = _form_of(environ)
    if not form.value("policy"):
        return None, "", lambda _: None
    version_4 = bool(form.value("x-amz-algorithm"))
    if version_4 and form.value("x-amz-algorithm") != ALGORITHM:
        raise Denied(Denial.ALGORITHM)
    scope = scope_of(form.value("x-amz-credential")) if version_4 else None
    if version_4 and scope is None:
        raise Denied(Denial.INCOMPLETE)
    key_id = form.value("awsaccesskeyid") if scope is None else scope.access_key_id

    def check(secret: str) -> None:
        policy = form.value("policy")
        if scope is None:
            holds = signature_v2.matches(secret, policy, form.value("signature"))
        else:
            key = signing_key(secret, scope.day, scope.region, scope.service)
            holds = scope.service == "s3" and matches(key, policy, form.value("x-amz-signature"))
        if not holds:
            raise Denied(Denial.MISMATCH)
        _check_policy(policy, form)

    return key_id, form.value("x-amz-security-token"), check


def _form_of(environ: Mapping[str, Any]) -> _Form:
    stream = environ["wsgi.input"]
    request = Request(dict(environ) | {"wsgi.input": io.BytesIO(stream.getvalue())})
    fields = {name.lower(): value for name, value in request.form.items()}
    size = 0
    for upload in request.files.values():
        size = len(upload.stream.read())
        filename = PurePosixPath(upload.filename or "").name
        fields["key"] = fields.get("key", "").replace("${filename}", filename)
    if "file" in fields:
        size = len(fields["file"].encode())
    fields["bucket"] = request.path.strip("/").split("/")[0]
    return _Form(fields, size)


def _check_policy(encoded: str, form: _Form) -> None:
    try:
        policy = json.loads(base64.b64decode(encoded))
        expires = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
        conditions = list(policy["conditions"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AwsError("InvalidPolicyDocument", f"Invalid Policy: {error}") from error
    if wall.time() > expires.replace(tzinfo=expires.tzinfo or UTC).timestamp():
        raise _against("Policy expired.")
    named = set()
    for condition in conditions:
        named.add(_check_condition(condition, form))
    extra = [
        name for name in form.fields
        if name not in named | _FREE | {"bucket"} and not name.startswith(_IGNORED)
    ]  # fmt: skip
    if extra:
        raise _against(f"Extra input fields: {', '.join(sorted(extra))}")


def _check_condition(condition: Any, form: _Form) -> str:
    """The field that a condition names, if the condition holds."""
    if isinstance(condition, dict) and len(condition) == 1:
        name, value = next(iter(condition.items()))
        operator, field = "eq", f"${name}"
    elif isinstance(condition, list) and len(condition) == 3:
        operator, field, value = condition
    else:
        raise AwsError("InvalidPolicyDocument", f"Invalid Policy: condition {condition}")
    operator = str(operator).lower()
    if operator == "content-length-range":
        _check_size(int(field), int(value), form.size)
        return ""
    name = str(field).removeprefix("$").lower()
    submitted = form.value(name)
    if operator not in ("eq", "starts-with"):
        raise AwsError("InvalidPolicyDocument", f"Invalid Policy: operator {operator}")
    holds = submitted == value if operator == "eq" else submitted.startswith(str(value))
    if not holds:
        raise _against(f"Policy Condition failed: {json.dumps([operator, field, value])}")
    return name


def _check_size(least: int, most: int, size: int) -> None:
    if size < least:
        raise AwsError(
            "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"
        )
    if size > most:
        raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _against(what: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {what}", 403)
