"""`sageloop local logs`: prints a log group, and follows it."""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from sageloop.cli.report import JsonFile, fail, write_report
from sageloop.cli.running import needed_cloud

_PAUSE = 0.3
_INTERRUPTED = 130
Event = dict[str, Any]


def logs(
    group: Annotated[str | None, typer.Argument(help="a log group; without it, list them")] = None,
    lines: Annotated[
        int, typer.Option(min=0, help="how many of the last events to print")
    ] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", help="also print new events, until Ctrl-C")
    ] = False,
    json_file: JsonFile = None,
) -> None:  # fmt: skip
    """Print a log group (of a function, a job or an endpoint), or list the log groups.

    With --follow each event is printed once, in the order of its stream; Ctrl-C ends the command
    with exit code 130, and the end of the local cloud with 2.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if follow and (group is None or json_file is not None):
        fail("--follow needs a log group, and no --json")
    client = needed_cloud().client("logs")
    names = group_names(client)
    if group is None:
        write_report(json_file, {"groups": names})
        for name in names:
            typer.echo(name)
        return
    if group not in names:
        fail(f"no log group {group}; sageloop local logs lists them")
    tail = LogTail(client, group)
    events = sorted(tail.new_events(), key=lambda event: int(event["timestamp"]))
    last = events[max(0, len(events) - lines) :]
    write_report(json_file, {"group": group, "events": last})
    _print(last)
    if not follow:
        return
    try:
        follow_group(tail, _print, pause=wall.sleep)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except (BotoCoreError, ClientError) as error:
        fail(" ".join(str(error).split()))


def group_names(client: Any) -> list[str]:
    """Names of all log groups."""
    pages = client.get_paginator("describe_log_groups").paginate()
    return sorted(item["logGroupName"] for page in pages for item in page["logGroups"])


class LogTail:
    """Reads a log group; each event once.

    Args:
        client: A CloudWatch Logs client.
        group: The log group.

    """

    def __init__(self, client: Any, group: str) -> None:
        self._client = client
        self._group = group
        self._next_tokens: dict[str, str] = {}

    def new_events(self) -> Iterator[Event]:
        """Events since the last call: time in milliseconds, stream and message."""
        pages = self._client.get_paginator("describe_log_streams").paginate(
            logGroupName=self._group
        )
        names = sorted(item["logStreamName"] for page in pages for item in page["logStreams"])
        for stream in names:
            yield from self._of_stream(stream)

    def _of_stream(self, stream: str) -> Iterator[Event]:
        while True:
            token = self._next_tokens.get(stream)
            answer = self._client.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True,
                **({} if token is None else {"nextToken": token}),
            )  # fmt: skip
            for event in answer["events"]:
                yield {"timestamp": event["timestamp"], "stream": stream,
                       "message": str(event["message"]).rstrip("\n")}  # fmt: skip
            # At the end of a stream the token is the one that was passed.
            if answer["nextForwardToken"] == token:
                return
            self._next_tokens[stream] = answer["nextForwardToken"]


def follow_group(
    tail: LogTail, show: Callable[[list[Event]], None], *, pause: Callable[[float], None]
) -> None:
    """Pass new events to ``show`` until an exception ends it."""
    while True:
        show(list(tail.new_events()))
        pause(_PAUSE)


def _print(events: list[Event]) -> None:
    for event in events:
        typer.echo(event["message"])
