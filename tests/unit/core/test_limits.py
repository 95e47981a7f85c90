"""Limits of archives, compressed data, regular expressions and templates."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from pathlib import Path

import pytest

from sageloop.local_cloud.core import archives
from sageloop.local_cloud.core.archives import ArchiveRefused, unpack_tar
from sageloop.local_cloud.core.compression import TooLarge, gunzip
from sageloop.local_cloud.core.concurrency import Closing, ConcurrencyLimit
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, matches_whole, search_in
from sageloop.local_cloud.events.inputs import filled
from sageloop.local_cloud.events.patterns import matches, parsed
from sageloop.local_cloud.sagemaker.hosting.instances.archives import BadArchive, unpack
from sageloop.local_cloud.sagemaker.training.metrics import MetricReader


def tarred(*sizes: int) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"folder/{number}")
            member.size = size
            archive.addfile(member, io.BytesIO(b"x" * size))
    return made.getvalue()


def test_archive_within_limits_is_extracted(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(tarred(10, 20))

    assert unpack(tmp_path / "m.tar.gz", tmp_path / "model", most_bytes=30) == 30

    assert (tmp_path / "model" / "folder" / "1").read_bytes() == b"x" * 20
    assert not (tmp_path / "m.tar.gz").exists()


def test_archive_with_too_many_bytes_is_refused_and_removed(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(tarred(10, 21))

    with pytest.raises(BadArchive, match="it decompresses to more than 30 bytes"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "model", most_bytes=30)

    assert list(tmp_path.iterdir()) == []


def test_archive_with_too_many_files_is_refused(tmp_path: Path) -> None:
    with (
        tarfile.open(fileobj=io.BytesIO(tarred(0, 0, 0))) as archive,
        pytest.raises(ArchiveRefused, match="it has more than 2 files"),
    ):
        unpack_tar(archive, tmp_path / "model", most_files=2)


def test_archive_larger_than_free_disk_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="has no room for"):
        archives.check_room(tmp_path, 1 << 60)


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 3_000_000])
def test_gzip_within_limit_is_decompressed(content: bytes) -> None:
    assert gunzip(gzip.compress(content), most=3_000_000) == content


def test_gzip_members_are_joined() -> None:
    data = gzip.compress(b"one") + gzip.compress(b"two") + b"\0" * 10

    assert gunzip(data, most=6) == b"onetwo"


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b"x" * 11), gzip.compress(b"x" * 5) + gzip.compress(b"y" * 6)],
    ids=[
        "one member",
        "two members",
    ],  # the header contains the time, which differs between workers
)
def test_gzip_above_limit_is_refused(data: bytes) -> None:
    with pytest.raises(TooLarge, match="it decompresses to more than 10 bytes"):
        gunzip(data, most=10)


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(b"x" * 100)[:-12]], ids=["text", "truncated"]
)
def test_invalid_gzip_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"incorrect header|truncated"):
        gunzip(data, most=1000)


SLOW, TEXT = "(a|aa)+$", "a" * 60 + "!"


def test_slow_regular_expression_times_out() -> None:
    with pytest.raises(PatternTooSlow, match="takes more than"):
        matches_whole(SLOW, TEXT)
    with pytest.raises(ValueError, match="is not a regular expression"):
        search_in("(", "")


def test_expression_matches_all_of_a_text_or_a_part_of_it() -> None:
    assert matches_whole("a+", "aa")
    assert not matches_whole("a+", "aab")
    assert search_in("b", "aab") is not None


def test_expression_that_is_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="is not a regular expression"):
        matches_whole("(" * 5_000 + ")" * 5_000, "")


def test_slow_regular_expression_does_not_block_other_threads() -> None:
    began, ended = threading.Event(), threading.Event()

    def match() -> None:
        began.set()
        with pytest.raises(PatternTooSlow):
            matches_whole(SLOW, TEXT)
        ended.set()

    threading.Thread(target=match).start()
    began.wait()
    turns = 0
    while not ended.wait(0.01):
        turns += 1

    # Python's `re` would let this thread run once at most.
    assert turns > 5


def test_metric_with_slow_regular_expression_is_disabled() -> None:
    slow = {"Name": "slow", "Regex": "(a|aa)+(b)$"}
    reader = MetricReader([slow, {"Name": "loss", "Regex": "loss=([0-9.]+)"}])
    from datetime import UTC, datetime

    now = datetime.now(UTC)

    assert reader.read(TEXT + " loss=0.5", now)[0].value == 0.5
    assert reader.read("ab", now) == []


def test_ambiguous_wildcards_are_matched_in_linear_time() -> None:
    pattern = parsed('{"a": [{"wildcard": "' + "*a" * 40 + '*b"}]}')

    assert not matches(pattern, {"a": "a" * 10_000})
    assert matches(pattern, {"a": "a" * 10_000 + "b"})


@pytest.mark.parametrize(
    ("wildcard", "text", "fits"),
    [
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*", "", True),
        ("ab*bc", "abc", False),
        ("ab*bc", "abbc", True),
        ("*x*x*", "x", False),
        ("*x*x*", "xx", True),
        ("abc", "abcd", False),
        ("*bc", "abcbc", True),
        ("a*b*c", "acb", False),
    ],
)
def test_wildcard_matches_like_a_regular_expression(wildcard: str, text: str, fits: bool) -> None:
    assert matches(parsed(f'{{"a": [{{"wildcard": "{wildcard}"}}]}}'), {"a": text}) is fits


def test_template_that_multiplies_an_event_is_refused() -> None:
    assert len(filled("<a>" * 10, {"a": "x" * 100})) == 1020
    with pytest.raises(
        AwsError, match="the input transformer creates more than 1048576 characters"
    ):
        filled("<a>" * 11, {"a": "x" * 100_000})


def test_slots_are_throttled_when_all_are_in_use() -> None:
    limit = ConcurrencyLimit(1)

    with limit.slot(), pytest.raises(AwsError, match="ThrottlingException: Rate exceeded"):
        limit.acquire()
    limit.acquire()
    stream = Closing(iter([b"x"]), limit.release)
    assert list(stream) == [b"x"]
    stream.close()
    stream.close()

    limit.acquire()
    with pytest.raises(AwsError):
        limit.acquire()
