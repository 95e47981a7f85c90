"""Writes constructs_lib/training/accounts.py from the wheel of sagemaker-core (Apache-2.0).

Usage: ``pip download --no-deps -d /tmp/core sagemaker-core`` and then
``python scripts/refresh_images.py /tmp/core/sagemaker_core-*.whl``.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

_SOURCE = "sagemaker/core/image_uri_config/xgboost.json"
_TARGET = Path(__file__).resolve().parent.parent / "constructs_lib" / "training" / "accounts.py"
_HEAD = '''"""Accounts of the XGBoost images by region; written by scripts/refresh_images.py.

Facts from sagemaker-core (Apache-2.0), {wheel}.
"""

from __future__ import annotations

'''


def main(wheel: Path) -> None:
    """Write the module; versions differ in nothing but the tag."""
    with zipfile.ZipFile(wheel) as archive:
        versions = json.loads(archive.read(_SOURCE))["training"]["versions"]
    current = {
        version: entry
        for version, entry in versions.items()
        if entry["repository"] == "sagemaker-xgboost"
    }
    accounts = {region: {"Account": account}
                for entry in current.values()
                for region, account in sorted(entry["registries"].items())}  # fmt: skip
    lines = [f'    "{region}": "{entry["Account"]}",' for region, entry in sorted(accounts.items())]
    text = _HEAD.format(wheel=wheel.name.split("-py3")[0])
    text += f"VERSIONS = {json.dumps(sorted(current))}\n\n"
    text += "ACCOUNTS = {\n" + "\n".join(lines) + "\n}\n"
    _TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
