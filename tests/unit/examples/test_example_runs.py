"""Selection of examples, and the evaluation of their runs."""

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
    stage.note(note="hello")
"""


def project(tmp_path: Path, needs: str = "") -> Path:
    folder = tmp_path / "examples" / "counting"
    folder.mkdir(parents=True)
    (folder / "run.py").write_text(RUN % needs)
    return tmp_path


def figure(value: float, tolerance: float = 0.1) -> Figure:
    return Figure(name="error", value=value, outside=1.0, tolerance=tolerance, noise="seed 0")


def test_examples_are_listed_with_their_titles(tmp_path: Path) -> None:
    examples = find_examples(project(tmp_path))

    assert {name: example.title for name, example in examples.items()} == {
        "counting": "Counts to three."
    }


def test_a_folder_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match="run this in a checkout"):
        find_examples(tmp_path)


def test_unknown_example_error_lists_the_examples(tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match="no example 'flying': available: counting"):
        chosen(find_examples(project(tmp_path)), ["flying"])


def test_missing_requirement_is_reported_before_the_start(tmp_path: Path) -> None:
    examples = find_examples(project(tmp_path, '"no-such-package": "torch"'))

    outcome = run_example(examples["counting"], log=lambda _: None)

    assert not outcome.ok
    assert outcome.problem == ("no-such-package is not installed: pip install 'sageloop[torch]'")


def test_example_without_a_metric_fails(tmp_path: Path) -> None:
    examples = find_examples(project(tmp_path))

    outcome = run_example(examples["counting"], log=lambda _: None)

    assert (outcome.ok, outcome.problem, outcome.detail) == (
        False, "it reported no metric", {"note": "hello"}
    )  # fmt: skip


@pytest.mark.parametrize(("value", "holds"), [(1.1, True), (0.9, True), (1.11, False)])
def test_metric_may_differ_within_its_tolerance(value: float, *, holds: bool) -> None:
    assert figure(value, 0.1000001).holds is holds


def test_outcome_reports_whether_each_metric_holds() -> None:
    report = Outcome(example="counting", figures=[figure(1.0), figure(2.0)]).as_dict()

    assert [f["holds"] for f in report["figures"]] == [True, False]


def test_command_requires_names_or_all(tmp_path: Path) -> None:
    ended = CliRunner().invoke(application, ["run", "--project", str(project(tmp_path))])

    assert ended.exit_code == 2
    assert "specify examples or --all" in ended.output


def test_failed_example_sets_the_exit_code(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    names = ["run", "--all", "--project", str(project(tmp_path, '"nothing": "torch"'))]

    ended = CliRunner().invoke(application, [*names, "--json", str(report)])

    assert ended.exit_code == 1
    assert '"ok": false' in report.read_text()


def test_customers_are_aggregated_from_their_orders() -> None:
    examples = customers()

    assert len(examples) == 23_570
    assert examples[1] == (534.0, 2.0, 89.0)  # customer 2 ordered for 12 and 77 dollars on one day


def test_split_of_digits_is_deterministic() -> None:
    one, other = digits(), digits()

    assert one.train_rows.shape == (1347, 64)
    assert (one.test_labels == other.test_labels).all()


def test_csv_keeps_numbers_without_loss() -> None:
    assert as_csv([(1.0, 0.1), (2, 1e-9)]) == b"1,0.1\n2,1e-09\n"


DENIED = """
\"\"\"Reads as a role that may not.\"\"\"

import json
from contextlib import suppress

import boto3
from botocore.exceptions import ClientError
from sageloop.examples.figure import Figure

NEEDS = {}
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
         "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}]}

def run(stage):
    stage.figure(Figure(name="error", value=1, outside=1, tolerance=0, noise="none"))
    role = stage.cloud.client("iam").create_role(
        RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    keys = stage.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    s3 = boto3.client(
        "s3", endpoint_url=stage.cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    with suppress(ClientError):
        s3.list_buckets()
"""


def test_an_example_with_a_denied_call_is_not_ok(tmp_path: Path) -> None:
    (project(tmp_path) / "examples" / "counting" / "run.py").write_text(DENIED)

    outcome = run_example(find_examples(tmp_path)["counting"], log=lambda _: None)

    (line,) = outcome.denied
    assert line.startswith("arn:aws:iam::123456789012:role/reader was denied s3:ListAllMyBuckets")
    assert (outcome.ok, outcome.problem) == (False, f"access policies denied 1: {line}")
