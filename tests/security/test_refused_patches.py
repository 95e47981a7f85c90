"""The patches with faults of policies apply to the present sources."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.synthesis import ROOT

PATCHES = sorted((ROOT / "tests" / "security" / "refused").glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_patch_applies(patch: Path) -> None:
    command = ["patch", "--strip=1", "--dry-run", "--force", f"--input={patch}"]
    ended = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)

    assert ended.returncode == 0, ended.stdout
