"""XGBoost training program: ``python -m ...xgboost.train`` under the training contract.

Several hosts train one model, each on its shard of the data, with XGBoost's collective; the first
host that has data saves the model.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from sageloop.local_cloud.images import job as platform
from sageloop.local_cloud.images.exchange import Group
from sageloop.local_cloud.images.formats import media, tables
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.formats.tables import Table
from sageloop.local_cloud.images.xgboost import callbacks, labels
from sageloop.local_cloud.images.xgboost import hyperparameters as hp
from sageloop.local_cloud.images.xgboost.library import RabitTracker, xgboost

MODEL_FILE = "xgboost-model"
_THREADS = 2
_CHANNELS = ("train", "validation")
_KNOWN = (*media.LIBSVM, media.CSV, media.PARQUET, media.RECORDIO)
# AWS's container accepts these as media types, too.
_SHORT = {
    "csv": media.CSV, "libsvm": media.LIBSVM[0], "parquet": media.PARQUET,
    "recordio-protobuf": media.RECORDIO,
}  # fmt: skip
_LOOPBACK = "127.0.0.1"


def main() -> int:
    """Train once; returns 1 with the reason in the failure file if it fails."""
    return platform.run(_train, client_code=1)


def _train(job: platform.Job) -> None:
    values = hp.typed(job.hyperparameters)
    for line in hp.notes(values):
        platform.log(line)
    job.check_channels(*_CHANNELS, "code")
    _check_modes(job)
    tables = {name: table for name in _CHANNELS if (table := _table(job, name, values)) is not None}
    with job.group() as group:
        try:
            _train_together(job, values, tables, group)
        except xgboost.core.XGBoostError as error:
            raise platform.TrainingError(_plain(str(error))) from None
        # No host ends before the model is saved.
        group.all_gather({})


def _table(job: platform.Job, name: str, values: Mapping[str, Any]) -> Table | None:
    if name not in job.channels:
        return None
    channel = {**job.channels[name], "ContentType": _content_type(job.channels[name])}
    if len(job.hosts) > 1 and not tables.has_data(name, channel, job.data):
        return None
    weighted = values.get("csv_weights", 0) == 1 and (
        media.media_type(channel["ContentType"]) == media.CSV
    )
    reading = tables.Reading(
        known=_KNOWN, absent=np.nan, weighted=weighted, labelled=True, detects=True
    )
    table = tables.load(name, channel, job.data, reading)
    if table.labels is not None:
        labels.check(name, table.labels, values)
    return table


def _content_type(channel: Mapping[str, str]) -> str:
    """The content type of a channel. Raises :class:`DataError` for a label that is not the first.

    https://github.com/aws/sagemaker-xgboost-container/issues/74
    """
    content_type = channel.get("ContentType", media.LIBSVM[0])
    kind = media.media_type(content_type)
    kind = _SHORT.get(kind, kind)
    if kind == media.CSV:
        media.check_one_label(content_type)
    return kind


def _check_modes(job: platform.Job) -> None:
    """Refuse Pipe mode for formats that the container reads in File mode only."""
    for name, channel in job.channels.items():
        piped = channel.get("TrainingInputMode") == "Pipe"
        if piped and name in _CHANNELS and _content_type(channel) in media.LIBSVM:
            raise DataError(
                f"Channel configuration for '{name}' channel is not supported: "
                f"{dict(channel)}. Pipe mode not supported for LibSVM."
            )


def _train_together(
    job: platform.Job, values: Mapping[str, Any], tables: Mapping[str, Table], group: Group
) -> None:
    content, first_round = callbacks.latest(job.checkpoints())
    sizes = group.all_gather(
        {
            "has": np.array([name in tables for name in _CHANNELS]),
            "widths": np.array([t.features.shape[1] for t in tables.values()], np.int64),
            "checkpoint": np.frombuffer(content, np.uint8),
            "round": np.array([first_round]),
        }
    )
    workers = [rank for rank, part in enumerate(sizes) if part["has"][0]]
    if not workers:
        raise DataError("No data found in channel train")
    _check_validation(job, [sizes[rank]["has"][1] for rank in workers])
    width = _width(job, [int(w) for part in sizes for w in part["widths"]])
    start = bytes(sizes[workers[0]]["checkpoint"]), int(sizes[workers[0]]["round"][0])
    if group.rank not in workers:
        platform.log(f"Host {job.host} does not have data and does not participate in the training")
    with _collective(group, workers) as participates:
        if participates:
            matrices = {name: _matrix(table, width) for name, table in tables.items()}
            booster = _boosted(job, values, matrices, start)
            if group.rank == workers[0]:
                raw = booster.save_raw(raw_format="ubj")
                (job.model / MODEL_FILE).write_bytes(raw)
                platform.show(f"Saved a model of {booster.num_boosted_rounds()} rounds\n")


@contextmanager
def _collective(group: Group, workers: list[int]) -> Iterator[bool]:
    """Join the collective; yields whether this host participates."""
    if len(workers) == 1:
        yield group.rank == workers[0]
        return
    tracker, place = None, None
    if group.rank == 0:
        tracker = RabitTracker(len(workers), host_ip=_LOOPBACK, sortby="task")
        tracker.start()
        port = int(tracker.worker_args()["dmlc_tracker_port"])
        place = {"port": np.array([port])}
    port = int(group.broadcast(place)["port"][0])
    if group.rank in workers:
        with xgboost.collective.CommunicatorContext(
            dmlc_communicator="rabit", dmlc_tracker_uri=_LOOPBACK, dmlc_tracker_port=port,
            dmlc_task_id=f"{group.rank:06d}",
        ):  # fmt: skip
            yield True
    else:
        yield False
    if tracker is not None:
        tracker.wait_for()


def _boosted(
    job: platform.Job, values: Mapping[str, Any], matrices: Mapping[str, Any],
    start: tuple[bytes, int],
) -> Any:  # fmt: skip
    content, first_round = start
    if content:
        platform.log(f"Resuming from iteration {first_round}")
    custom = [m for m in hp.metrics(values) or () if m in hp.CUSTOM_METRICS]
    return xgboost.train(
        hp.booster_parameters(values, threads=min(_THREADS, os.cpu_count() or 1)),
        matrices["train"],
        num_boost_round=max(values["num_round"] - first_round, 0),
        evals=[(matrix, name) for name, matrix in matrices.items()],
        custom_metric=callbacks.custom_metric(custom) if custom else None,
        callbacks=_callbacks(job, values, first_round, validated="validation" in matrices),
        xgb_model=bytearray(content) if content else None,
        verbose_eval=False,
    )


def _callbacks(
    job: platform.Job, values: Mapping[str, Any], first_round: int, *, validated: bool
) -> list[Any]:
    made: list[Any] = [callbacks.Monitor(first_round)]
    directory = job.checkpoints()
    if directory is not None:
        made.append(callbacks.Checkpoints(directory, first_round))
    rounds = values.get("early_stopping_rounds")
    if rounds is not None:
        made.append(callbacks.early_stopping(values, rounds, validated=validated))
    if values.get("save_model_on_termination") == "true":
        made.append(callbacks.Stop())
    return made


def _matrix(table: Table, width: int) -> Any:
    missing = width - table.features.shape[1]
    features = np.pad(table.features, ((0, 0), (0, missing)), constant_values=np.nan)
    return xgboost.DMatrix(
        features, label=table.labels, weight=table.weights, qid=table.groups, missing=np.nan
    )


def _width(job: platform.Job, widths: list[int]) -> int:
    """The number of features; libsvm has only those of its rows."""
    kinds = {
        media.media_type(_content_type(job.channels[name]))
        for name in _CHANNELS
        if name in job.channels
    }
    if len(set(widths)) > 1 and not kinds <= set(media.LIBSVM):
        raise DataError(f"channels have different numbers of features: {sorted(set(widths))}")
    return max(widths)


def _check_validation(job: platform.Job, have: list[bool]) -> None:
    if "validation" in job.channels and not all(have):
        raise DataError(
            "No data found in channel validation, on all or on some of the hosts that train"
        )


def _plain(message: str) -> str:
    text = message.partition("\nStack trace")[0].strip()
    return re.sub(r"^\[[0-9:]+\] \S+:\d+: ", "", text)


if __name__ == "__main__":
    sys.exit(main())
