"""`etle demo` on the bundled footage, with real weights and a real database."""

from demo_footage import DemoRun, etle, run_demo, violations


def test_it_finds_all_violations_with_their_plates_and_no_others(demo_run: DemoRun):
    assert demo_run.score["missed"] == []
    assert demo_run.score["false"] == []
    assert [row for row in demo_run.score["found"] if not row["plate_right"]] == []
    assert demo_run.score["precision"] == demo_run.score["recall"] == 1.0


def test_it_has_violations_of_every_rule(demo_run: DemoRun):
    assert {row["rule"] for row in demo_run.score["found"]} == {"red_light", "stop_line", "wrong_way"}


def test_its_times_are_those_of_the_ground_truth(demo_run: DemoRun):
    assert max(abs(row["off_s"]) for row in demo_run.score["found"]) <= 0.6


def test_the_table_shows_rule_article_plate_and_measurement(demo_run: DemoRun):
    for part in ("red_light", "287(2)", "time into red", demo_run.score["found"][0]["plate"]):
        assert part in demo_run.output


def test_violations_list_prints_one_object_per_line_with_digests(demo_run: DemoRun):
    listed = violations(demo_run.data)
    assert len(listed) == len(demo_run.score["found"])
    for row in listed:
        assert {"id", "camera", "rule", "occurred_at", "plate", "evidence"} <= set(row)
        assert len(row["evidence"]) >= 4
        assert all(len(digest) == 64 for digest in row["evidence"])


def test_all_evidence_verifies(demo_run: DemoRun):
    assert "unchanged" in etle("evidence", "verify", "--data", demo_run.data).stdout


def test_a_second_run_adds_no_violations(demo_run: DemoRun):
    before = violations(demo_run.data)
    again = run_demo(demo_run.data.parent)
    assert violations(demo_run.data) == before
    assert again.score == demo_run.score
    assert "known from an earlier run" in again.output
