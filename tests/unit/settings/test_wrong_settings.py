"""Every key of a settings file with every kind of wrong value: one line each, no traceback."""

from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from stacks.settings import Settings
from stacks.settings_file import SettingsError, load_settings, read_settings

_FOLDER = Path(__file__).resolve().parents[3] / "settings"
_LONGEST = 300
Values = dict[str, Any]
Case = tuple[str, Any]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


_DAY, _MOMENT = datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_HUGE = 1 << 40_000  # Python refuses to print it
_NEVER: list[Any] = [
    [[]], [{}], {"a": {}}, [[1], [2]], {"": 1}, {"a\nb": [1]}, _DAY, _MOMENT, datetime.time(1),
    _nested(50), {"k" * 5000: 1},
]  # fmt: skip
_NUMBERS: list[Any] = ["", "7", "x" * 5000, "1e3", "0x10", "true", True, False, [], {}, [7],
                       math.nan, math.inf, -math.inf, *_NEVER]  # fmt: skip
_WHOLE: list[Any] = [*_NUMBERS, 7.5, 7.0, -0.5, 1e300, 10**30, -(10**30), _HUGE, -_HUGE, 1 << 63,
                     1 << 31, -(1 << 31) - 1]  # fmt: skip
_TEXTS: list[Any] = [
    "", " ", "\n", "\0", "a\nb", "x" * 100_000, "\u2028", "\u202eabc", "*/", "${aws:username}/",
    "?/", "..", "../", "/", "/a/", "a//b/", "☃", "{{resolve:ssm:a}}", "<script>", "a b c",
    7, -1, 7.5, True, math.nan, _HUGE, [], {}, ["a"], *_NEVER,
]  # fmt: skip
_LISTS: list[Any] = ["", "text/csv", 7, -1, 7.5, True, math.nan, _HUGE, {}, [7], [True], [""],
                     [" "], ["\0"], ["a\nb"], ["x" * 100_000], [None], *_NEVER]  # fmt: skip
_TABLES: list[Any] = ["", "x", 7, -1, 7.5, True, math.nan, _HUGE, [], [7], ["a"], {"a": [1]},
                      {"a": True}, {"a": math.nan}, *_NEVER]  # fmt: skip
_KINDS = {bool: [v for v in _WHOLE if not isinstance(v, bool)] + [0, 1], int: _WHOLE,
          float: _NUMBERS, str: _TEXTS, list: _LISTS, dict: _TABLES}  # fmt: skip


@pytest.fixture(scope="module")
def complete() -> Values:
    """Values that have every table; each is valid."""
    values = tomllib.loads((_FOLDER / "prod.toml").read_text(encoding="utf-8"))
    values |= {
        "tuning": {
            "max_jobs": 4, "random_seed": 1, "integer": {"max_depth": {"minimum": 1, "maximum": 9}},
            "continuous": {"eta": {"minimum": 0.1, "maximum": 0.3}},
        },
        "inference_api": {"authorizer": "JWT", "issuer": "https://a.example", "audience": ["a"]},
        "endpoint_schedule": {
            "stop": "cron(0 20 ? * * *)", "start": "cron(0 7 ? * * *)", "timezone": "UTC",
        },
    }  # fmt: skip
    values["project"] |= {"name": "short", "model": "model"}
    read_settings(values)
    return values


def _kind(annotation: Any) -> Any:
    """The type of a field without its limits and without None."""
    if annotation in _KINDS or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return annotation
    origin = getattr(annotation, "__origin__", None)
    if origin in _KINDS:
        return origin
    inner = [each for each in get_args(annotation) if each is not type(None)]
    return str if isinstance(inner[0], str) else _kind(inner[0])


def _fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        kind = _kind(field.annotation)
        key = f"{path}{name}"
        if kind in _KINDS:
            yield key, kind
        else:
            yield key, dict
            yield from _fields(kind, f"{key}.")


def _cases() -> list[Case]:
    ranges = [(f"tuning.integer.max_depth.{end}", int) for end in ("minimum", "maximum")]
    ranges += [(f"tuning.continuous.eta.{end}", float) for end in ("minimum", "maximum")]
    ranges += [(f"training.hyperparameters.{name}", int) for name in ("num_round", "max_depth")]
    return [(key, value) for key, kind in [*_fields(Settings), *ranges] for value in _KINDS[kind]]


CASES = _cases()
_EXTRA: list[Case] = [
    ("network.cidr", "300.0.0.0/16"), ("network.cidr", "10.0.0.0"), ("network.cidr", "10.0.0.0/8"),
    ("network.cidr", "10.0.0.0/24"), ("network.cidr", "10.0.0.1/16"), ("network.cidr", "::/16"),
    ("network.cidr", "127.0.0.0/16"), ("network.cidr", "172.17.0.0/16"),
    ("network.cidr", "010.0.0.0/16"), ("network.cidr", "10.0.0.0/255.255.0.0"),
    ("project.alert_emails", ["a@example.org", "a@example.org"]),
    ("project.alert_emails", ["a@example.org", "A@EXAMPLE.ORG"]),
    ("project.alert_emails", ["a@b"]), ("project.alert_emails", ["a@b..c"]),
    ("project.alert_emails", ["a b@example.org"]), ("project.alert_emails", ["a@example.org\n"]),
    ("project.alert_emails", ["@example.org"]), ("project.alert_emails", ["a,b@example.org"]),
    ("data.prefix", "datasets/*/"), ("data.prefix", "datasets"), ("data.prefix", "a/./b/"),
    ("data.manifest", "datasets/manifest*.json"), ("data.manifest", "/m.json"),
    ("data.manifest", "a/"), ("training.hyperparameters", {}),
    ("training.hyperparameters", {"num_round": 10, "nothing_like_it": 1}),
    ("training.hyperparameters", {"num_round": 10, "ETA": 0.1}),
    ("training.hyperparameters", {"num_round": "ten"}),
    ("tuning.categorical", {"max_depth": [True]}),
    ("network", {"zones": 3, "cidr": "10.0.0.0/19"}),
]  # fmt: skip


def _set(values: Values, key: str, value: Any) -> Values:
    """A copy of the tables on the way to a key, with another value."""
    first, _, rest = key.partition(".")
    return values | {first: _set(values.get(first, {}), rest, value) if rest else value}


def _refusal(values: Values) -> list[str]:
    """The lines that refuse the values; the first names the file."""
    with pytest.raises(SettingsError) as refused:
        read_settings(values, source="wrong.toml")
    return str(refused.value).splitlines()


# A hyperparameter that is missing or unknown has a name and no value.
_REPORTED = ("got ", "is missing", "is required", "is unknown")


def _faults_of(values: Values, key: str, value: Any) -> list[str]:
    """What is wrong with how one value is refused."""
    try:
        read_settings(_set(values, key, value), source="wrong.toml")
    except SettingsError as error:
        head, *lines = str(error).splitlines()
    else:
        return [f"{key} = {value!r:.60} is taken"]
    table = key.rpartition(".")[0]
    named = [line for line in lines if line.startswith((f"  {key}", f"  {table}: "))]
    raw = [line for line in lines if not line.isprintable()]
    long = [line for line in lines if len(line) + len(head) > _LONGEST]
    silent = [line for line in named if not any(word in line for word in _REPORTED)]
    mute = [f"{key} is not named: {lines}"] if not named else []
    return [*mute, *raw, *long, *silent]


def test_every_wrong_value_is_refused_in_one_short_line(complete: Values) -> None:
    assert len(CASES) >= 2700
    faults = [fault for key, value in CASES for fault in _faults_of(complete, key, value)]
    assert faults == []


@pytest.mark.parametrize(("key", "value"), _EXTRA)
def test_wrong_value_is_refused(complete: Values, key: str, value: Any) -> None:
    head, *lines = _refusal(_set(complete, key, value))

    assert head == "wrong.toml cannot be used:"
    assert len(lines) == 1
    assert lines[0].startswith(f"  {key}")
    assert len(lines[0]) <= _LONGEST


@pytest.mark.parametrize("key", [key for key, _ in _fields(Settings)])
def test_unknown_key_beside_each_key_is_refused(complete: Values, key: str) -> None:
    parent = key.rpartition(".")[0]
    unknown = f"{parent}.x\x1b[2J\ny" if parent else "x\x1b[2J\ny"

    (line,) = _refusal(_set(complete, unknown, 1))[1:]
    assert "there is no such key" in line
    assert line.isprintable()


def test_many_errors_are_cut(complete: Values) -> None:
    complete = complete | {f"key{number}": number for number in range(1000)}

    lines = _refusal(complete)

    assert len(lines) == 22
    assert lines[-1] == "  and 980 more"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[project]\nname = '\xff'", "wrong.toml must be UTF-8, got byte 0xff at 18"),
        ("[project]\nname = 'é'".encode("latin-1"), "must be UTF-8, got byte 0xe9"),
        ("[project]".encode("utf-16"), "must be UTF-8, got byte 0xff at 0"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply"),
        (b"a = " + b"{a=" * 5000 + b"1" + b"}" * 5000, "is nested too deeply"),
        (b".".join([b"a"] * 3000) + b" = 1", "a: got a table of 1 keys; there is no such key"),
        (b"[" + b".".join([b"a"] * 3000) + b"]", "a: got a table of 1 keys; there is no such key"),
        (b"a = " + b"9" * 5000, "has a value out of range"),
        (b"a = 0x" + b"f" * 50_000, "a: got a number of 200000 bits; there is no such key"),
        (b"a = 1979-13-40", "is not TOML"),
        (b"a = 1\ra = 2", "is not TOML"),
        (b"a = 1\na = 2", "is not TOML"),
        (b"a = {b = 1}\n[a]", "is not TOML"),
        (b"\0", "is not TOML"),
        (b"[project]\nname: yaml", "is not TOML"),
        (b'{"project": {}}', "is not TOML"),
        (b"", "project: is missing"),
        (b"#" * 300_000, "must have at most 262144 bytes"),
        (b"[[project]]\nname = 'a'", "project: got a list of 1; "),
        (b"gate = true", "gate: got true; "),
    ],
)
def test_file_is_refused_in_short_lines(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsError) as refused:
        load_settings(str(path))

    assert message in str(refused.value)
    assert max(len(line) for line in str(refused.value).splitlines()) <= _LONGEST


@pytest.mark.parametrize("name", ["", "x" * 5000, "x" * 5000 + ".toml", "a\nb", "a\0b", "/"])
def test_unusable_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(name)

    (line,) = str(refused.value).splitlines()
    assert len(line) <= _LONGEST


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_editors_of_windows_may_write_the_file(tmp_path: Path, mark: bytes, end: bytes) -> None:
    text = (_FOLDER / "prod.toml").read_bytes()
    path = tmp_path / "mine.toml"
    path.write_bytes(mark + text.replace(b"\n", end))

    assert load_settings(str(path)) == load_settings("prod")
