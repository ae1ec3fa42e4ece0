"""The amounts of `configs/law/` against the words of the articles.

The quotes are the punishments of UU 22/2009 and of the criminal code, in their own words; the statute writes each number in digits and in
words, so that a slip in either is found.
"""

import re
from datetime import date

import pytest

from etle.config.law import Law, load_law
from etle.config.packaged import configs_folder
from etle.config.strict_yaml import read_yaml
from etle.types import RuleName

ONE_MONTH = "pidana kurungan paling lama 1 (satu) bulan atau denda paling banyak Rp250.000,00 (dua ratus lima puluh ribu rupiah)"
TWO_MONTHS = "pidana kurungan paling lama 2 (dua) bulan atau denda paling banyak Rp500.000,00 (lima ratus ribu rupiah)"
THREE_MONTHS = "pidana kurungan paling lama 3 (tiga) bulan atau denda paling banyak Rp750.000,00 (tujuh ratus lima puluh ribu rupiah)"
PUNISHMENTS = {
    "Pasal 280": TWO_MONTHS,
    "Pasal 283": THREE_MONTHS,
    "Pasal 287 ayat (1)": TWO_MONTHS,
    "Pasal 287 ayat (2)": TWO_MONTHS,
    "Pasal 287 ayat (3)": ONE_MONTH,
    "Pasal 287 ayat (5)": TWO_MONTHS,
    "Pasal 288 ayat (1)": TWO_MONTHS,
    "Pasal 289": ONE_MONTH,
    "Pasal 291 ayat (1)": ONE_MONTH,
    "Pasal 291 ayat (2)": ONE_MONTH,
    "Pasal 292": ONE_MONTH,
    "Pasal 307": TWO_MONTHS,
}
CATEGORIES = {"I": "kategori I, Rp1.000.000,00 (satu juta rupiah)"}
DUTIES = {
    "red_light": "Pasal 287 ayat (2) jo. Pasal 106 ayat (4) huruf c",
    "stop_line": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf b",
    "wrong_way": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a dan b",
    "solid_line": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf b",
    "forbidden_turn": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a",
    "u_turn": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a",
    "speed": "Pasal 287 ayat (5) jo. Pasal 106 ayat (4) huruf g",
    "minimum_speed": "Pasal 287 ayat (5) jo. Pasal 106 ayat (4) huruf g",
    "bus_lane": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a dan b",
    "yellow_box": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf b",
    "odd_even": "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a",
    "stopping": "Pasal 287 ayat (3) jo. Pasal 106 ayat (4) huruf e",
    "parking": "Pasal 287 ayat (3) jo. Pasal 106 ayat (4) huruf e",
    "no_plate": "Pasal 280 jo. Pasal 68 ayat (1)",
    "number_range": "Pasal 280 jo. Pasal 68 ayat (1)",
    "expired_plate": "Pasal 280 jo. Pasal 68 ayat (1)",
    "watch_list": "Pasal 260 ayat (1) huruf a",
    "no_helmet": "Pasal 291 ayat (1) jo. Pasal 106 ayat (8)",
    "no_helmet_passenger": "Pasal 291 ayat (2) jo. Pasal 106 ayat (8)",
    "triple_riding": "Pasal 292 jo. Pasal 106 ayat (9)",
    "seat_belt": "Pasal 289 jo. Pasal 106 ayat (6)",
    "phone": "Pasal 283 jo. Pasal 106 ayat (1)",
    "overload": "Pasal 307 jo. Pasal 169 ayat (1)",
}
"""Which duty each rule's offence breaches: shared/DOMAIN.md, 1.4, after the articles themselves."""

_UNITS = {"satu": 1, "dua": 2, "tiga": 3, "empat": 4, "lima": 5, "enam": 6, "tujuh": 7, "delapan": 8, "sembilan": 9}
_GROUPS = {"ribu": 1_000, "juta": 1_000_000}


def number_of(words: str) -> int:
    """The number that Indonesian words such as "dua ratus lima puluh ribu" name; without `se-` forms, which the articles do not use."""
    total = group = unit = 0
    for word in words.split():
        if word in _UNITS:
            unit = _UNITS[word]
        elif word in ("puluh", "ratus"):
            group, unit = group + unit * {"puluh": 10, "ratus": 100}[word], 0
        else:
            total, group, unit = total + (group + unit) * _GROUPS[word], 0, 0
    return total + group + unit


def fine_of(text: str) -> int:
    """The amount of a quote in rupiah; its digits and its words must be the same number."""
    (found,) = re.finditer(r"Rp([\d.]+),00 \(([a-z ]+) rupiah\)", text)
    digits = int(found[1].replace(".", ""))
    assert digits == number_of(found[2]), text
    return digits


def months_of(text: str) -> int:
    (found,) = re.finditer(r"kurungan paling lama (\d+) \(([a-z ]+)\) bulan", text)
    assert int(found[1]) == number_of(found[2]), text
    return int(found[1])


@pytest.fixture(scope="module")
def law() -> Law:
    return load_law(configs_folder() / "law")


@pytest.mark.parametrize(
    ("words", "number"),
    [("satu", 1), ("dua ratus lima puluh ribu", 250_000), ("tujuh ratus lima puluh ribu", 750_000), ("satu juta", 1_000_000)],
)
def test_numbers_in_words(words: str, number: int) -> None:
    assert number_of(words) == number


def test_a_slip_of_the_digits_is_found() -> None:
    with pytest.raises(AssertionError):
        fine_of("denda paling banyak Rp25.000.000,00 (dua ratus lima puluh ribu rupiah)")


def test_what_is_no_offence_has_no_fine(law: Law) -> None:
    """UU 22/2009 article 260(1)a: the police stop vehicles that are presumably means or proceeds of a crime."""
    (version,) = law.offences[RuleName("watch_list")].versions
    assert (version.max_fine_idr, version.detention_months, version.fine_category) == (0, 0, None)


def test_every_offence_is_quoted_here(law: Law) -> None:
    assert {rule: offence.article for rule, offence in law.offences.items()} == DUTIES
    assert all(offence.title_id and offence.title_en for offence in law.offences.values())


@pytest.mark.parametrize("rule", [rule for rule, articles in DUTIES.items() if " jo. " in articles])
def test_amounts_are_those_of_the_article_s_words(law: Law, rule: str) -> None:
    offence = law.offences[RuleName(rule)]
    text = PUNISHMENTS[offence.article.split(" jo. ")[0]]
    old, new = offence.versions
    assert (old.max_fine_idr, old.detention_months) == (fine_of(text), months_of(text))
    assert (new.max_fine_idr, new.detention_months) == (fine_of(text), 0), "UU 1/2026: no detention, the amounts stand"
    assert (old.valid_from, old.valid_to) == (date(2009, 6, 22), date(2026, 1, 1))
    assert (new.valid_from, new.valid_to) == (date(2026, 1, 2), None)


def test_fine_categories_are_those_of_the_criminal_code(law: Law) -> None:
    path = configs_folder() / "law" / "lalu-lintas.yaml"
    categories = {each["category"]: each["max_idr"] for each in read_yaml(path)["fine_categories"]}
    assert categories == {name: fine_of(text) for name, text in CATEGORIES.items()}
    assert {version.fine_category for offence in law.offences.values() for version in offence.versions} == {None, "I"}
