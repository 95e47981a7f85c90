"""Our script mode beside AWS's training toolkit: the same but for what is listed here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toolkit_layout import DUMP, OURS, TOOLKIT, Outcome, one_host, run

FEATURE = pytest.mark.feature(
    "fidelity: same environment, arguments, files and exit as the toolkit"
)

# Variables that differ, and why. Nothing else may.
DIFFERENT = {
    "PYTHONPATH": "the toolkit adds its own interpreter's directories, which the script's Python "
    "has anyway; in ours they would go before what an environment of requirements brings",
    "SM_HP_B_C": "a second spelling that a shell can read, as version 3 of the SDK writes it",
    "SM_CHANNEL_MY_DATA": "a second spelling that a shell can read",
    "LC_CTYPE": "set by either Python's own start, in a C locale",
}

ODD = {
    "lr": "0.1", "epochs": "3", "flag": "true", "off": "false", "nothing": "null", "k": "1",
    "name": '"abc"', "plain": "a b;$(c)", "b-c": '"x"', "list": "[1, 2]", "empty": '""',
    "nested": '{"b": 1, "a": "z"}', "größe": '"ü"', "big": "12345678901234567890",
    "_tuning_objective_metric": '"m"', "sagemaker_job_name": '"j"', "sagemaker_region": '"eu-x-1"',
    "sagemaker_container_log_level": "20", "sagemaker_odd_parameter": '{"x": true}',
}  # fmt: skip


@pytest.fixture
def both(tmp_path: Path, require: Any) -> Callable[..., tuple[Outcome, Outcome]]:
    """Runs one layout under the toolkit and under our program."""
    require(TOOLKIT)

    def compare(**layout: Any) -> tuple[Outcome, Outcome]:
        theirs = run([str(TOOLKIT)], tmp_path / "theirs" / "ml", **layout)
        return theirs, run(OURS, tmp_path / "ours" / "ml", **layout)

    return compare


def assert_same(theirs: Outcome, ours: Outcome) -> None:
    """Nothing differs but what :data:`DIFFERENT` lists; both spelling the interpreter their way."""
    assert ours.code == theirs.code
    assert _without_python(ours.output) == _without_python(theirs.output)
    assert (ours.told.keys(), ours.code_files) == (theirs.told.keys(), theirs.code_files)
    for name in ours.told.keys() - {"env"}:
        assert ours.told[name] == theirs.told[name]
    own, other = ours.told.get("env", {}), theirs.told.get("env", {})
    differing = {n for n in own.keys() | other.keys() if own.get(n) != other.get(n)}
    told = {name: (own.get(name), other.get(name)) for name in differing - DIFFERENT.keys()}
    assert told == {}


def _without_python(output: dict[str, str]) -> dict[str, str]:
    """The failure tells the command, and the two have interpreters of their own."""
    return {
        name: " ".join("python" if "/bin/python" in word else word for word in text.split(" "))
        for name, text in output.items()
    }


@FEATURE
@pytest.mark.feature("fidelity: the same script under AWS's training toolkit")
def test_odd_hyperparameters_reach_a_script_as_they_do_on_aws(both: Any) -> None:
    theirs, ours = both(
        code={"train.py": DUMP}, hyperparameters={"sagemaker_program": "train.py"} | ODD
    )

    assert ours.told["argv"][1:5] == ["--b-c", "x", "--big", "12345678901234567890"]
    assert ours.output == {"success": ""}
    assert_same(theirs, ours)


@FEATURE
@pytest.mark.parametrize(
    "code",
    ["import sys; sys.exit(3)", "raise ValueError('no such column')", "import os; os.abort()",
     "import no_such_module"],
    ids=["exits", "raises", "aborts", "does-not-import"],
)  # fmt: skip
def test_failing_script_leaves_the_same_failure(both: Any, code: str) -> None:
    theirs, ours = both(
        code={"train.py": code}, hyperparameters={"sagemaker_program": '"train.py"'}
    )

    assert ours.code == 1
    assert ours.output["failure"].startswith("ExecuteUserScriptError:\nExitCode ")
    assert_same(theirs, ours)


@FEATURE
def test_killed_shell_program_is_told_as_out_of_memory(both: Any) -> None:
    theirs, ours = both(
        code={"train.sh": "exit 137\n"}, hyperparameters={"sagemaker_program": "train.sh"}
    )

    assert "OutOfMemory" in ours.output["failure"]
    assert_same(theirs, ours)


@FEATURE
def test_failure_that_the_script_wrote_is_kept(both: Any) -> None:
    theirs, ours = both(
        code={"train.py": "raise SystemExit(2)"}, failure="the column 'distance' is not there",
        hyperparameters={"sagemaker_program": "train.py"},
    )  # fmt: skip

    assert ours.output == {"failure": "the column 'distance' is not there"}
    assert_same(theirs, ours)


@FEATURE
def test_missing_script_fails_the_same(both: Any) -> None:
    theirs, ours = both(
        code={"other.py": ""}, hyperparameters={"sagemaker_program": "train.py", "lr": "1"}
    )

    assert_same(theirs, ours)


@FEATURE
def test_shell_program_gets_quoted_arguments(both: Any) -> None:
    shell = '#!/bin/sh\n$PYTHON - "$@" <<END\n' + DUMP + "END\n"
    given = {"sagemaker_program": "train.sh", "text": '"it\'s; $HOME"', "b": "true"}

    theirs, ours = both(
        code={"train.sh": shell}, hyperparameters=given, environment={"PYTHON": "python3"}
    )

    assert ours.told["argv"][1:] == ["-b", "True", "--text", "it's; $HOME"]
    assert_same(theirs, ours)


@FEATURE
@pytest.mark.parametrize("current", ["algo-1", "algo-2"])
def test_two_hosts_see_the_same_cluster(both: Any, current: str) -> None:
    theirs, ours = both(
        code={"train.py": DUMP}, hyperparameters={"sagemaker_program": "train.py"},
        resources=one_host(current, ("algo-1", "algo-2")),
    )  # fmt: skip

    told = json.loads(ours.told["env"]["SM_TRAINING_ENV"])
    assert told["is_master"] == (current == "algo-1")
    assert_same(theirs, ours)


@FEATURE
def test_heterogeneous_groups_are_told_the_same(both: Any) -> None:
    resources = one_host("algo-2", ("algo-1", "algo-2"))
    resources["instance_groups"] = [
        {"instance_group_name": "data", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]},
        {"instance_group_name": "train", "instance_type": "ml.g5.xlarge", "hosts": ["algo-2"]},
    ]
    resources["current_group_name"] = "train"

    theirs, ours = both(
        code={"train.py": DUMP}, resources=resources,
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_distribution_instance_groups": '["train"]',
        },
    )  # fmt: skip

    assert ours.told["env"]["SM_IS_HETERO"] == "true"
    assert_same(theirs, ours)


def wheel(name: str) -> bytes:
    """A package of one module, as a built distribution."""
    import io

    content = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name}.py", "VALUE = 42\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return content.getvalue()


@FEATURE
def test_requirements_are_there_when_the_script_starts(both: Any) -> None:
    name = "sageloop_fidelity_tiny"
    theirs, ours = both(
        code={
            "train.py": f"import {name}\nassert {name}.VALUE == 42\n" + DUMP,
            "requirements.txt": f"./{name}-1.0-py3-none-any.whl\n",
            f"{name}-1.0-py3-none-any.whl": wheel(name),
        },
        hyperparameters={"sagemaker_program": "train.py"},
    )

    assert ours.output == {"success": ""}
    assert_same(theirs, ours)


@FEATURE
def test_requirement_that_does_not_exist_fails_the_job(both: Any) -> None:
    theirs, ours = both(
        code={"train.py": DUMP, "requirements.txt": "./none-1.0-py3-none-any.whl\n"},
        hyperparameters={"sagemaker_program": "train.py"},
    )

    assert ours.told == theirs.told == {}
    assert (ours.code, theirs.code) == (1, 1)
    # The command lines of pip differ: ours is that of an environment of the script's own.
    first = [outcome.output["failure"].splitlines()[:3] for outcome in (ours, theirs)]
    assert first[0] == first[1]
    assert first[0][0] == "InstallRequirementsError:"


@FEATURE
def test_package_with_setup_runs_as_a_module(both: Any) -> None:
    setup = "import setuptools\nsetuptools.setup(name='tiny', version='1', packages=['trainer'])\n"
    code = {"setup.py": setup, "trainer/__init__.py": "", "trainer/__main__.py": DUMP}

    theirs, ours = both(code=code, hyperparameters={"sagemaker_program": '"trainer"', "lr": "0.1"})

    # Without .py or .sh a name is a package where there is a setup.py.
    assert ours.told["argv"][1:] == ["--lr", "0.1"]
    assert_same(theirs, ours)
