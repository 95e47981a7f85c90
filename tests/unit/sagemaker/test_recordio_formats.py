"""RecordIO-protobuf, JSON and the other formats of the built-in algorithms."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sageloop.local_cloud.images.formats import (
    matrix,
    media,
    record,
    recordio,
    rows,
    tables,
)
from sageloop.local_cloud.images.formats.media import DataError

_KINDS = st.sampled_from([np.dtype("f4"), np.dtype("f8"), np.dtype("i4")])
_TENSORS = _KINDS.flatmap(
    lambda kind: arrays.arrays(
        kind, st.integers(0, 8), elements=arrays.from_dtype(kind, allow_nan=False)
    )
)


@given(st.lists(st.binary(max_size=40)))
def test_frames_round_trip(payloads: list[bytes]) -> None:
    written = recordio.write(payloads)

    assert len(written) % 4 == 0
    assert list(recordio.read(written)) == payloads


def test_frame_starts_with_magic_number_and_length() -> None:
    assert recordio.write([b"abc"]) == bytes.fromhex("0a23d7ce 03000000") + b"abc\0"


def test_payload_split_at_magic_number_is_joined() -> None:
    magic = struct.pack("<I", 0xCED7230A)
    cut = [(1, b"aaaa"), (2, b"bbbb"), (3, b"cc")]
    data = b"".join(
        magic + struct.pack("<I", kind << 29 | len(p)) + p + b"\0" * (-len(p) % 4)
        for kind, p in cut
    )

    assert list(recordio.read(data)) == [b"aaaa" + magic + b"bbbb" + magic + b"cc"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1,2,3\n4,5,6\n", "no RecordIO magic number at byte 0"),
        (recordio.write([b"abcdefgh"])[:-1], "ends within the record at byte 0"),
        (recordio.write([b"abcd"]) + b"\x0a\x23", "ends within the header at byte 12"),
    ],
)
def test_invalid_frames_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(recordio.read(data))


@given(
    st.dictionaries(st.text(max_size=5), _TENSORS, max_size=3),
    st.dictionaries(st.text(max_size=5), _TENSORS, max_size=2),
    st.none() | st.text(max_size=5),
)
def test_record_round_trips(
    features: dict[str, Any], label: dict[str, Any], uid: str | None
) -> None:
    original = record.Record(
        {n: record.Tensor(v) for n, v in features.items()},
        {n: record.Tensor(v) for n, v in label.items()},
        uid,
    )

    decoded = record.decode(record.encode(original))

    assert decoded.uid == uid
    assert decoded.features.keys() == features.keys()
    for name, values in (*features.items(), *label.items()):
        read = (decoded.features | decoded.label if name in features else decoded.label)[name]
        if name in features and name in label:
            continue
        assert read.values.dtype == values.dtype
        np.testing.assert_array_equal(read.values, values)


@given(
    arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-9, 9, width=32)
    )
)
def test_dense_and_sparse_records_give_the_same_matrix(values: Any) -> None:
    labels = np.arange(len(values), dtype=np.float32)

    for sparse in (False, True):
        decoded, decoded_labels = matrix.read_recordio(
            matrix.write_recordio(values, labels, sparse=sparse)
        )

        np.testing.assert_array_equal(decoded, values)
        np.testing.assert_array_equal(decoded_labels, labels)  # type: ignore[arg-type]


@pytest.mark.frameworks  # TensorFlow brings protobuf
def test_records_match_the_protobuf_library() -> None:
    message = _protobuf_record()
    theirs = message()
    theirs.features["values"].float32_tensor.values.extend([1.5, -2.0])
    theirs.features["values"].float32_tensor.keys.extend([0, 300])
    theirs.features["values"].float32_tensor.shape.append(301)
    theirs.label["values"].int32_tensor.values.extend([-7])
    theirs.uid = "u"

    ours = record.decode(theirs.SerializeToString())
    back = message.FromString(record.encode(ours))

    assert ours.features["values"].values.tolist() == [1.5, -2.0]
    assert ours.features["values"].keys.tolist() == [0, 300]  # type: ignore[union-attr]
    assert ours.label["values"].values.tolist() == [-7]
    assert back == theirs


def _protobuf_record() -> Any:
    """SageMaker's protobuf schema, built in memory without generated code."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="r.proto", package="aialgs", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name: str, **fields: tuple[int, int, str, bool]) -> Any:
        descriptor = file.message_type.add(name=name)
        for field, (number, kind, of, many) in fields.items():
            added = descriptor.field.add(name=field, number=number, type=kind, type_name=of or None)
            added.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            added.options.packed = many and kind != kinds.TYPE_MESSAGE
        return descriptor

    for name, kind in (
        ("Float32Tensor", kinds.TYPE_FLOAT),
        ("Float64Tensor", kinds.TYPE_DOUBLE),
        ("Int32Tensor", kinds.TYPE_INT32),
    ):
        whole = kinds.TYPE_UINT64
        message(
            name, values=(1, kind, "", True), keys=(2, whole, "", True), shape=(3, whole, "", True)
        )
    group = kinds.TYPE_MESSAGE
    message(
        "Value",
        float32_tensor=(2, group, ".aialgs.Float32Tensor", False),
        float64_tensor=(3, group, ".aialgs.Float64Tensor", False),
        int32_tensor=(7, group, ".aialgs.Int32Tensor", False),
    )
    whole = message(
        "Record",
        features=(1, group, ".aialgs.Record.FeaturesEntry", True),
        label=(2, group, ".aialgs.Record.LabelEntry", True),
        uid=(3, kinds.TYPE_STRING, "", False),
        metadata=(4, kinds.TYPE_STRING, "", False),
    )
    for name in ("FeaturesEntry", "LabelEntry"):
        entry = whole.nested_type.add(name=name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
        entry.field.add(
            name="value",
            number=2,
            type=group,
            type_name=".aialgs.Value",
            label=kinds.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.Record"))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record.Record()], "record 1 has no features"),
        (
            [record.Record({"values": record.Tensor(np.ones(n, "f4"))}) for n in (2, 3)],
            "record 1 has 2 features, others have 3",
        ),
        (
            [record.Record({"values": record.Tensor(np.ones(1, "f4"), np.ones(1, "u8"))})],
            "record 1 is sparse and has no shape",
        ),
        (
            [record.Record({"values": record.Tensor(np.ones(1, "f4"), np.full(1, 5, "u8"), (3,))})],
            "record 1 has key 5 of 3 features",
        ),
    ],
)
def test_records_without_a_common_width_are_refused(
    records: list[record.Record], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        matrix.read_recordio(recordio.write(map(record.encode, records)))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_decoded_or_refused(data: bytes) -> None:
    with suppress(DataError):
        assert record.decode(data) == record.decode(data)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"instances": [{"features": [1, 0, 2]}, {"features": [0, 0, 3]}]}', media.JSON),
        (
            '{"instances": [{"data": {"features": {"values": [1, 0, 2]}}},'
            ' {"features": [0, 0, 3]}]}',
            media.JSON,
        ),
        (
            '{"instances": [{"features": {"keys": [0, 2], "shape": [3], "values": [1, 2]}},'
            ' {"data": {"features": {"keys": [2], "shape": [3], "values": [3]}}}]}',
            media.JSON,
        ),
        (
            '{"features": [1, 0, 2]}\n{"data": {"features": {"values": [0, 0, 3]}}}\n',
            media.JSON_LINES,
        ),
        ("1,0,2\n0,0,3\n", "text/csv;label_size=0"),
    ],
)
def test_request_formats_give_the_same_rows(body: str, kind: str) -> None:
    assert rows.decoded(body.encode(), kind).tolist() == [[1, 0, 2], [0, 0, 3]]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("{", media.JSON, "not application/json"),
        ("[]", media.JSON, "instances"),
        ('{"instances": [{"features": ["a"]}]}', media.JSON, "instance 1 has no list of numbers"),
        (
            '{"instances": [{"features": [1]}, {"features": [1, 2]}]}',
            media.JSON,
            "differ in length",
        ),
        (
            '{"features": {"keys": [3], "shape": [3], "values": [1]}}',
            media.JSON_LINES,
            "below the shape",
        ),
        ("x", "image/png", "image/png is not an accepted ContentType"),
    ],
)
def test_invalid_request_is_refused_with_reason(body: str, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows.decoded(body.encode(), kind)


def test_response_is_written_in_each_format() -> None:
    predictions = [{"score": 0.5, "predicted_label": 1}]

    assert json.loads(rows.encoded(predictions, media.JSON)) == {"predictions": predictions}
    assert rows.encoded(predictions, media.JSON_LINES) == b'{"score": 0.5, "predicted_label": 1}\n'
    assert rows.encoded(predictions, media.CSV) == b"0.5,1\n"
    (payload,) = recordio.read(rows.encoded(predictions, media.RECORDIO))
    assert record.decode(payload).label["score"].values.tolist() == [0.5]


def test_label_size_determines_csv_label_column(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.csv").write_text("1,2\n3,4\n")
    reading = tables.Reading(known=(media.CSV,))

    without = tables.load("train", {"ContentType": "text/csv;label_size=0"}, tmp_path, reading)
    by_default = tables.load("train", {"ContentType": "text/csv"}, tmp_path, reading)

    assert (without.features.tolist(), without.labels) == ([[1, 2], [3, 4]], None)
    assert by_default.labels.tolist() == [1, 3]  # type: ignore[union-attr]
    with pytest.raises(DataError, match="label_size must be 0 or 1, got 2"):
        tables.load("train", {"ContentType": "text/csv;label_size=2"}, tmp_path, reading)
