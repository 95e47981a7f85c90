"""A container's ``/opt/ml`` on a machine that has none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# The rest of /opt stays visible, as the program's own interpreter may live there.
_SCRIPT = """\
set -e
base=$1; hold=$2; shift 2
mkdir -p "$hold"
mount --rbind /opt "$hold"
mount -t tmpfs none /opt
for entry in "$hold"/*; do
  name=${entry##*/}
  if [ "$name" != ml ] && [ -d "$entry" ]; then
    mkdir "/opt/$name"; mount --rbind "$entry" "/opt/$name"
  fi
done
mkdir /opt/ml
mount --bind "$base" /opt/ml
exec "$@"
"""


@cache
def available() -> bool:
    """Whether this kernel lets a process have mounts of its own without privilege."""
    tool = shutil.which("unshare")
    if tool is None or not Path("/opt").is_dir():
        return False
    probe = [tool, "-Urm", "sh", "-c", "mount -t tmpfs none /opt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def with_private_opt_ml(command: Sequence[str], base: Path) -> list[str]:
    """``command`` with ``base`` as its ``/opt/ml``; unchanged where that is not possible.

    The process keeps its pid. Where it is not possible the program has
    ``SAGEMAKER_BASE_DIR`` to go by.
    """
    if not available() or Path("/opt") in base.parents:
        return list(command)
    hold = base.parent / f".{base.name}.opt"
    return ["unshare", "-Urm", "sh", "-c", _SCRIPT, "sh", str(base), str(hold), *command]
