"""The results of mutants, kept from run to run, and the survivors that are equivalent."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from .catalogue import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


class Results:
    """The outcome of each mutant of the present sources and tests.

    A mutant that was noticed stays noticed while its module is the same; one that survived is run
    again when the tests have changed.

    Args:
        file: JSON lines of key, outcome, tests.
        tests: Digest of the tests.

    """

    def __init__(self, file: Path, tests: str) -> None:
        self._file = file
        self._tests = tests
        self._known: dict[str, tuple[str, str]] = {}
        self.read()

    def read(self) -> None:
        """Read what this and other processes have kept."""
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                key, outcome, of = json.loads(line)
                self._known[key] = (outcome, of)

    def get(self, mutant: Mutant) -> str | None:
        """The outcome of a mutant; None if it must be run."""
        outcome, tests = self._known.get(mutant.key, (None, ""))
        return None if outcome == "survived" and tests != self._tests else outcome

    def add(self, mutant: Mutant, outcome: str) -> None:
        """Keep an outcome, so that an interrupted run continues from there."""
        self._known[mutant.key] = (outcome, self._tests)
        with self._file.open("a") as stream:
            stream.write(json.dumps([mutant.key, outcome, self._tests]) + "\n")


def equivalents() -> dict[tuple[str, str, str], str]:
    """Reasons of survivors that change no behaviour, by module, operator and line of code."""
    if not EQUIVALENT.exists():
        return {}
    listed = tomllib.loads(EQUIVALENT.read_text()).get("mutant", [])
    return {
        (module, operator, entry["line"]): entry["reason"]
        for entry in listed
        for module in [entry["module"]]
        for operator in entry["operators"]
    }
