"""Archives, compressed data and users' expressions within bounds."""

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
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.places import Closing, Places
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, found_in, matches_whole
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


def test_archive_within_its_bounds_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(tarred(10, 20))

    assert unpack(tmp_path / "m.tar.gz", tmp_path / "model", most_bytes=30) == 30

    assert (tmp_path / "model" / "folder" / "1").read_bytes() == b"x" * 20
    assert not (tmp_path / "m.tar.gz").exists()


def test_archive_that_unpacks_to_too_much_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(tarred(10, 21))

    with pytest.raises(BadArchive, match="it unpacks to more than 30 bytes"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "model", most_bytes=30)

    assert list(tmp_path.iterdir()) == []


def test_archive_of_too_many_files_is_refused(tmp_path: Path) -> None:
    with (
        tarfile.open(fileobj=io.BytesIO(tarred(0, 0, 0))) as archive,
        pytest.raises(ArchiveRefused, match="it has more than 2 files"),
    ):
        unpack_tar(archive, tmp_path / "model", most_files=2)


def test_archive_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="has no room for"):
        archives.check_room(tmp_path, 1 << 60)


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 3_000_000])
def test_gzip_within_its_bound_is_unpacked(content: bytes) -> None:
    assert gunzip(gzip.compress(content), most=3_000_000) == content


def test_members_of_a_gzip_file_are_joined() -> None:
    data = gzip.compress(b"one") + gzip.compress(b"two") + b"\0" * 10

    assert gunzip(data, most=6) == b"onetwo"


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b"x" * 11), gzip.compress(b"x" * 5) + gzip.compress(b"y" * 6)],
    ids=["one member", "two members"],  # the bytes hold the time, which differs between workers
)
def test_gzip_beyond_its_bound_is_refused(data: bytes) -> None:
    with pytest.raises(TooLarge, match="it unpacks to more than 10 bytes"):
        gunzip(data, most=10)


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(b"x" * 100)[:-12]], ids=["text", "cut short"]
)
def test_what_is_no_gzip_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"incorrect header|cut short"):
        gunzip(data, most=1000)


SLOW, TEXT = "(a|aa)+$", "a" * 60 + "!"


def test_expression_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(PatternTooSlow, match="takes more than"):
        matches_whole(SLOW, TEXT)
    with pytest.raises(ValueError, match="is no regular expression"):
        found_in("(", "")


def test_expression_matches_all_of_a_text_or_a_part_of_it() -> None:
    assert matches_whole("a+", "aa")
    assert not matches_whole("a+", "aab")
    assert found_in("b", "aab") is not None


def test_expression_that_is_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        matches_whole("(" * 5_000 + ")" * 5_000, "")


def test_slow_expression_lets_other_threads_run() -> None:
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

    # Python's own module would let this thread go on once at most.
    assert turns > 5


def test_metric_whose_expression_is_too_slow_is_read_no_more() -> None:
    slow = {"Name": "slow", "Regex": "(a|aa)+(b)$"}
    reader = MetricReader([slow, {"Name": "loss", "Regex": "loss=([0-9.]+)"}])
    from datetime import UTC, datetime

    now = datetime.now(UTC)

    assert reader.read(TEXT + " loss=0.5", now)[0].value == 0.5
    assert reader.read("ab", now) == []


def test_wildcards_that_could_match_in_many_ways_are_decided() -> None:
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
def test_wildcard_matches_as_an_expression_would(wildcard: str, text: str, fits: bool) -> None:
    assert matches(parsed(f'{{"a": [{{"wildcard": "{wildcard}"}}]}}'), {"a": text}) is fits


def test_template_that_multiplies_an_event_is_refused() -> None:
    assert len(filled("<a>" * 10, {"a": "x" * 100})) == 1020
    with pytest.raises(AwsError, match="the input transformer makes more than 1048576 characters"):
        filled("<a>" * 11, {"a": "x" * 100_000})


def test_places_are_throttled_when_all_are_taken_and_free_again() -> None:
    places = Places(1)

    with places.one(), pytest.raises(AwsError, match="ThrottlingException: Rate exceeded"):
        places.take()
    places.take()
    stream = Closing(iter([b"x"]), places.give_back)
    assert list(stream) == [b"x"]
    stream.close()
    stream.close()

    places.take()
    with pytest.raises(AwsError):
        places.take()
