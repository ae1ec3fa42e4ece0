"""The archive keeps every frame byte for byte, also after a kill; it names what was changed, and deletes only what it may."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from archives import BEGIN, CAMERA, SITE, archive_all, archived, frame, holds_in, message, reader_in, writer_in

from etle.config.deployment import ArchiveLimits, ArchiveSettings
from etle.errors import ArchiveFull, ArchiveUnavailable, ConfigError
from etle.storage.archive.opening import ArchivePlace, refuse_shared_folder
from etle.storage.archive.retention import DeletionReason
from etle.storage.archive.verify import ArchiveFault, ArchiveFinding, SegmentVerifier
from etle.testing import ManualClock
from etle.types import CameraId, ControllerReading, Lamp, SignalId, digest_of

FRAMES = [frame(number) for number in range(30)]


def videos(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mkv"))


def findings(folder: Path, signatures=None) -> list[ArchiveFinding]:
    reader = reader_in(folder)
    return [found for segment in reader.segments() for found in SegmentVerifier(reader, segment.name, signatures).findings()]


def test_frames_come_back_byte_for_byte_with_all_their_headers(tmp_path):
    told = ControllerReading(signal=SignalId("barat"), lamp=Lamp.RED, since=BEGIN, at=BEGIN, sequence=4)
    frames = [*FRAMES, replace(frame(30), controller=(told,)), replace(frame(31), clock_error_s=None)]
    archive_all(tmp_path, frames)
    assert archived(tmp_path) == frames


def test_a_segment_is_of_one_camera_and_one_hour(tmp_path):
    frames = [frame(0), frame(1, 3600), frame(2, 3601), frame(3, camera=CameraId("cam-2"))]
    archive_all(tmp_path, frames)
    names = [str(path.relative_to(tmp_path)) for path in videos(tmp_path)]
    assert names == [
        "tes/cam-1/2026-11-23/03-00-15.500000.mkv",
        "tes/cam-1/2026-11-23/04-00-15.500000.mkv",
        "tes/cam-2/2026-11-23/03-00-15.800000.mkv",
    ]


@pytest.mark.parametrize("finish", [True, False], ids=["finished", "while it is written"])
def test_a_player_shows_every_frame(tmp_path, finish):
    av = pytest.importorskip("av")
    archive_all(tmp_path, FRAMES, finish=finish)
    with av.open(str(videos(tmp_path)[0])) as video:
        packets = [packet for packet in video.demux(video=0) if packet.size]
    assert [bytes(packet) for packet in packets] == [each.jpeg for each in FRAMES]
    assert [float(packet.pts * packet.time_base) for packet in packets[:2]] == [15.5, 15.6]
    with av.open(str(videos(tmp_path)[0])) as video:
        assert len(list(video.decode(video=0))) == len(FRAMES)


def test_a_segment_that_is_cut_off_anywhere_is_read_up_to_its_last_whole_frame_and_continued(tmp_path):
    archive_all(tmp_path / "whole", FRAMES[:6], finish=False)
    video, index = videos(tmp_path / "whole")[0], next((tmp_path / "whole").rglob("*.index"))
    ends = [
        entry.location.end for entry in reader_in(tmp_path / "whole").open(reader_in(tmp_path / "whole").segments()[0].name)[1].entries()
    ]
    chance = random.Random(1)
    for case in range(60):
        folder = tmp_path / str(case)
        cut = chance.randrange(video.stat().st_size)
        for file, length in ((video, cut), (index, chance.randrange(index.stat().st_size + 1))):
            target = folder / file.relative_to(tmp_path / "whole")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes()[:length])
        archive_all(folder, [frame(7)])
        assert archived(folder) == [*FRAMES[: sum(end <= cut for end in ends)], frame(7)], cut
        assert not findings(folder), cut


def test_a_lost_or_damaged_index_is_replaced_by_the_segment_itself(tmp_path):
    archive_all(tmp_path, FRAMES)
    index = next(tmp_path.rglob("*.index"))
    whole = index.read_bytes()
    index.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    assert archived(tmp_path) == FRAMES
    index.unlink()
    assert archived(tmp_path) == FRAMES
    assert [found.fault for found in findings(tmp_path)] == [ArchiveFault.INDEX]
    archive_all(tmp_path, [frame(40)])
    assert archived(tmp_path) == [*FRAMES, frame(40)] and not findings(tmp_path)


@pytest.mark.parametrize("finish", [True, False], ids=["finished", "open"])
def test_every_flipped_bit_is_named_with_its_frame(tmp_path, finish):
    archive_all(tmp_path, FRAMES[:4], finish=finish)
    assert not findings(tmp_path)
    reader = reader_in(tmp_path)
    entries = list(reader.open(reader.segments()[0].name)[1].entries())
    chance = random.Random(2)
    for file in (videos(tmp_path)[0], next(tmp_path.rglob("*.index"))):
        whole = file.read_bytes()
        for bit in chance.sample(range(len(whole) * 8), 150):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            file.write_bytes(changed)
            found = findings(tmp_path)
            assert found, (file, bit)
            inside = [number for number, entry in enumerate(entries) if entry.location.offset <= bit // 8 < entry.location.end]
            if file.suffix == ".mkv" and inside:
                assert found[0].number == inside[0], (bit, found)
        file.write_bytes(whole)


def test_a_frame_that_was_replaced_with_all_its_checksums_has_no_valid_signature(tmp_path):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from etle.signing import Signer

    device, other = (Signer(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))

    def verify(camera, signed, signature):
        return device.sign(signed) == signature

    archive_all(tmp_path / "genuine", FRAMES, device.sign)
    assert not findings(tmp_path / "genuine", verify)
    archive_all(tmp_path / "forged", FRAMES, other.sign)
    assert {found.fault for found in findings(tmp_path / "forged", verify)} == {ArchiveFault.SIGNATURE}


def test_a_frame_is_found_by_camera_and_time(tmp_path):
    archive_all(tmp_path, [frame(number) for number in range(0, 72000, 400)])
    reader = reader_in(tmp_path)
    found = reader.frame_at(CAMERA, BEGIN + timedelta(seconds=4000.7), within_s=30)
    assert found and found.entry.sequence == 40000
    assert reader.frame_at(CAMERA, BEGIN + timedelta(seconds=4020), within_s=5) is None
    assert reader.frame_at(CameraId("cam-9"), BEGIN) is None


def test_a_frame_is_found_although_the_clock_was_set_back(tmp_path):
    frames = [frame(number) for number in range(20)] + [frame(20 + number, number / 10 + 0.05) for number in range(20)]
    archive_all(tmp_path, frames)
    reader = reader_in(tmp_path)
    assert [each.entry.sequence for each in reader.frames(reader.segments()[0].name, BEGIN, BEGIN + timedelta(seconds=0.2))] == [
        0,
        1,
        20,
        21,
    ]
    found = reader.frame_at(CAMERA, BEGIN + timedelta(seconds=0.56))
    assert found and found.entry.sequence == 25
    assert archived(tmp_path) == frames


def test_frames_that_are_read_again_are_archived_once(tmp_path):
    archive_all(tmp_path, FRAMES)
    writer = writer_in(tmp_path)
    assert [writer.append(message(each), each) for each in [*FRAMES[10:], frame(30)]] == [False] * 20 + [True]
    writer.close()
    assert archived(tmp_path) == [*FRAMES, frame(30)]
    assert (writer.counts.frames, writer.counts.duplicates) == (1, 20)


def test_a_camera_is_written_by_one_process_at_a_time(tmp_path):
    first, second = writer_in(tmp_path), writer_in(tmp_path)
    first.append(message(FRAMES[0]), FRAMES[0])
    with pytest.raises(ArchiveUnavailable, match="another process"):
        second.append(message(FRAMES[1]), FRAMES[1])
    first.release(frozenset((CAMERA,)))
    assert second.append(message(FRAMES[1]), FRAMES[1])
    second.close()


def hours(
    folder: Path,
    count: int,
    settings: ArchiveSettings,
    *,
    camera: CameraId = CAMERA,
    clock: ManualClock | None = None,
    free=lambda _: 10**12,
):
    writer = writer_in(folder, settings, clock, free)
    for hour in range(count):
        each = frame(hour, hour * 3600, camera=camera)
        writer.append(message(each), each)
    writer.close()
    return writer


def test_retention_by_age_and_by_size_of_each_camera(tmp_path):
    clock = ManualClock(BEGIN + timedelta(hours=30))
    limits = (ArchiveLimits(id="cam-2", keep_days=0.5),)
    settings = ArchiveSettings(keep_days=1, cameras=limits)
    writer = hours(tmp_path, 30, settings, clock=clock)
    assert writer.counts.deleted == {DeletionReason.AGE: 6}
    assert hours(tmp_path, 30, settings, camera=CameraId("cam-2"), clock=clock).counts.deleted == {DeletionReason.AGE: 18}
    small = hours(tmp_path / "small", 30, ArchiveSettings(max_gb=5e-6))
    size = sum(path.stat().st_size for path in (tmp_path / "small").rglob("*.*") if path.suffix in (".mkv", ".index"))
    assert small.counts.deleted[DeletionReason.SIZE] > 20 and size < 7000


def test_a_hold_prevents_deletion_until_it_is_released(tmp_path):
    holds = holds_in(tmp_path)
    held = holds.place(CAMERA, BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=3, seconds=1), "case 12", "sari")
    hours(tmp_path, 30, ArchiveSettings(keep_days=0.1), clock=ManualClock(BEGIN + timedelta(hours=40)))
    assert [path.name[:2] for path in videos(tmp_path)] == ["05", "06", "08"]  # two that are held, and the newest
    holds.release(held.id, "sari")
    archive = writer_in(tmp_path, ArchiveSettings(keep_days=0.1), ManualClock(BEGIN + timedelta(hours=60)))
    archive.append(message(frame(99, 55 * 3600)), frame(99, 55 * 3600))
    archive.close()
    assert [path.name[:2] for path in videos(tmp_path)] == ["10"]
    assert [hold.released_by for hold in holds.all()] == ["sari"]
    with pytest.raises(ConfigError, match="no hold"):
        holds.release(held.id, "sari")


def test_a_full_disk_deletes_the_oldest_segments_and_counts_them(tmp_path):
    hours(tmp_path, 5, ArchiveSettings())
    other = tmp_path / "evidence.jpg"
    other.write_bytes(b"evidence")
    segments = len(videos(tmp_path))

    def free(_: Path) -> int:
        return 3 * 10**9 if len(videos(tmp_path)) < segments else 0

    writer = writer_in(tmp_path, ArchiveSettings(), free_bytes=free)
    late = frame(9, 9 * 3600)
    assert writer.append(message(late), late)
    assert writer.counts.deleted[DeletionReason.DISK_FULL] == 4  # the newest of a camera stays
    assert other.read_bytes() == b"evidence"
    writer.close()


@pytest.mark.parametrize("when_full, hold", [("stop", False), ("delete_oldest", True)], ids=["configured to stop", "everything is held"])
def test_a_full_disk_stops_the_archive_and_deletes_nothing(tmp_path, when_full, hold):
    hours(tmp_path, 5, ArchiveSettings())
    if hold:
        holds_in(tmp_path).place(None, BEGIN - timedelta(days=1), BEGIN + timedelta(days=1), "all", "sari")
    writer = writer_in(tmp_path, ArchiveSettings(when_full=when_full), free_bytes=lambda _: 0)
    with pytest.raises(ArchiveFull):
        writer.append(message(FRAMES[5]), FRAMES[5])
    assert len(videos(tmp_path)) == 5


def test_archive_and_evidence_never_share_a_folder(tmp_path):
    for evidence in (tmp_path, tmp_path / "archive", tmp_path / "archive" / "evidence"):
        with pytest.raises(ConfigError, match="folders of their own"):
            refuse_shared_folder(ArchivePlace(folder=tmp_path / "archive", bucket=None), evidence)
    refuse_shared_folder(ArchivePlace(folder=tmp_path / "archive", bucket=None), tmp_path / "evidence")


def test_the_archive_adds_less_than_a_fiftieth_to_pictures_of_usual_size(tmp_path):
    jpeg = FRAMES[0].jpeg + bytes(60_000)
    frames = [replace(frame(number), jpeg=jpeg, sha256=digest_of(jpeg)) for number in range(20)]
    archive_all(tmp_path, frames, lambda signed: bytes(64))
    stored = sum(path.stat().st_size for path in tmp_path.rglob("*.*") if path.suffix in (".mkv", ".index"))
    assert stored <= 1.02 * sum(len(each.jpeg) for each in frames)


def test_the_site_of_a_segment_is_its_folder(tmp_path):
    archive_all(tmp_path, FRAMES[:1])
    assert [path.name for path in tmp_path.iterdir()] == [SITE]
