"""``train`` of a framework's image."""

from __future__ import annotations

import argparse
import sys

from sageloop.local_cloud.images import frameworks
from sageloop.local_cloud.images.script.program import train


def main(arguments: list[str]) -> int:
    """Train once; returns the exit code of AWS's toolkit."""
    parser = argparse.ArgumentParser(prog="script", description=__doc__)
    parser.add_argument("verb", choices=["train"])
    parser.add_argument("--framework", choices=sorted(frameworks.BY_NAME))
    parsed = parser.parse_args(arguments)
    return train(frameworks.BY_NAME.get(parsed.framework))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
