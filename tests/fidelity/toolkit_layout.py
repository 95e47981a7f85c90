"""One /opt/ml for two programs: AWS's toolkit and ours run over copies of the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLKIT = ROOT / ".venv-fidelity" / "bin" / "train"
OURS = [sys.executable, "-I", "-m", "sageloop.local_cloud.images.script", "train"]

DUMP = """\
import json, os, sys
told = {"env": dict(os.environ), "argv": sys.argv, "cwd": os.getcwd(),
        "files": sorted(os.listdir("."))}
base = os.environ["SAGEMAKER_BASE_DIR"]
with open(os.path.join(base, "model", "told.json"), "w") as file:
    json.dump(told, file)
"""


@dataclass(frozen=True)
class Outcome:
    """What a run left behind, with its own paths taken out."""

    code: int
    told: dict[str, Any]
    output: dict[str, str]
    code_files: list[str] = field(default_factory=list)


def one_host(current: str = "algo-1", hosts: tuple[str, ...] = ("algo-1",)) -> dict[str, Any]:
    group = {
        "instance_group_name": "homogeneousCluster", "instance_type": "ml.c5.xlarge",
        "hosts": list(hosts),
    }  # fmt: skip
    return {
        "current_host": current, "current_instance_type": "ml.c5.xlarge",
        "current_group_name": "homogeneousCluster", "hosts": list(hosts),
        "instance_groups": [group], "network_interface_name": "eth0", "topology": None,
    }  # fmt: skip


def run(
    command: list[str], base: Path, *, code: Mapping[str, str | bytes],
    hyperparameters: Mapping[str, str], resources: Mapping[str, Any] | None = None,
    failure: str | None = None, environment: Mapping[str, str] | None = None,
) -> Outcome:  # fmt: skip
    """Lay the files out under ``base``, run the program, read what it left."""
    config = base / "input" / "config"
    channels = {"train": {"TrainingInputMode": "File"}, "my-data": {"TrainingInputMode": "File"}}
    for folder in (config, base / "code", base / "model", base / "output" / "data"):
        folder.mkdir(parents=True)
    for channel in channels:
        (base / "input" / "data" / channel).mkdir(parents=True)
    for name, content in {
        "hyperparameters": hyperparameters, "inputdataconfig": channels,
        "resourceconfig": one_host() if resources is None else resources,
    }.items():  # fmt: skip
        (config / f"{name}.json").write_text(json.dumps(content))
    for name, text in code.items():
        path = base / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if failure is not None:
        (base / "output" / "failure").write_text(failure)
    env = {
        "PATH": os.environ["PATH"], "HOME": str(base), "SAGEMAKER_BASE_DIR": str(base),
        "SM_STUDIO_LOCAL_MODE": "true", "TRAINING_JOB_NAME": "job",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    env |= {} if environment is None else environment
    done = subprocess.run(
        command, env=env, cwd=base, capture_output=True, check=False, timeout=600
    )  # fmt: skip
    return _outcome(done.returncode, base)


def _outcome(code: int, base: Path) -> Outcome:
    told = base / "model" / "told.json"
    content = json.loads(_plain(told.read_text(), base)) if told.exists() else {}
    output = {
        path.name: _plain(path.read_text(), base)
        for path in (base / "output").iterdir()
        if path.is_file()
    }
    left = sorted(str(p.relative_to(base / "code")) for p in (base / "code").rglob("*.*"))
    return Outcome(code, content, output, [name for name in left if "__pycache__" not in name])


def _plain(text: str, base: Path) -> str:
    return text.replace(str(base), "/opt/ml")
