"""An archive in a bucket: segments are uploaded when their hour is over, read back from there, and deleted there."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

pytest.importorskip("obstore", reason="needs the `s3` extra")

from archives import BEGIN, CAMERA, SITE, frame, message

from etle.config.deployment import ArchiveSettings
from etle.errors import ArchiveUnavailable
from etle.storage.archive.bucket import BucketFiles, BucketUploader, ObjectReader
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.holds import ArchiveHolds
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.retention import ArchiveRetention
from etle.storage.archive.verify import SegmentVerifier
from etle.storage.archive.writer import ArchiveCounts, ArchiveWriter
from etle.storage.evidence.s3 import s3_store
from etle.testing import ManualClock
from services import S3Server


def opened(bucket: BucketFiles, folder, clock):
    folder.mkdir(exist_ok=True)
    settings, counts = ArchiveSettings(keep_days=1), ArchiveCounts()
    holds = ArchiveHolds(bucket, SITE, clock, lambda: "h1")
    retention = ArchiveRetention(bucket, SITE, settings, holds, counts.count_deleted)
    return ArchiveWriter(
        folder, SITE, settings, clock, retention, counts, upload=BucketUploader(folder, bucket), free_bytes=lambda _: 10**12
    )  # fmt: skip


def test_segments_are_uploaded_read_back_and_deleted(live_s3: S3Server, tmp_path):
    bucket = BucketFiles(s3_store(f"{live_s3.address}/archive", live_s3.environment), live_s3.address)
    frames = [frame(number, number * 900) for number in range(9)]
    writer = opened(bucket, tmp_path / "a", ManualClock(BEGIN))
    for each in frames:
        writer.append(message(each), each)
    reader = ArchiveReader((FolderFiles(tmp_path / "a"), bucket), SITE)
    assert [each.entry.sequence for segment in reader.segments(CAMERA) for each in reader.frames(segment.name)] == list(range(9))
    writer.close()
    assert not list((tmp_path / "a").rglob("*.mkv"))
    reader = ArchiveReader((bucket,), SITE)
    messages = [each.message for segment in reader.segments(CAMERA) for each in reader.frames(segment.name)]
    assert [each.frame() for each in messages if each] == frames
    found = reader.frame_at(CAMERA, BEGIN + timedelta(seconds=1800))
    assert found and found.entry.sequence == 2
    assert not [each for segment in reader.segments() for each in SegmentVerifier(reader, segment.name, None).findings()]
    late = replace(frame(10), captured_at=BEGIN + timedelta(days=3))
    writer = opened(bucket, tmp_path / "b", ManualClock(BEGIN + timedelta(days=3)))
    writer.append(message(late), late)
    writer.close()
    assert [segment.name.begins_at for segment in reader.segments()] == [frames[8].captured_at, late.captured_at]  # the newest stays


def test_a_bucket_that_cannot_be_reached_leaves_the_segments_in_the_folder(tmp_path):
    keys = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "r"}
    bucket = BucketFiles(s3_store("s3://archive/x", keys, retry_s=0.1), "s3://archive/x")
    with pytest.raises(ArchiveUnavailable):
        bucket.sizes("tes")
    writer = opened(bucket, tmp_path / "a", ManualClock(BEGIN))
    for each in (frame(0), frame(1, 3600)):
        assert writer.append(message(each), each)
    writer.close()
    assert len(list((tmp_path / "a").rglob("*.mkv"))) == 2


def test_what_is_read_in_sequence_is_read_ahead_and_a_single_frame_is_not():
    data, requests = random.Random(3).randbytes(9_000_000), []

    def request(offset: int, length: int) -> bytes:
        requests.append((offset, length))
        return data[offset : offset + length]

    reader = ObjectReader(request, len(data))
    assert reader.read(7_000_000, 200_000) == data[7_000_000:7_200_000] and requests == [(7_000_000, 200_000)]
    reader = ObjectReader(request, len(data))
    assert b"".join(reader.read(offset, 150_000) for offset in range(0, 9_000_000, 150_000)) == data
    assert len(requests) == 4
    assert reader.read(8_999_999, 10) == data[-1:] and reader.read(9_000_000, 10) == b""
    chance = random.Random(4)
    for _ in range(200):
        offset, size = chance.randrange(9_000_000), chance.randrange(300_000)
        assert reader.read(offset, size) == data[offset : offset + size]
