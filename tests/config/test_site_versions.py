"""Versions of a site file: who saved what, ten of them, and nobody's change is lost or written over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from etle.config.site_versions import SiteFile
from etle.errors import ConfigError, SiteFileChanged
from etle.testing import ManualClock

START = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> SiteFile:
    (tmp_path / "site.yaml").write_text("a\n")
    return SiteFile(tmp_path / "site.yaml", clock)


def save(file: SiteFile, text: str, by: str = "budi") -> int:
    return file.save(lambda _: text, by, file.read().digest).number


def test_a_version_has_number_author_and_time_and_the_first_saving_keeps_what_was_there(file: SiteFile) -> None:
    assert save(file, "b\n") == 2
    newest, first = file.versions()
    assert (newest.number, newest.by, newest.at) == (2, "budi", START)
    assert (first.number, first.by) == (1, "-")
    assert (file.text_of(1), file.text_of(2), file.read().text) == ("a\n", "b\n", "b\n")


def test_what_was_edited_by_hand_is_kept_as_a_version(file: SiteFile) -> None:
    save(file, "b\n")
    file.path.write_text("by hand\n")
    save(file, "c\n", "sri")
    assert [(each.by, file.text_of(each.number)) for each in file.versions()] == [
        ("sri", "c\n"), ("-", "by hand\n"), ("budi", "b\n"), ("-", "a\n"),
    ]  # fmt: skip


def test_the_last_ten_are_kept(file: SiteFile) -> None:
    for number in range(20):
        save(file, f"{number}\n")
    assert [each.number for each in file.versions()] == [*range(21, 11, -1)]
    with pytest.raises(ConfigError, match="not kept"):
        file.text_of(5)


def test_a_change_over_somebody_elses_is_refused_and_names_them(file: SiteFile, clock: ManualClock) -> None:
    known = file.read().digest
    clock.advance(timedelta(minutes=2).total_seconds())
    save(file, "theirs\n", "sri")
    with pytest.raises(SiteFileChanged, match=r"sri saved site.yaml at 03:02:00 UTC"):
        file.save(lambda _: "mine\n", "budi", known)
    assert file.read().text == "theirs\n"


def test_a_change_over_an_edit_by_hand_is_refused(file: SiteFile) -> None:
    known = file.read().digest
    file.path.write_text("by hand\n")
    with pytest.raises(SiteFileChanged, match="edited by hand"):
        file.save(lambda _: "mine\n", "budi", known)


def test_of_two_who_save_at_once_one_is_refused(file: SiteFile) -> None:
    known, refused = file.read().digest, []

    def attempt(name: str) -> None:
        try:
            file.save(lambda text: f"{text}{name}\n", name, known)
        except SiteFileChanged:
            refused.append(name)

    threads = [Thread(target=attempt, args=(f"user-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert len(file.read().text.splitlines()) == 2


def test_restoring_is_a_version_of_its_own_and_the_difference_says_what_it_changes(file: SiteFile) -> None:
    save(file, "b\n")
    assert file.difference(1).splitlines()[-2:] == ["-b", "+a"]
    assert file.difference(2) == ""
    version = file.restore(1, "sri", file.read().digest)
    assert (version.number, file.read().text) == (3, "a\n")


def test_a_link_and_the_permissions_of_the_file_stay(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "real.yaml").write_text("a\n")
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "site.yaml").symlink_to("real.yaml")
    save(SiteFile(tmp_path / "site.yaml", clock), "b\n")
    assert (tmp_path / "site.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "b\n"
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640


def test_a_change_that_fails_writes_nothing(file: SiteFile) -> None:
    def fail(text: str) -> str:
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        file.save(fail, "budi", file.read().digest)
    assert file.read().text == "a\n"
