"""Configures the current process for a local cloud, and restores it.

Environment variables apply to AWS clients that are created later, and to child processes. boto3
clients that were created before, typically at the import of a module, keep their endpoint and
credentials; :func:`install` makes botocore select the endpoint for each request.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from sageloop.environment import LOOPBACK
from sageloop.local_cloud.shell_environment import is_account_variable

_EVENT = "before-endpoint-resolution"
# Invalid together with a custom endpoint, or without effect on it.
_VARIANTS = (
    "AWS::UseFIPS", "AWS::UseDualStack", "AWS::S3::Accelerate", "AWS::S3::UseGlobalEndpoint",
    "AWS::STS::UseGlobalEndpoint",
)  # fmt: skip
_ANSWERED = "http://answered.invalid/"
_active: list[ProcessEnvironment] = []


def install() -> None:
    """Make botocore clients that are created from now on call :func:`choose_endpoint`."""
    from botocore.handlers import BUILTIN_HANDLERS

    if (_EVENT, choose_endpoint) in BUILTIN_HANDLERS:
        return
    BUILTIN_HANDLERS.append((_EVENT, choose_endpoint))
    if "moto.core.models" not in sys.modules:
        BUILTIN_HANDLERS.append(("before-send", answer_as_moto))  # so it is called before moto's


def exempt(client: Any) -> Any:
    """Exclude a client: it keeps its endpoint, inside moto's ``mock_aws`` as well."""
    client.meta.events.unregister(_EVENT, choose_endpoint)
    return client


def choose_endpoint(builtins: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Redirect one request, if a local cloud is configured for this process.

    A request that would leave this machine goes to the cloud, signed by the cloud's own keys. One
    that would go to the cloud while moto's ``mock_aws`` is active goes to moto.
    """
    if not _active:
        return
    endpoint, custom = _active[-1].endpoint_url, builtins.get("SDK::Endpoint")
    if _moto_stubber() is not None:
        if custom == endpoint:
            builtins["SDK::Endpoint"] = None
    elif custom is None or urlsplit(custom).hostname not in LOOPBACK:
        builtins |= {"SDK::Endpoint": endpoint, **dict.fromkeys(_VARIANTS, False)}
        signing = context.setdefault("signing", {})
        signing["request_credentials"] = _active[-1].credentials


def answer_as_moto(event_name: str, request: Any, **_: Any) -> Any:
    """Let an active ``mock_aws`` answer a client that was created before moto was imported.

    Such a client has no handler of moto's, and would send the request to AWS.
    """
    stubber = _moto_stubber() if _active else None
    answer = None if stubber is None else stubber(event_name, request)
    if answer is not None:
        # botocore calls every handler: moto's own, if the client has it, must not run twice.
        request.url = _ANSWERED
    return answer


class ProcessEnvironment:
    """Configures this process and its children for a local cloud while it is entered.

    At exit, each variable that can configure an account gets its previous value, whatever changed
    it in between; so does boto3's default session. Other variables are not changed.

    Args:
        variables: Result of ``LocalCloud.environment()``.

    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {n: v for n, v in variables.items() if is_account_variable(n)}
        self.endpoint_url = variables["AWS_ENDPOINT_URL"]
        self.credentials = Credentials(
            variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        )
        self._before: dict[str, str] = {}
        self._session: Any = None

    def __enter__(self) -> Self:
        self._before = _account_variables()
        _replace_account_variables(self._variables)
        self._session = _swap_default_session(None)
        _active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        _active.remove(self)
        _swap_default_session(self._session)
        _replace_account_variables(self._before)


def _account_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_account_variable(name)}


def _replace_account_variables(variables: Mapping[str, str]) -> None:
    for name in _account_variables().keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def _swap_default_session(session: Any) -> Any:
    """Replace boto3's default session, which keeps its first configuration."""
    boto3: Any = sys.modules.get("boto3")
    if boto3 is None:
        return None
    before, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, session
    return before


def _moto_stubber() -> Any:
    """Moto's stubber, which answers requests while ``mock_aws`` is active, or ``None``."""
    models = sys.modules.get("moto.core.models")
    return models.botocore_stubber if models and models.botocore_stubber.enabled else None
