"""Examples are found, chosen and judged before and after anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sageloop.cli.examples import application
from sageloop.examples.catalogue import ExampleError, chosen, find_examples
from sageloop.examples.datasets import as_csv, customers, digits
from sageloop.examples.figure import Figure, Outcome
from sageloop.examples.runner import run_example

RUN = """\"\"\"Counts to three.

More.
\"\"\"
NEEDS = {%s}

def run(stage):
    stage.note(said="hello")
"""


def project(tmp_path: Path, needs: str = "") -> Path:
    folder = tmp_path / "examples" / "counting"
    folder.mkdir(parents=True)
    (folder / "run.py").write_text(RUN % needs)
    return tmp_path


def figure(value: float, tolerance: float = 0.1) -> Figure:
    return Figure(name="error", value=value, outside=1.0, tolerance=tolerance, noise="seed 0")


def test_examples_are_found_with_their_titles(tmp_path: Path) -> None:
    found = find_examples(project(tmp_path))

    assert {name: example.title for name, example in found.items()} == {
        "counting": "Counts to three."
    }


def test_a_folder_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match="run this in a checkout"):
        find_examples(tmp_path)


def test_an_unknown_example_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match="no example 'flying': available: counting"):
        chosen(find_examples(project(tmp_path)), ["flying"])


def test_what_is_not_installed_is_told_before_anything_starts(tmp_path: Path) -> None:
    found = find_examples(project(tmp_path, '"no-such-package": "torch"'))

    outcome = run_example(found["counting"], log=lambda _: None)

    assert not outcome.ok
    assert outcome.problem == ("no-such-package is not installed: pip install 'sageloop[torch]'")


def test_an_example_without_a_figure_is_not_ok(tmp_path: Path) -> None:
    found = find_examples(project(tmp_path))

    outcome = run_example(found["counting"], log=lambda _: None)

    assert (outcome.ok, outcome.problem, outcome.detail) == (
        False, "it reported no metric", {"said": "hello"}
    )  # fmt: skip


@pytest.mark.parametrize(("value", "holds"), [(1.1, True), (0.9, True), (1.11, False)])
def test_a_figure_holds_within_its_noise(value: float, *, holds: bool) -> None:
    assert figure(value, 0.1000001).holds is holds


def test_an_outcome_tells_whether_each_figure_holds() -> None:
    told = Outcome(example="counting", figures=[figure(1.0), figure(2.0)]).as_dict()

    assert [f["holds"] for f in told["figures"]] == [True, False]


def test_the_command_wants_names_or_all(tmp_path: Path) -> None:
    ended = CliRunner().invoke(application, ["run", "--project", str(project(tmp_path))])

    assert ended.exit_code == 2
    assert "specify examples or --all" in ended.output


def test_the_command_reports_a_failure_with_its_exit_code(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    given = ["run", "--all", "--project", str(project(tmp_path, '"nothing": "torch"'))]

    ended = CliRunner().invoke(application, [*given, "--json", str(report)])

    assert ended.exit_code == 1
    assert '"ok": false' in report.read_text()


def test_customers_are_summed_up_from_their_orders() -> None:
    found = customers()

    assert len(found) == 23_570
    assert found[1] == (534.0, 2.0, 89.0)  # customer 2 ordered for 12 and 77 dollars on one day


def test_digits_are_split_alike_each_time() -> None:
    one, other = digits(), digits()

    assert one.train_rows.shape == (1347, 64)
    assert (one.test_labels == other.test_labels).all()


def test_csv_keeps_numbers_as_they_are() -> None:
    assert as_csv([(1.0, 0.1), (2, 1e-9)]) == b"1,0.1\n2,1e-09\n"
