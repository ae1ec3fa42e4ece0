"""The HTML page of an evaluation: every error with its picture, and all text of the tables escaped."""

import re

import pytest
from evaluation import CROPS, FOREIGN, PHOTOS, found, outcomes, read, row, write_table
from test_evaluate_score import LEFT, NOTHING, RIGHT

from etle.testing.values import BEGIN
from etle_cli.tables.evaluation import show
from pipeline.evaluation.cards import mark_errors
from pipeline.evaluation.contact_sheet import sheets
from pipeline.evaluation.html import page
from pipeline.evaluation.report import report


def test_every_kind_of_error_has_a_card(tmp_path):
    rows = [
        row("a.png", "B1A", LEFT),
        row("a.png", "B2A", RIGHT),
        row("b.png", "B3A", LEFT, plate_colour="white", expiry="05.27"),
    ]
    write_table(tmp_path, PHOTOS, rows)
    write_table(tmp_path, CROPS, [row("c.png", "B5A")])
    write_table(tmp_path, FOREIGN, [row("d.png", "RK959AF", LEFT)])
    finds = {"a.png": found(LEFT, (0, 60, 40, 80)), "b.png": found(LEFT)}
    results = outcomes(tmp_path, finds, [read("B1A"), read("B2A"), read("B8A", colour="black"), read("B6A"), read("B959AF")])
    counted = {sheet.key: len(sheet.cards) for sheet in sheets(results)}
    assert counted == {"missed": 1, "given": 1, "end": 1, "false-positives": 1, "crops": 1, "foreign": 1, "second": 1}
    html = page(report(results, NOTHING, None, (), ()), sheets(results), "photos", BEGIN)
    assert html.count('src="data:image/jpeg;base64,') == 7
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    assert "expiry 05·27, read none; colour white, read black" in html


def test_without_an_error_it_says_so(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT)])
    results = outcomes(tmp_path, {"a.png": found(LEFT)}, [read("B1A")])
    html = page(report(results, NOTHING, None, (), ()), sheets(results), "photos", BEGIN)
    assert html.count("None.") == len(sheets(results)) == 5


def test_text_of_the_tables_is_escaped(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT, source="<script>alert(1)</script>")])
    results = outcomes(tmp_path, {}, [read("")])
    html = page(report(results, NOTHING, None, (), ("<b>remark</b>",)), sheets(results), "<i>name</i>", BEGIN)
    assert "<script" not in html
    assert "<b>remark" not in html
    assert "<i>" not in html


@pytest.mark.parametrize(
    "text, truth, wrong",
    [
        pytest.param("B 1234 XYZ", "B 1234 XYZ", [], id="all right"),
        pytest.param("B 1284 XYZ", "B 1234 XYZ", ["8"], id="another digit"),
        pytest.param("B 12834 XYZ", "B 1234 XYZ", ["8"], id="one too many"),
        pytest.param("B 134 XYZ", "B 1234 XYZ", [], id="a missing character leaves nothing to mark"),
        pytest.param("B 1 A", "", [], id="no true text to compare with"),
    ],
)
def test_wrong_characters_are_marked(text, truth, wrong):
    assert re.findall("<mark>(.)</mark>", mark_errors(text, truth)) == wrong


def test_markup_in_the_tables_is_printed_as_text(tmp_path, capsys):
    rows = [row("a.png", "B1A", LEFT, source="[red]east[/red]"), row("b.png", "B2A", LEFT, source="[/]")]
    write_table(tmp_path, PHOTOS, rows)
    show(report(outcomes(tmp_path, {}, [read("B1A"), read("")]), NOTHING, None, (), ("[bold]remark",)))
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("source: [red]east[/red]", "source: [/]", "[bold]remark"))
