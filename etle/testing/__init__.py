"""An implementation of every protocol for tests: in memory, told beforehand what to say, with a clock that somebody holds.

They are shipped, so that whoever writes a rule, a reader or a store of their own tests it against the same ones as we do;
`tests/contract/` holds each of them to what the one for the road does. Nothing here needs a package beyond etle's own.
"""

from etle.testing.broker import MemoryBroker, MemorySubscriber
from etle.testing.cases import MemoryCases
from etle.testing.engines import Script, ScriptedDetector, ScriptedLamps, ScriptedPlateDetector, ScriptedReader
from etle.testing.memory import ListSink, ListSource, ManualClock, MemoryCheckpoints, MemoryEvidence
from etle.testing.values import BEGIN, a_decision, a_file, a_frame, a_jpeg, a_parcel, a_plate, a_read, a_violation

__all__ = [
    "BEGIN",
    "ListSink",
    "ListSource",
    "ManualClock",
    "MemoryBroker",
    "MemoryCases",
    "MemoryCheckpoints",
    "MemoryEvidence",
    "MemorySubscriber",
    "Script",
    "ScriptedDetector",
    "ScriptedLamps",
    "ScriptedPlateDetector",
    "ScriptedReader",
    "a_decision",
    "a_file",
    "a_frame",
    "a_jpeg",
    "a_parcel",
    "a_plate",
    "a_read",
    "a_violation",
]
