"""Environments for a user's commands, shells and tests: with a local cloud, or without any."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from sageloop.environment import ACCESS_FILE_VARIABLE, SDK_DEFAULTS_VARIABLE, local_environment

# No process listens on port 1, and only root could. Port 0 would be safer, but some clients treat
# it as a missing port and use their protocol's default.
UNREACHABLE_ENDPOINT = "http://127.0.0.1:1"
# For the user's commands only: the local cloud's children never get them.
_KEPT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CDK_VALIDATION")
_ACCOUNT_PREFIXES = ("AWS_", "BOTO", "CDK_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_OWN = (ACCESS_FILE_VARIABLE, SDK_DEFAULTS_VARIABLE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def command_environment(made: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment ``made``, with the user's settings of Python.

    Args:
        made: ``LocalCloud.environment()`` or :func:`unreachable_environment`.
        inherited: Variables of the shell or process that starts the command.

    """
    return {**made, **{name: inherited[name] for name in _KEPT if name in inherited}}


def is_account_variable(name: str) -> bool:
    """Whether an environment variable can select an account, or another endpoint."""
    led = name.startswith(_ACCOUNT_PREFIXES) or name.upper() in _PROXIES
    return (led or name in _OWN) and name not in _KEPT


def unreachable_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment without any AWS: an unreachable endpoint, invalid keys, no account's files."""
    made = local_environment(UNREACHABLE_ENDPOINT, region="us-east-1", inherited=inherited)
    return command_environment({**made, "AWS_MAX_ATTEMPTS": "1"}, inherited)


def shell_lines(environment: Mapping[str, str], inherited: Mapping[str, str]) -> list[str]:
    r"""Lines for a POSIX shell that change one environment into another.

    >>> shell_lines({"PATH": "/bin", "B": "it's"}, {"PATH": "/bin", "A": "1"})
    ['unset A', 'export B=\'it\'"\'"\'s\'']
    """
    gone = [name for name in sorted(inherited) if name not in environment]
    changed = [name for name in sorted(environment) if environment[name] != inherited.get(name)]
    return [
        *(f"unset {name}" for name in gone if _IDENTIFIER.fullmatch(name)),
        *(f"export {name}={shlex.quote(environment[name])}" for name in changed),
    ]


def unreachable_shell_lines(inherited: Mapping[str, str]) -> list[str]:
    """Lines that make a shell's AWS unreachable; the last fails, so that ``&&`` stops."""
    return [*shell_lines(unreachable_environment(inherited), inherited), "false"]
