from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from aws_cdk import App, Stack

from constructs_lib import ConfigurationError, SourceCode
from constructs_lib._private.archive import gzipped, tar_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of code."""
    made = tmp_path / "code"
    (made / "lib").mkdir(parents=True)
    (made / "train.py").write_text("print('trained')\n")
    (made / "lib" / "net.py").write_text("WIDTH = 4\n")
    return made


def _names(source: SourceCode) -> list[str]:
    return sorted(name for name, _ in source.files())


def _refused(folder: Path, **options: object) -> str:
    with pytest.raises(ConfigurationError) as refused:
        SourceCode(folder=folder, **options)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.feature("training: deterministic sourcedir.tar.gz")
def test_archive_depends_on_content_only(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "copy"
    other.mkdir(parents=True)
    # Written in another order, at another time, by another umask.
    (other / "train.py").write_text("print('trained')\n")
    (other / "lib").mkdir()
    (other / "lib" / "net.py").write_text("WIDTH = 4\n")
    os.utime(other / "train.py", (1, 1))
    (other / "train.py").chmod(0o600)

    one, two = SourceCode(folder=folder), SourceCode(folder=other)

    assert gzipped(tar_of(one.files())) == gzipped(tar_of(two.files()))
    assets = [source.asset(Stack(App(), "Test")).asset_hash for source in (one, two)]
    assert assets[0] == assets[1]


def test_archive_has_no_time_owner_or_name(folder: Path) -> None:
    packed = gzipped(tar_of(SourceCode(folder=folder).files()))

    assert packed[3:8] == b"\x00" * 5
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["lib/net.py", "train.py"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_changed_content_changes_hash(folder: Path) -> None:
    before = SourceCode(folder=folder).asset(Stack(App(), "Test")).asset_hash
    (folder / "lib" / "net.py").write_text("WIDTH = 5\n")

    assert SourceCode(folder=folder).asset(Stack(App(), "Test")).asset_hash != before


def test_executable_script_stays_executable(folder: Path) -> None:
    (folder / "train.py").chmod(0o755)

    with tarfile.open(fileobj=io.BytesIO(tar_of(SourceCode(folder=folder).files()))) as archive:
        assert archive.getmember("train.py").mode == 0o755


@pytest.mark.feature("training: excludes of source code")
def test_gitignore_patterns_exclude_files(folder: Path) -> None:
    for name in ("a.csv", "keep.csv", "notes.md", "lib/b.csv", "lib/__pycache__/net.pyc"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (folder / ".gitignore").write_text("# data\n*.csv\n!keep.csv\n")
    (folder / ".sageloopignore").write_text("/notes.md\n")

    source = SourceCode(folder=folder, exclude=["lib/net.py"])

    assert _names(source) == ["keep.csv", "train.py"]


def test_equal_code_shares_asset(folder: Path) -> None:
    stack = Stack(App(), "Test")

    assert SourceCode(folder=folder).asset(stack) is SourceCode(folder=folder).asset(stack)


def test_assembly_contains_archive(folder: Path, tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path / "out"))
    SourceCode(folder=folder).asset(Stack(app, "Test"))

    assembly = Path(app.synth().directory)

    (packed,) = assembly.glob("asset.*")
    with tarfile.open(packed) as archive:
        assert "train.py" in archive.getnames()


@pytest.mark.feature("bad input: entry point missing")
def test_missing_entry_point_error_lists_scripts(folder: Path) -> None:
    message = _refused(folder, entry_point="trian.py")

    assert "EntryPointMissing: no entry_point 'trian.py' of folder" in message
    assert message.endswith("there are lib/net.py, train.py")


def test_an_entry_point_outside_the_folder_is_refused(folder: Path) -> None:
    (folder.parent / "other.py").write_text("")

    assert "EntryPointOutside" in _refused(folder, entry_point="../other.py")


def test_an_excluded_entry_point_is_refused(folder: Path) -> None:
    assert "EntryPointExcluded" in _refused(folder, exclude=["train.py"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "FolderEmpty" in _refused(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "FolderMissing: no folder" in _refused(tmp_path / "none")


def test_a_link_that_leaves_the_folder_is_refused(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("x")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")

    assert "'link.txt' is a link that leaves the folder" in _refused(folder)


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "again.py").symlink_to("lib/net.py")

    with tarfile.open(fileobj=io.BytesIO(tar_of(SourceCode(folder=folder).files()))) as archive:
        assert archive.getmember("again.py").isfile()


def test_a_link_to_a_folder_is_refused(folder: Path) -> None:
    (folder / "again").symlink_to("lib")

    assert "'again' is a link to a folder" in _refused(folder)
