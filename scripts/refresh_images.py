"""Writes constructs_lib/training/facts/images.json from a wheel of sagemaker-core (Apache-2.0).

Usage: ``pip download --no-deps -d wheels sagemaker-core`` and then
``python -m scripts.refresh_images wheels/sagemaker_core-*.whl``. Without a wheel, the installed
release is read. No code of the wheel is run.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "constructs_lib" / "training" / "facts"
_FOLDER = "sagemaker/core/image_uri_config"
_IMAGES = {
    "kmeans": ("kmeans", None),
    "linear-learner": ("linear-learner", None),
    "pytorch-inference": ("pytorch", "inference"),
    "pytorch-training": ("pytorch", "training"),
    "sklearn": ("sklearn", "training"),
    "tensorflow-inference": ("tensorflow", "inference"),
    "tensorflow-training": ("tensorflow", "training"),
    "xgboost": ("xgboost", "training"),
}
_REPOSITORIES = {"sagemaker-xgboost", "sagemaker-scikit-learn", "kmeans", "linear-learner",
                 "pytorch-training", "pytorch-inference", "tensorflow-training",
                 "tensorflow-inference"}  # fmt: skip
"""Current repositories; older releases are in others and are omitted."""


def main(wheel: Path | None) -> None:
    """Write the table."""
    release, read = _installed() if wheel is None else _wheel(wheel)
    TARGET.mkdir(exist_ok=True)
    text = json.dumps(table(release, read), indent=1, sort_keys=True)
    (TARGET / "images.json").write_text(text + "\n", encoding="utf-8")


def table(release: str, read: Callable[[str], str]) -> dict[str, Any]:
    """The facts: accounts by region, once for each set; versions with their tags."""
    registries: list[dict[str, str]] = []
    images = {
        name: _image(json.loads(read(f"{source}.json")), scope, registries)
        for name, (source, scope) in sorted(_IMAGES.items())
    }
    facts = {"project": "sagemaker-core", "release": release, "licence": "Apache-2.0"}
    return {"source": facts, "registries": registries, "images": images}


def _image(
    config: Mapping[str, Any], scope: str | None, registries: list[dict[str, str]]
) -> dict[str, Any]:
    part = config if scope is None else config[scope]
    versions = {}
    for version, entry in part["versions"].items():
        if entry.get("repository") not in _REPOSITORIES:
            continue
        if entry["registries"] not in registries:
            registries.append(entry["registries"])
        versions[version] = {
            "repository": entry["repository"],
            "registry": registries.index(entry["registries"]),
            "tags": _tags(version, entry, part),
        }
    aliases = {alias: full for alias, full in part.get("version_aliases", {}).items()
               if full in versions and alias not in versions}  # fmt: skip
    return {"aliases": aliases, "versions": versions}


def _tags(version: str, entry: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, str]:
    """Tags by processor; ``any`` if one image serves all.

    A tag is the version, the processor if the release has images by processor, and the Python
    version if the release declares it.
    """
    python = entry.get("py_versions", part.get("py_versions", []))
    processors = entry.get("processors", part.get("processors"))
    last = [] if not python else [python[-1]]
    if processors is None:
        return {"any": "-".join([version, *last])}
    return {kind: "-".join([version, kind, *last]) for kind in processors}


def _wheel(path: Path) -> tuple[str, Callable[[str], str]]:
    archive = zipfile.ZipFile(path)

    def read(name: str) -> str:
        return archive.read(f"{_FOLDER}/{name}").decode()

    return path.name.split("-")[1], read


def _installed() -> tuple[str, Callable[[str], str]]:
    installed = distribution("sagemaker-core")

    def read(name: str) -> str:
        return Path(str(installed.locate_file(f"{_FOLDER}/{name}"))).read_text(encoding="utf-8")

    return installed.version, read


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
