"""Fakes for tests: an implementation of every protocol in memory, with scripted answers and a clock that the test moves.

They are part of the package, so that a rule, reader or store from elsewhere is tested against the same fakes;
`tests/contract/` runs the same tests on them as on the real implementations. They need no packages beyond etle's core.
"""

from etle.testing.broker import MemoryBroker, MemorySubscriber
from etle.testing.cases import MemoryCases
from etle.testing.clock import ManualClock
from etle.testing.engines import FixedHeadReader, ScriptedAnswers, ScriptedDetector, ScriptedLamps, ScriptedPlateDetector, ScriptedReader
from etle.testing.sources import ListSource
from etle.testing.stores import ListSink, MemoryCheckpoints, MemoryEvidence
from etle.testing.values import BEGIN, a_decision, a_file, a_frame, a_jpeg, a_plate, a_read, a_violation, a_violation_message

__all__ = [
    "BEGIN",
    "FixedHeadReader",
    "ListSink",
    "ListSource",
    "ManualClock",
    "MemoryBroker",
    "MemoryCases",
    "MemoryCheckpoints",
    "MemoryEvidence",
    "MemorySubscriber",
    "ScriptedAnswers",
    "ScriptedDetector",
    "ScriptedLamps",
    "ScriptedPlateDetector",
    "ScriptedReader",
    "a_decision",
    "a_file",
    "a_frame",
    "a_jpeg",
    "a_plate",
    "a_read",
    "a_violation",
    "a_violation_message",
]
