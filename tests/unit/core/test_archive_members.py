"""Members of zip archives: where they may lie, where links may lead, and the last byte allowed."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from sageloop.local_cloud.core.archives import (
    ArchiveRefused,
    check_room,
    unpack_tar,
    unpack_zip,
)

LINK, FILE = stat.S_IFLNK | 0o777, stat.S_IFREG | 0o644
RESERVE = 512 * 1024**2


def zipped(*members: tuple[str, int, bytes]) -> zipfile.ZipFile:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, mode, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return zipfile.ZipFile(content)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "target"
    made.mkdir()
    return made


def test_members_and_links_within_are_unpacked_up_to_the_bound(target: Path) -> None:
    archive = zipped(
        ("folder/", stat.S_IFDIR | 0o755, b""), ("folder/a", FILE, b"12345"),
        ("folder/link", LINK, b"a"), ("up", LINK, b"folder/a"),
    )  # fmt: skip

    assert unpack_zip(archive, target, most_bytes=14) == 14

    assert (target / "folder" / "link").read_bytes() == b"12345"
    assert (target / "up").resolve() == (target / "folder" / "a").resolve()


def test_one_byte_beyond_the_bound_is_refused_and_writes_nothing(target: Path) -> None:
    with pytest.raises(ArchiveRefused, match="more than 4 bytes"):
        unpack_zip(zipped(("a", FILE, b"12345")), target, most_bytes=4)

    assert list(target.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "/a", "b/../../a", "..\\a", "b\\a"])
def test_member_that_leads_out_is_refused(target: Path, name: str) -> None:
    with pytest.raises(ArchiveRefused, match="is outside the archive"):
        unpack_zip(zipped((name, FILE, b"x")), target, most_bytes=9)

    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("aim", ["..", "../outside", "/", "/etc/passwd", "b/../../outside"])
def test_link_that_leads_out_is_refused(target: Path, aim: str) -> None:
    with pytest.raises(ArchiveRefused, match="points outside the archive"):
        unpack_zip(zipped(("link", LINK, aim.encode())), target, most_bytes=99)


def test_absolute_link_is_refused_though_it_leads_into_the_folder(target: Path) -> None:
    aim = str(target / "a").encode()

    with pytest.raises(ArchiveRefused, match="points outside the archive"):
        unpack_zip(zipped(("a", FILE, b"x"), ("link", LINK, aim)), target, most_bytes=999)


def test_member_below_a_link_out_of_the_folder_is_refused(target: Path) -> None:
    outside = target.parent / "outside"
    outside.mkdir()
    (target / "link").symlink_to(outside)

    with pytest.raises(ArchiveRefused, match="is outside the archive"):
        unpack_zip(zipped(("link/a", FILE, b"x")), target, most_bytes=9)

    assert list(outside.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_file_replaces_a_link_and_does_not_write_through_it(target: Path) -> None:
    archive = zipped(("a", FILE, b"first"), ("link", LINK, b"a"), ("link", FILE, b"second"))

    unpack_zip(archive, target, most_bytes=99)

    assert (target / "a").read_bytes() == b"first"
    assert (target / "link").read_bytes() == b"second"


def test_file_stays_readable_and_writable_by_its_owner(target: Path) -> None:
    unpack_zip(zipped(("a", stat.S_IFREG | 0o111, b"x")), target, most_bytes=9)

    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o711


def test_disk_keeps_its_reserve(target: Path) -> None:
    free = shutil.disk_usage(target).free

    with pytest.raises(ArchiveRefused, match="has no room for"):
        check_room(target, free - RESERVE // 2)


@pytest.mark.parametrize(("most", "expected"), [(2, 0), (1, None)])
def test_tar_archive_has_so_many_files_at_most(
    target: Path, most: int, expected: int | None
) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("a", "b"):
            archive.addfile(tarfile.TarInfo(name))
    content.seek(0)

    with tarfile.open(fileobj=content) as archive:
        if expected is not None:
            assert unpack_tar(archive, target, most_files=most) == expected
            return
        with pytest.raises(ArchiveRefused, match="more than 1 files"):
            unpack_tar(archive, target, most_files=most)
