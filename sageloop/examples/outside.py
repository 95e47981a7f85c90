"""Runs an example's script without SageMaker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Printed:
    """The output of a script."""

    text: str

    def number(self, name: str) -> float:
        """The last number printed as ``<name>=<number>``.

        Raises:
            ValueError: If there is none.

        """
        numbers = re.findall(rf"{re.escape(name)}=(\S+)", self.text)
        if not numbers:
            raise ValueError(f"the script did not print {name}=...: {self.text[-500:]}")
        return float(numbers[-1])


def run_script(
    script: Path, arguments: Sequence[str], channels: Mapping[str, Mapping[str, bytes]]
) -> Printed:
    """Run a script with the variables of script mode only.

    Args:
        script: The script.
        arguments: Its arguments.
        channels: Files by name, by channel.

    Raises:
        RuntimeError: If it fails, with its output.

    """
    with tempfile.TemporaryDirectory(prefix="sageloop-outside-") as name:
        work = Path(name)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SM_"))},
            "SM_MODEL_DIR": str(_folder(work / "model")),
            "CHECKPOINTS": str(work / "checkpoints"),
        }
        for channel, files in channels.items():
            place = _folder(work / channel)
            environment[f"SM_CHANNEL_{channel.upper()}"] = str(place)
            for file, body in files.items():
                (place / file).write_bytes(body)
        ended = subprocess.run(
            [sys.executable, str(script), *arguments], cwd=script.parent, env=environment,
            text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if ended.returncode != 0:
        raise RuntimeError(
            f"{script.name} without SageMaker ended with {ended.returncode}: {ended.stdout}"
        )
    return Printed(ended.stdout)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
