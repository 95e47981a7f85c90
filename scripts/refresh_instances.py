"""Writes constructs_lib/training/facts/instances.json from the installed cfn-lint (MIT-0).

Usage: ``python -m scripts.refresh_instances``. cfn-lint lists the ML instance types with prices by
region: of endpoints, processing jobs, batch transform and clusters, not of training. A family of
accelerators that none of the four has in a region is considered unavailable in it; families and
regions that the lists do not contain are not validated.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cfnlint

TARGET = Path(__file__).resolve().parents[1] / "constructs_lib" / "training" / "facts"
_LISTS = ("cluster", "hosting", "processing", "transform")
_ACCELERATED = ("g", "inf", "p", "trn")


def main() -> None:
    """Write the table."""
    TARGET.mkdir(exist_ok=True)
    text = json.dumps(table(), indent=1, sort_keys=True)
    (TARGET / "instances.json").write_text(text + "\n", encoding="utf-8")


def table() -> dict[str, Any]:
    """Families with accelerators, by region."""
    folder = Path(cfnlint.__file__).parent / "data" / "schemas" / "extensions"
    regions: dict[str, set[str]] = {}
    for name in _LISTS:
        path = folder / f"aws_sagemaker_{name}" / "instancetype_enum.json"
        for region, listed in json.loads(path.read_text(encoding="utf-8")).items():
            if isinstance(listed, dict):  # an entry other than a description
                families = {each.split(".")[1] for each in listed["enum"]}
                accelerated = {each for each in families if each.startswith(_ACCELERATED)}
                regions.setdefault(region, set()).update(accelerated)
    facts = {"project": "cfn-lint", "release": version("cfn-lint"), "licence": "MIT-0"}
    return {
        "source": facts,
        "regions": {r: sorted(accelerated) for r, accelerated in regions.items()},
    }


if __name__ == "__main__":
    main()
