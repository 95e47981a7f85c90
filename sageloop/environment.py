"""Environment variables with which commands reach the local cloud and never an account."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Keys that neither a local cloud nor AWS has issued.
NO_ACCESS_KEY, NO_SECRET_KEY = "LKIANOBODY0000000000", "none"
# The variable with the path of a cloud's access file (see ``CloudAccess``).
ACCESS_FILE_VARIABLE = "SAGELOOP_LOCAL_CLOUD"
_DROPPED_PREFIXES = ("AWS_", "CDK_", "BOTO")
_DROPPED = frozenset(
    ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
     "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", ACCESS_FILE_VARIABLE)
)  # fmt: skip

# Defaults of the SageMaker Python SDK: a bucket of the local cloud, and no telemetry.
SDK_DEFAULTS_VARIABLE = "SAGEMAKER_ADMIN_CONFIG_OVERRIDE"
_SDK_DEFAULTS = Path(__file__).resolve().with_name("local_cloud") / "sagemaker_sdk.yaml"

# Empty configuration files; no instance metadata and no proxy.
_BLIND = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    SDK_DEFAULTS_VARIABLE: str(_SDK_DEFAULTS),
    "NO_PROXY": "*",
    "no_proxy": "*",
}


class NotLoopbackError(ValueError):
    """An endpoint is not on this machine."""


def require_loopback(endpoint_url: str) -> str:
    """Return the URL if its host is this machine; raise :class:`NotLoopbackError` otherwise."""
    try:
        parts = urlsplit(endpoint_url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # malformed brackets, or an invalid port
        host = None
    if host not in LOOPBACK:
        raise NotLoopbackError(
            f"the endpoint must be on this machine ({', '.join(LOOPBACK)}), got {endpoint_url}"
        )
    return endpoint_url


def local_environment(
    endpoint_url: str, *, region: str, access_key_id: str = NO_ACCESS_KEY,
    secret_access_key: str = NO_SECRET_KEY, inherited: Mapping[str, str] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Variables for a command that must reach the local cloud and nothing else.

    The keys are those that the cloud issued to its user (``CloudAccess.environment`` passes
    them); by default they are invalid in every cloud. Every inherited ``AWS_*``, ``CDK_*`` and
    proxy variable is dropped; configuration and credentials files are empty; instance
    metadata, telemetry and notices are off.
    """
    require_loopback(endpoint_url)
    source = os.environ if inherited is None else inherited
    kept = {name: value for name, value in source.items() if not _is_dropped(name)}
    own = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_MAX_ATTEMPTS": "3",
        # CDK's validation of templates takes half of a local deployment.
        "CDK_VALIDATION": source.get("CDK_VALIDATION", "false"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PATH": tool_path(source.get("PATH", os.defpath)),
    }
    return kept | _BLIND | own


def forget_accounts() -> None:
    """Remove all access of this process to its user's accounts, profiles and proxies."""
    for name in [n for n in os.environ if _is_dropped(n)]:
        del os.environ[name]
    os.environ |= _BLIND


def blind_session() -> Any:
    """A botocore session without account: no profile, no file, no variable.

    A set ``AWS_PROFILE`` makes a default session fail if the profile's file is not read.
    """
    import botocore.session

    nothing = {
        "profile": (None, None, None, None),
        "ca_bundle": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = botocore.session.Session(session_vars=nothing)
    session.set_config_variable("ignore_configured_endpoint_urls", "true")
    return session


def blind_client(service: str, **options: Any) -> Any:
    """A boto3 client of a session without account; ``options`` as for boto3's client.

    All clients of a process share one session: each session reads the service models again, which
    takes 0.1 to 0.5 s of CPU time per client.
    """
    with _creating_clients:  # boto3: sessions may not be used by several threads at a time
        return _shared_session().client(service, **options)


_creating_clients = threading.Lock()


@cache
def _shared_session() -> Any:
    import boto3

    return boto3.session.Session(botocore_session=blind_session())


def _is_dropped(name: str) -> bool:
    return name.startswith(_DROPPED_PREFIXES) or name in _DROPPED


def tool_path(path: str) -> str:
    """``PATH`` with this Python's tools (Node among them) and the pinned CDK CLI first."""
    root = Path(__file__).resolve().parents[1]
    first = [Path(sys.executable).parent, root / "node_modules" / ".bin"]
    return os.pathsep.join([*(str(p) for p in first), path])
