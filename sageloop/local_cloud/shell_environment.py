"""Environments for a user's own commands, shells and tests: a local cloud's, or nobody's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from sageloop.environment import ACCESS_FILE_VARIABLE, SDK_DEFAULTS_VARIABLE, local_environment

# Nothing listens on port 1, and only root could. Port 0 would be surer, but some clients read it
# as "no port given" and take their protocol's own.
DEAD_ENDPOINT = "http://127.0.0.1:1"
# The user's own affair, though the local cloud's children never get them.
_KEPT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CDK_VALIDATION")
_ACCOUNT_PREFIXES = ("AWS_", "BOTO", "CDK_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_OWN = (ACCESS_FILE_VARIABLE, SDK_DEFAULTS_VARIABLE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def command_environment(made: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment that reaches what ``made`` reaches, with the user's choices for Python.

    Args:
        made: ``LocalCloud.environment()`` or :func:`dead_environment`.
        inherited: Variables of the shell or process that the command is started from.

    """
    return {**made, **{name: inherited[name] for name in _KEPT if name in inherited}}


def is_account_variable(name: str) -> bool:
    """Whether an environment variable can lead to an account, or away from a local cloud."""
    led = name.startswith(_ACCOUNT_PREFIXES) or name.upper() in _PROXIES
    return (led or name in _OWN) and name not in _KEPT


def dead_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment that reaches nothing: a dead endpoint, nobody's keys, no account's files."""
    made = local_environment(DEAD_ENDPOINT, region="us-east-1", inherited=inherited)
    return command_environment({**made, "AWS_MAX_ATTEMPTS": "1"}, inherited)


def shell_lines(environment: Mapping[str, str], inherited: Mapping[str, str]) -> list[str]:
    r"""Lines for a POSIX shell that turn one environment into another.

    >>> shell_lines({"PATH": "/bin", "B": "it's"}, {"PATH": "/bin", "A": "1"})
    ['unset A', 'export B=\'it\'"\'"\'s\'']
    """
    gone = [name for name in sorted(inherited) if name not in environment]
    changed = [name for name in sorted(environment) if environment[name] != inherited.get(name)]
    return [
        *(f"unset {name}" for name in gone if _IDENTIFIER.fullmatch(name)),
        *(f"export {name}={shlex.quote(environment[name])}" for name in changed),
    ]


def dead_shell_lines(inherited: Mapping[str, str]) -> list[str]:
    """Lines that leave a shell which reaches nothing; the last fails, so that ``&&`` stops."""
    return [*shell_lines(dead_environment(inherited), inherited), "false"]
