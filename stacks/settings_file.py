"""Reads a settings file: one TOML file, validated before synthesis."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .settings import Settings
from .settings_types import NOT_ALLOWED

_FOLDER = Path(__file__).resolve().parent.parent / "settings"
_DEFAULT = "prod"
# A file of this project has 4 KB.
_MOST_BYTES = 262_144
_MOST_LINES = 20
_MOST_SHOWN, _MOST_MESSAGE = 60, 160
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


class SettingsError(ValueError):
    """A settings file is invalid; the message has one line per error."""


def load_settings(chosen: str | None = None) -> Settings:
    """Load and validate a settings file.

    Args:
        chosen: ``dev``, ``prod`` or the path of a TOML file; by default the value of
            ``SAGELOOP_SETTINGS``, or ``prod``.

    Raises:
        SettingsError: If the file does not exist or is invalid.

    """
    name = os.environ.get("SAGELOOP_SETTINGS", _DEFAULT) if chosen is None else chosen
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    source = _cut(path.name)
    return read_settings(_values(_text(path, name), source), source=source)


def read_settings(values: Mapping[str, Any], *, source: str = "settings") -> Settings:
    """Validate the values of a settings file.

    Raises:
        SettingsError: With one line per error: key, value, and what is allowed.

    """
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        faults = error.errors()
    lines = [_line(fault) for fault in faults[:_MOST_LINES]]
    more = len(faults) - len(lines)
    rest = [f"  and {more} more"] if more else []
    raise SettingsError("\n".join([f"{source} cannot be used:", *lines, *rest]))


def _text(path: Path, name: str) -> str:
    try:
        if not path.is_file():
            names = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.toml")))
            raise SettingsError(
                f"no settings {_shown(name)}: allowed are {names} or the path of a .toml file"
            )
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise SettingsError(f"{_cut(path.name)} must have at most {_MOST_BYTES} bytes")
        # Editors on Windows write a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{_cut(path.name)} must be UTF-8, got byte 0x{error.object[error.start]:02x} at "
            f"{error.start}"
        ) from None
    except OSError as error:
        raise SettingsError(f"{_cut(path.name)} cannot be read: {error.strerror}") from None


def _values(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML: {_cut(str(error), _MOST_MESSAGE)}") from None
    except RecursionError:
        raise SettingsError(
            f"{source} is nested too deeply: a setting is at most 4 tables deep"
        ) from None
    except ValueError as error:  # a number or a date that Python cannot represent
        message = _cut(str(error).split(";")[0], _MOST_MESSAGE)
        raise SettingsError(f"{source} has a value out of range: {message}") from None


def _line(fault: ErrorDetails) -> str:
    key = _cut(".".join(_key(part) for part in fault["loc"]), 120)
    message = _cut(str(fault["msg"]).removeprefix("Value error, "), _MOST_MESSAGE * 3 // 2)
    if fault["type"] == "missing":
        return f"  {key}: is missing"
    if fault["type"] == "extra_forbidden":
        return f"  {key}: got {_shown(fault['input'])}; there is no such key"
    if fault["type"] == "value_error":
        return f"  {key}: {message}" if key else f"  {message}"
    if fault["type"] == NOT_ALLOWED:
        return f"  {key}: got {_shown(fault['input'])}; {message}"
    message = _cut(message, _MOST_MESSAGE)
    return f"  {key}: got {_shown(fault['input'])}; {message[0].lower()}{message[1:]}"


def _key(part: int | str) -> str:
    text = str(part)
    return text if _BARE_KEY.fullmatch(text) else _shown(text)


def _shown(value: Any) -> str:
    """A value in a message; it may be of any size and depth."""
    if isinstance(value, dict):
        return f"a table of {len(value)} keys" if value else "an empty table"
    if isinstance(value, list) and (len(value) > 3 or any(_is_nested(each) for each in value)):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _cut(repr(value[: _MOST_SHOWN * 2] if isinstance(value, str) else value))


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list) or (isinstance(value, int) and value.bit_length() > 200)


def _cut(text: str, most: int = _MOST_SHOWN) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
