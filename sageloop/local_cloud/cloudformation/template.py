"""Templates: the text of a request as a validated document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.dynamic import check_number
from sageloop.local_cloud.cloudformation.template_form import check_form
from sageloop.local_cloud.cloudformation.template_reader import read_template
from sageloop.local_cloud.cloudformation.template_references import check_references

MAX_BODY_BYTES = 51_200
MAX_STORED_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template; ``text`` is the submitted text, byte for byte."""

    text: str
    body: dict[str, Any]

    def section(self, name: str) -> dict[str, Any]:
        """A section's entries; empty if the template has no such section."""
        section = self.body.get(name)
        return section if isinstance(section, dict) else {}

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources by logical id."""
        return self.section("Resources")

    @property
    def description(self) -> str | None:
        """The description, or an empty string."""
        return self.body.get("Description")


EMPTY = Template("{}", {})


def parse_template(text: str) -> Template:
    """Parse a template and check all that can be checked without values of its parameters.

    Raises:
        AwsError: ``ValidationError`` with the problem.

    """
    body = read_template(text)
    check_form(body)
    check_references(body)
    check_number(body)
    return Template(text, body)
