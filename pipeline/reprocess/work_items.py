"""Work items: the segments of a run as messages in Kafka, for a consumer group of `etle reprocess-worker`.

An item says how far a camera is to be processed, not which part: up to the end of one segment of the run's plan, from wherever the camera
is. An item that is repeated, or that comes after a later one, therefore does nothing, and one that is lost leaves no gap. The items of a
camera are in one partition, so that they reach one worker at a time, in order. The cameras of a run are dealt to the partitions: by the
hash of a key, some workers would have twice as many cameras as others. They are dealt in pairs, every other pair reversed: junctions have a
camera for each direction, and of two workers that get every other partition one would have all those with the traffic.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

import msgspec

from etle.decoded_types import prepare
from etle.errors import WireError
from etle.kafka.protocols import Publisher
from etle.runs.plan import PlannedCamera, ReprocessPlan
from etle.storage.archive.segment import SegmentName
from etle.types import CameraId

_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """Process this camera of the run up to the end of the segment."""

    run: str
    camera: CameraId
    segment: int
    """Its number in the plan of the run, from 0."""

    @property
    def key(self) -> bytes:
        return f"{self.run}/{self.camera}".encode()


prepare(WorkItem)


def work_item_to_wire(item: WorkItem) -> bytes:
    return msgspec.json.encode(item)


def work_item_from_wire(data: bytes) -> WorkItem:
    """Raises WireError."""
    try:
        item = msgspec.json.decode(data, type=WorkItem)
    except msgspec.MsgspecError as error:
        raise WireError(f"work item: {error}") from error
    if item.segment < 0:
        raise WireError(f"work item: segment {item.segment} is negative")
    return item


def work_items(run: str, plan: ReprocessPlan, finished: Collection[CameraId] = ()) -> Iterator[WorkItem]:
    """Hour by hour, so that all cameras advance together. A camera without footage has one item, which finishes it."""
    numbered = [
        (_begin(camera, number), camera.camera, number)
        for camera in plan.cameras
        if camera.camera not in finished
        for number in range(max(1, len(camera.segments)))
    ]
    return (WorkItem(run=run, camera=camera, segment=number) for _, camera, number in sorted(numbered))


def publish_work_items(
    publisher: Publisher, topic: str, partitions: int, run: str, plan: ReprocessPlan, finished: Collection[CameraId]
) -> int:  # fmt: skip
    """`partitions`: those of the topic. Returns the number of items, when the broker has them. Raises BrokerUnavailable, BrokerRefused."""
    count, places = 0, dealt([camera.camera for camera in plan.cameras], partitions, crc32(run.encode()))
    for item in work_items(run, plan, finished):
        publisher.publish(topic, work_item_to_wire(item), key=item.key, partition=places[item.camera])
        count += 1
    publisher.flush()
    return count


def dealt(cameras: Sequence[CameraId], partitions: int, first: int) -> Mapping[CameraId, int]:
    """The partition of each camera, beginning with the partition `first`; as many cameras to each as possible."""
    order = [number ^ 1 if number // 2 % 2 else number for number in range(partitions)]
    if order[-1] >= partitions:  # its partner does not exist
        order[-1] = partitions - 1
    return {camera: (first + order[number % partitions]) % partitions for number, camera in enumerate(cameras)}


def _begin(camera: PlannedCamera, number: int) -> datetime:
    segment = SegmentName.parse(camera.segments[number]) if camera.segments else None
    return segment.begins_at if segment else _FIRST
