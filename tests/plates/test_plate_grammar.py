"""Parsing the text of a plate, and the warnings about it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from etle.plates import WARNING_TEXTS, PlateKind, PlateWarning, formatted, is_plate, normalise, parse, parse_expiry, warnings_for
from etle.plates.fsm import LETTERS, plate_fsm
from etle.plates.tables import load_tables, shipped_tables
from etle.types import VehicleClass

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
K = PlateKind
N = PlateWarning


@pytest.mark.parametrize(
    ("text", "kind", "prefix", "number", "suffix", "written"),
    [
        pytest.param("b 1234 xyz", K.CIVIL, "B", 1234, "XYZ", "B 1234 XYZ", id="an ordinary plate in small letters"),
        pytest.param("AE1IO", K.CIVIL, "AE", 1, "IO", "AE 1 IO", id="I and O occur in suffixes"),
        pytest.param("B 7128", K.CIVIL, "B", 7128, "", "B 7128", id="an old bus has no suffix"),
        pytest.param("QX 12 A", K.CIVIL, "QX", 12, "A", "QX 12 A", id="an unknown area code is still a plate"),
        pytest.param("B 1234 ZZP", K.OFFICIAL, "B", 1234, "ZZP", "B 1234 ZZP", id="an official's plate"),
        pytest.param("B 2234 ZZP", K.CIVIL, "B", 2234, "ZZP", "B 2234 ZZP", id="officials have numbers from 1000 to 1999"),
        pytest.param("RI 1", K.STATE, "RI", 1, "", "RI 1", id="the President"),
        pytest.param("RI 1 A", K.UNKNOWN, "", None, "", "RI1A", id="a state plate has no suffix"),
        pytest.param("CD 12 345", K.DIPLOMATIC, "CD", 345, "", "CD 12 345", id="an embassy"),
        pytest.param("CC 17 03", K.CONSULAR, "CC", 3, "", "CC 17 03", id="a consulate whose number begins with a zero"),
        pytest.param("CH 15 3", K.HONORARY_CONSULAR, "CH", 3, "", "CH 15 3", id="an honorary consul"),
        pytest.param("CC 1", K.UNKNOWN, "", None, "", "CC1", id="an embassy's letters with too few digits are no area code"),
        pytest.param("1234-VII", K.SERVICE, "", 1234, "VII", "1234-VII", id="police of Metro Jaya"),
        pytest.param("1205-07", K.SERVICE, "", 1205, "07", "1205-07", id="a service plate is no number with an expiry"),
        pytest.param("B 0123 AB", K.UNKNOWN, "", None, "", "B0123AB", id="a number does not begin with a zero"),
        pytest.param("B 12345 AB", K.UNKNOWN, "", None, "", "B12345AB", id="five digits are too many"),
        pytest.param("ABC 123", K.UNKNOWN, "", None, "", "ABC123", id="three letters in front are not Indonesian"),
        pytest.param("B 1234 ABCD", K.UNKNOWN, "", None, "", "B1234ABCD", id="four letters behind are too many"),
        pytest.param("", K.UNKNOWN, "", None, "", "", id="nothing"),
    ],
)
def test_parse(text: str, kind: PlateKind, prefix: str, number: int | None, suffix: str, written: str) -> None:
    plate = parse(text)
    assert (plate.kind, plate.prefix, plate.number, plate.suffix) == (kind, prefix, number, suffix)
    assert formatted(text) == written


@pytest.mark.parametrize(
    ("text", "plate", "expiry"),
    [
        pytest.param("B 1234 XYZ 05·27", "B1234XYZ", "05·27", id="a dot between month and year"),
        pytest.param("B1234XYZ\n05-27", "B1234XYZ", "05·27", id="on a line of its own, with a dash"),
        pytest.param("B 1234 XYZ 0527", "B1234XYZ", "05·27", id="without a separator"),
        pytest.param("B 7128 05.27", "B7128", "05·27", id="after a plate without suffix"),
        pytest.param("B 1234 XYZ 13·27", "B1234XYZ1327", None, id="no thirteenth month"),
        pytest.param("B 1234 XYZ", "B1234XYZ", None, id="no expiry"),
    ],
)
def test_an_expiry_is_parsed_separately_and_never_appended(text: str, plate: str, expiry: str | None) -> None:
    parsed = parse(text)
    assert (parsed.text, parsed.expiry) == (plate, expiry)


def test_an_expiry_on_its_own() -> None:
    assert [parse_expiry(text) for text in ("05·27", "05.27", " 0527 ", "1327", "5·27", "05·2")] == [
        "05·27",
        "05·27",
        "05·27",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "vehicle", "warnings"),
    [
        pytest.param("B1234XYZ", VehicleClass.CAR, (), id="a car's number on a car"),
        pytest.param("B2500XYZ", VehicleClass.CAR, (), id="Metro Jaya gives cars numbers up to 2999"),
        pytest.param("D2500XYZ", VehicleClass.CAR, (N.NUMBER_OF_OTHER_VEHICLE,), id="elsewhere 2500 is a motorcycle"),
        pytest.param("D2500XYZ", VehicleClass.MOTORCYCLE, (), id="a motorcycle's number on a motorcycle"),
        pytest.param("B2500XYZ", VehicleClass.MOTORCYCLE, (N.NUMBER_OF_OTHER_VEHICLE,), id="a car's number in Metro Jaya on a motorcycle"),
        pytest.param("D7100A", VehicleClass.CAR, (), id="a minibus looks like a car"),
        pytest.param("D8100A", VehicleClass.CAR, (), id="a pick-up looks like a car"),
        pytest.param("D8100A", VehicleClass.MOTORCYCLE, (N.NUMBER_OF_OTHER_VEHICLE,), id="a goods number on a motorcycle"),
        pytest.param("QX1234A", VehicleClass.CAR, (N.UNKNOWN_PREFIX,), id="an unknown area code"),
        pytest.param("B1234", VehicleClass.CAR, (N.NO_SUFFIX,), id="a plate without its last letters: rare, and what is left of a cut one"),
        pytest.param("B1234RFS", VehicleClass.CAR, (N.ENDED_SUFFIX,), id="RF ended in 2023: presumably a fake"),
        pytest.param("B1234QH", VehicleClass.CAR, (N.ENDED_SUFFIX,), id="so did QH in Jakarta"),
        pytest.param("L1234QH", VehicleClass.CAR, (), id="in Surabaya QH are ordinary letters"),
        pytest.param("B1234RF", VehicleClass.CAR, (), id="RF without a third letter is ordinary"),
        pytest.param("B1234ZZP", VehicleClass.CAR, (N.OFFICIAL,), id="an official"),
        pytest.param("1234-VII", VehicleClass.CAR, (N.NOT_IN_CIVIL_REGISTRY,), id="the police"),
        pytest.param("RI1", VehicleClass.CAR, (N.NOT_IN_CIVIL_REGISTRY,), id="the President"),
        pytest.param("XYZ", VehicleClass.CAR, (N.NO_PLATE_SHAPE,), id="no plate at all"),
        pytest.param("QX2500RFA", VehicleClass.CAR, (N.UNKNOWN_PREFIX, N.ENDED_SUFFIX, N.NUMBER_OF_OTHER_VEHICLE), id="several warnings"),
    ],
)
def test_warnings(text: str, vehicle: VehicleClass, warnings: tuple[PlateWarning, ...]) -> None:
    assert warnings_for(parse(text), vehicle, AT) == warnings


def test_the_tables_of_the_day_of_the_violation_are_used() -> None:
    before = datetime(2023, 6, 1, tzinfo=UTC)
    assert warnings_for(parse("B1234RFS"), VehicleClass.CAR, before) == ()
    assert warnings_for(parse("PT1234AB"), VehicleClass.CAR, before) == (N.UNKNOWN_PREFIX,)
    assert warnings_for(parse("PT1234AB"), VehicleClass.CAR, AT) == ()


def test_a_plate_has_the_region_of_its_area_code() -> None:
    region = parse("AD 1234 X").region
    assert region is not None
    assert region.polda == "Jateng"
    assert shipped_tables().area("DS", date(2020, 1, 1)) is not None
    assert all(shipped_tables().area(hobby) is None for hobby in ("KA", "KS", "NS", "C"))


def test_every_warning_has_a_text_in_both_languages() -> None:
    assert set(WARNING_TEXTS) == set(PlateWarning)
    assert all(indonesian and english and indonesian != english for indonesian, english in WARNING_TEXTS.values())


def test_every_number_is_in_one_range_of_each_scheme() -> None:
    for scheme in shipped_tables().schemes:
        for number in range(1, 10_000):
            assert sum(r.first <= number <= r.last for r in scheme.ranges) == 1, (scheme.prefixes, number)


def test_tables_with_an_unknown_key_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("areas.yaml", "numbers.yaml", "special.yaml"):
        (tmp_path / name).write_text((configs_folder() / "plates" / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert load_tables(tmp_path) == shipped_tables()
    (tmp_path / "areas.yaml").write_text("source: x\nareas: []\narea: []\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"areas\.yaml.*area"):
        load_tables(tmp_path)
    (tmp_path / "areas.yaml").unlink()
    with pytest.raises(ConfigError, match=r"areas\.yaml is missing"):
        load_tables(tmp_path)


civil_plates = st.builds(
    lambda prefix, number, suffix: f"{prefix}{number}{suffix}",
    st.sampled_from(sorted(shipped_tables().areas)),
    st.integers(1, 9999),
    st.text(LETTERS, max_size=3),
)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(st.text(max_size=24))
def test_parsing_never_raises_and_is_idempotent(text: str) -> None:
    plate = parse(text)
    assert parse(plate.text).text == plate.text
    assert plate.text == normalise(plate.text)
    assert parse(formatted(text)).text == parse(parse(text).text).text
    warnings_for(plate, VehicleClass.CAR, AT)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(civil_plates, st.integers(0, 12), st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ -·.", max_size=3))
def test_a_mutated_plate_is_parsed_consistently(plate: str, place: int, change: str) -> None:
    mutated = parse(plate[:place] + change + plate[place + 1 :])
    assert formatted(mutated.text).replace(" ", "") == mutated.text
    if mutated.kind is PlateKind.CIVIL:
        assert mutated.text == f"{mutated.prefix}{mutated.number}{mutated.suffix}"


@settings(max_examples=700, deadline=None)
@given(civil_plates)
def test_a_formatted_plate_parses_to_the_same_plate(plate: str) -> None:
    parsed = parse(formatted(plate) + "  05·27")
    assert (parsed.text, parsed.expiry) == (plate, "05·27")
    assert parsed.region is not None


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(
        civil_plates,
        st.from_regex(r"[A-Z0-9\-]{1,9}", fullmatch=True),
        st.from_regex(r"(RI|CD|CC|CH)[0-9]{0,8}[A-Z]{0,2}", fullmatch=True),
        st.from_regex(r"[0-9]{1,6}-[0-9IVXL]{0,8}", fullmatch=True),
    )
)
def test_the_fsm_accepts_exactly_the_texts_that_parse(text: str) -> None:
    assert (plate_fsm().weight(text) is not None) == is_plate(text)
