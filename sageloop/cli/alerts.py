"""`sageloop local alerts`: messages that were published to SNS topics of the local cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sageloop.cli.report import JsonFile, write_report
from sageloop.cli.running import needed_cloud

_MOST_CHARACTERS = 300


def alerts(
    topic: Annotated[
        str | None, typer.Argument(help="name or ARN of a topic; by default all topics")
    ] = None,
    lines: Annotated[int, typer.Option(min=0, help="how many of the last to print")] = 20,
    full: Annotated[bool, typer.Option("--full", help="print whole messages")] = False,
    json_file: JsonFile = None,
) -> None:
    """Print the alerts that alarms and functions published to SNS topics, oldest first.

    The local cloud sends no email: each alert is shown with its subscriptions. The last 1,000
    messages of all topics are kept.
    """
    messages = needed_cloud().published(topic)
    last = messages[max(0, len(messages) - lines) :]
    write_report(json_file, {"alerts": last})
    if not last:
        typer.echo("no message was published")
    for message in last:
        for line in alert_lines(message, full=full):
            typer.echo(line)


def alert_lines(message: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    """One message for a person.

    Args:
        message: A message of :meth:`LocalCloud.published`.
        full: Whether to print all of its text.

    """
    at = datetime.fromtimestamp(message["time"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    topic = message["topic_arn"].rpartition(":")[2]
    subject = message["subject"]
    yield f"{at}  {topic}{'' if subject is None else f'  {subject}'}"
    yield from (f"    {line}" for line in _text(message["message"], full=full))
    for each in message["recipients"]:
        yield f"    to {each['protocol']} {each['endpoint']}"


def _text(message: str, *, full: bool) -> list[str]:
    if full:
        return message.splitlines()
    flat = " ".join(_summary(message).split())
    cut = flat if len(flat) <= _MOST_CHARACTERS else f"{flat[: _MOST_CHARACTERS - 1]}…"
    return [cut]


def _summary(message: str) -> str:
    """The reason of an alarm's state, or the text."""
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        return message
    reason = content.get("NewStateReason") if isinstance(content, dict) else None
    return message if reason is None else str(reason)
