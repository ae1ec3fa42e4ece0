"""The cache of verified clips: one read per clip, a limit in bytes, and no changed file is ever served."""

from pathlib import Path

import pytest
from review_app import CountingEvidence

from etle.errors import EvidenceCorrupt
from etle.types import Digest
from review.clip_cache import ClipCache


@pytest.fixture
def evidence(tmp_path: Path) -> CountingEvidence:
    return CountingEvidence(tmp_path)


def test_a_clip_is_read_once(evidence: CountingEvidence) -> None:
    clip = evidence.put(b"clip", ".mp4")
    cache = ClipCache(evidence)
    assert [cache.get(clip) for _ in range(5)] == [b"clip"] * 5
    assert evidence.reads == {clip: 1}


def test_the_least_recently_used_clip_is_dropped_first(evidence: CountingEvidence) -> None:
    first, second, third = (evidence.put(data, ".mp4") for data in (b"1111", b"2222", b"3333"))
    cache = ClipCache(evidence, max_bytes=8)
    for digest in (first, second, first, third, first, second):
        cache.get(digest)
    assert evidence.reads == {first: 1, second: 2, third: 1}


def test_a_clip_larger_than_the_cache_is_served_and_drops_nothing(evidence: CountingEvidence) -> None:
    small, large = evidence.put(b"1111", ".mp4"), evidence.put(b"123456789", ".mp4")
    cache = ClipCache(evidence, max_bytes=8)
    assert [cache.get(digest) for digest in (small, large, large, small)] == [b"1111", b"123456789", b"123456789", b"1111"]
    assert evidence.reads == {small: 1, large: 2}


def test_a_file_changed_before_it_is_read_is_reported_each_time(evidence: CountingEvidence) -> None:
    clip = evidence.put(b"clip", ".mp4")
    evidence.tamper(clip)
    cache = ClipCache(evidence)
    for _ in range(2):
        with pytest.raises(EvidenceCorrupt):
            cache.get(clip)


def test_a_file_changed_after_it_was_read_is_never_served(evidence: CountingEvidence) -> None:
    clip, other = evidence.put(b"clip", ".mp4"), evidence.put(b"other", ".mp4")
    cache = ClipCache(evidence, max_bytes=5)
    cache.get(clip)
    evidence.tamper(clip)
    assert cache.get(clip) == b"clip"
    cache.get(other)
    with pytest.raises(EvidenceCorrupt):
        cache.get(clip)


def test_an_unknown_clip_raises_key_error(evidence: CountingEvidence) -> None:
    with pytest.raises(KeyError):
        ClipCache(evidence).get(Digest("ab" * 32))
