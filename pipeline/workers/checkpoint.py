"""Where a camera's stage is: its memory, with the offsets at which the next worker goes on.

Together with the frames from `needed_offset` on it makes the stage what it was. Those below `next_offset` went through already and only
fill its ring again.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from etle.errors import StoreError, WireError
from etle.types import CameraId, Digest, RuleName, digest_of
from pipeline.detect import state as memory
from pipeline.detect.state import StageState

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    schema: int = SCHEMA
    camera: CameraId
    processed: int
    """The last sequence that went through."""
    needed_offset: int
    next_offset: int
    broken: tuple[int, ...]
    """Sequences from there on that were set aside, and must not come into the ring."""
    finished: bool
    """The camera has fallen silent, and nothing is pending: no frame is needed."""
    memory: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    schema: int


def checkpoint_to_wire(checkpoint: Checkpoint) -> bytes:
    return msgspec.msgpack.encode(checkpoint)


def checkpoint_from_wire(data: bytes) -> Checkpoint:
    """Raises WireError."""
    try:
        schema = msgspec.msgpack.decode(data, type=_Head).schema
        if schema != SCHEMA:
            raise WireError(f"checkpoint: schema {schema}, and this etle reads schema {SCHEMA}")
        return msgspec.msgpack.decode(data, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise WireError(f"checkpoint: {error}") from error


def first_memory(made_by: Digest, camera: CameraId, offset: int) -> StageState:
    """Of a camera that begins at that offset. Whoever begins there gives the run the same name, so that a replay gives the same bytes."""
    return StageState(made_by=made_by, run=digest_of(f"{made_by} {camera} {offset}".encode())[:32])


def memory_of(checkpoint: Checkpoint, made_by: Digest, rules: Collection[str]) -> StageState:
    """The memory to go on with. Another version, configuration or model takes over what does not depend on it: vehicles on their way and
    findings whose pictures are still being gathered. Otherwise each change would lose those, or find them a second time."""
    try:
        same = memory.decode(checkpoint.memory, made_by)
        if same is not None:
            return same
        other = msgspec.msgpack.decode(checkpoint.memory, type=StageState)
    except (StoreError, msgspec.MsgspecError):
        return replace(first_memory(made_by, checkpoint.camera, checkpoint.next_offset), processed=checkpoint.processed)
    return _taken_over(other, first_memory(made_by, checkpoint.camera, checkpoint.next_offset), rules)


def _taken_over(other: StageState, new: StageState, rules: Collection[str]) -> StageState:
    """The gate goes: it looks at the lanes as they were drawn."""
    if other.version != new.version:
        return replace(new, processed=other.processed)

    def stays(rule: RuleName) -> bool:
        return rule in rules

    return replace(
        other,
        made_by=new.made_by,
        run=new.run,
        gate=None,
        reported=tuple(each for each in other.reported if stays(each[0])),
        pending=tuple(each for each in other.pending if stays(each.finding.rule)),
    )
