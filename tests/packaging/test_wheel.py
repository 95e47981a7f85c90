"""The built package, installed without extras in a new environment outside the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.docs.blocks import programs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ("sageloop/environment.py", "sageloop/local_cloud/", "sageloop/pytest_plugin.py")
PIN = re.compile(r"^([A-Za-z0-9._-]+==[^\s\\]+)", re.MULTILINE)
HANDLERS = sorted(p.parent.name for p in (ROOT / "lambda").glob("*/index.py"))


class Installed:
    """An environment with the wheel and its core dependencies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment outside the checkout; Node is this environment's."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "CDK_", "PYTHON", "VIRTUAL_ENV"))
        }
        tools = [str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]]
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]], cwd=self.elsewhere, text=True,
            env=inherited | {"PATH": os.pathsep.join(tools), "CDK_VALIDATION": "false"},
            check=False, capture_output=True,
        )  # fmt: skip

    def python(self, code: str) -> str:
        """The output of a program that must succeed."""
        ended = self.run("python", "-c", code)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    ended = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        text=True, check=False, capture_output=True, cwd=folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def content(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


# An environment is created from the package index; `make test` checks the content of the wheel.
in_an_environment = pytest.mark.long


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder / "venv", with_pip=True)
    constraints = folder / "constraints.txt"
    pins = PIN.findall((ROOT / "requirements" / "dev.txt").read_text())
    constraints.write_text("\n".join(pins) + "\n")
    environment = Installed(folder)
    ended = environment.run(
        "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "-c", str(constraints), str(wheel),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return environment


def test_wheel_contains_two_packages_only(content: list[str]) -> None:
    tops = {name.split("/")[0] for name in content}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"constructs_lib", "sageloop"}
    assert [name for name in content if "test" in name.split("/")[-1]] == []


def test_wheel_contains_all_modules_except_the_local_cloud(content: list[str]) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in ("constructs_lib", "sageloop")
        for path in (ROOT / package).rglob("*.py")
    }
    local = {name for name in expected if name.startswith(LOCAL)}

    assert local != set()
    assert expected - set(content) == local


def test_wheel_contains_each_handler_and_the_layer(content: list[str]) -> None:
    assert HANDLERS != []
    for name in HANDLERS:
        assert f"constructs_lib/_lambda/{name}/index.py" in content
    assert "constructs_lib/_lambda/layer/python/sageloop_runtime/__init__.py" in content


def test_wheel_is_typed_licensed_and_without_byte_code(content: list[str]) -> None:
    assert "constructs_lib/py.typed" in content
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in content)
    assert [name for name in content if name.endswith((".pyc", ".pyo"))] == []


def test_source_distribution_contains_functions_and_no_tests(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]

    for name in HANDLERS:
        assert f"lambda/{name}/index.py" in names
    assert [name for name in names if name.startswith(("tests/", ".venv", "node_modules"))] == []


@in_an_environment
def test_import_is_from_the_environment_and_exports_the_api(installed: Installed) -> None:
    from constructs_lib import __all__ as named

    printed = installed.python(
        "import json, constructs_lib as c;"
        "print(json.dumps([c.__file__, c.__all__, [n for n in c.__all__ if not hasattr(c, n)]]))"
    )
    place, exported, missing = json.loads(printed)

    assert Path(place).is_relative_to(installed.folder)
    assert exported == named
    assert missing == []


@in_an_environment
def test_handlers_are_inside_the_package(installed: Installed) -> None:
    printed = installed.python(
        "import json, pathlib, constructs_lib as c;"
        "inside = pathlib.Path(c.__file__).parent.glob('_lambda/*/index.py');"
        "print(json.dumps(sorted(p.parent.name for p in inside)))"
    )
    assert json.loads(printed) == HANDLERS


@in_an_environment
def test_stack_with_a_champion_endpoint_synthesises(installed: Installed) -> None:
    (name,) = (n for n, text in programs("README.md").items() if "app.synth()" in text)
    text = programs("README.md")[name].replace("App()", "App(outdir='cdk.out')")
    (installed.elsewhere / "app.py").write_text(text)

    ended = installed.run("python", "app.py")

    assert ended.returncode == 0, ended.stderr
    assembly = installed.elsewhere / "cdk.out"
    template = json.loads((assembly / "Scores.template.json").read_text())
    types = [resource["Type"] for resource in template["Resources"].values()]
    assert types.count("Custom::ChampionEndpoint") == 1
    assert len(list(assembly.glob("asset.*/index.py"))) == 3  # promoter, resource, default group
    assert len(list(assembly.glob("asset.*/python/sageloop_runtime"))) == 1


@in_an_environment
def test_command_without_extras_reports_the_missing_extra(installed: Installed) -> None:
    ended = installed.run("sageloop", "local", "up")

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == "the sageloop command needs the extra: pip install 'sageloop[local]'\n"
