"""Atomic writes and locks."""

import os
from pathlib import Path

import pytest

from etle.files import FileLock, atomic_path, sync_folder, write_atomic


def test_a_file_is_written_and_replaced_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert write_atomic(path, b"one")
    assert write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_kept_when_overwriting_is_off(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert write_atomic(path, b"one", mode=0o600, overwrite=False)
    assert not write_atomic(path, b"two", mode=0o600, overwrite=False)
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_may_be_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    assert write_atomic(tmp_path / "photo.jpg", b"jpeg", temp_folder=tmp_path / "temp")
    assert (tmp_path / "photo.jpg").read_bytes() == b"jpeg"
    assert not list((tmp_path / "temp").iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_atomic(path, b"old")
    with pytest.raises(ValueError, match="broken"), atomic_path(path) as temp:
        temp.write_bytes(b"half")
        raise ValueError("broken")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_library_may_write_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with atomic_path(path) as temp:
        temp.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "file", b"")
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")


def test_a_lock_excludes_others_until_it_is_closed(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"):
        second = FileLock(tmp_path / "lock")
        assert not second.acquire(blocking=False)
        assert not second.acquire(shared=True, blocking=False)
    assert second.acquire(blocking=False)
    second.close()


def test_shared_locks_exclude_only_exclusive_ones(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(shared=True)
    assert second.acquire(shared=True)
    assert not first.acquire(blocking=False)
    second.close()
    assert first.acquire(blocking=False)
    assert os.fstat(first.fileno()).st_mode & 0o777 == 0o600
    first.close()
