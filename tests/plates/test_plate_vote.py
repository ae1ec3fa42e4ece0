"""The vote over the reads of a track."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.plates import is_plate
from etle.types import (
    Box,
    Certainty,
    CharacterRead,
    Plate,
    PlateBox,
    PlateColour,
    PlateRead,
    PlateSighting,
    VehicleClass,
)
from pipeline.plates.voting import vote, vote_unclear

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
CERTAIN, CHECK, UNREADABLE = Certainty.CERTAIN, Certainty.CHECK, Certainty.UNREADABLE
Doubts = dict[int, tuple[float, str, float]]


def seen(
    text: str,
    *,
    width: float = 120,
    sharp: float = 900,
    doubts: Doubts | None = None,
    reader: str = "one",
    colour: PlateColour = PlateColour.WHITE,
    expiry: str | None = None,
    contrast: float = 150,
    whole: bool | None = True,
) -> PlateSighting:
    """A read with probability 0.995 for each character, except `doubts`: position -> (probability, alternative, its probability)."""
    characters = []
    for i, character in enumerate(text):
        probability, other, others = (doubts or {}).get(i, (0.995, "", 0.0))
        characters.append(CharacterRead(character=character, probability=probability, alternatives=((other, others),) if other else ()))
    return PlateSighting(
        sequence=0,
        captured_at=AT,
        plate=PlateBox(box=Box(0, 0, width, width / 3), score=0.9),
        sharpness=sharp,
        contrast=contrast,
        whole=whole,
        read=PlateRead(reader=reader, text=text, characters=tuple(characters), colour=colour, expiry=expiry),
    )


def voted(*sightings: PlateSighting, vehicle: VehicleClass = VehicleClass.CAR) -> Plate:
    numbered: Sequence[PlateSighting] = [replace(s, sequence=i, captured_at=AT + timedelta(seconds=i / 5)) for i, s in enumerate(sightings)]
    return vote(numbered, vehicle, AT)


FAR = {"width": 40.0, "sharp": 200.0}
BY_8_OR_9: Doubts = {2: (0.55, "9", 0.44)}
O_OR_Q: Doubts = {6: (0.7, "Q", 0.29)}
Q_OR_O: Doubts = {6: (0.95, "O", 0.04)}
DARK: dict[str, Any] = {"contrast": 60.0, "doubts": {1: (0.95, "7", 0.03)}}
WORN: Doubts = {3: (0.7, "7", 0.02)}
SEVEN: Doubts = {3: (0.3, "7", 0.69)}
BY_9_OR_8: Doubts = {2: (0.6, "8", 0.39)}


@pytest.mark.parametrize(
    ("reads", "text", "certainty"),
    [
        pytest.param([seen("B1234XYZ")] * 4, "B1234XYZ", CERTAIN, id="four frames agree"),
        pytest.param([seen("B1234XYZ")], "B1234XYZ", CHECK, id="a single read is never certain"),
        pytest.param([seen("B1234XYZ"), seen("B1234XYZ", reader="two")], "B1234XYZ", CERTAIN, id="two readers agree on one frame"),
        pytest.param([seen("B1234XYZ", **DARK)] * 4, "B1234XYZ", CHECK, id="four frames agree, all with low contrast"),
        pytest.param([seen("B1234XYZ", **DARK)] * 3 + [seen("B1234XYZ", contrast=80)], "B1234XYZ", CERTAIN, id="one has enough contrast"),
        pytest.param(
            [seen("B1234XYZ", contrast=60), seen("B1234XYZ", contrast=60, reader="two")], "B1234XYZ", CHECK, id="one crop at low contrast"
        ),
        pytest.param(
            [seen("B1234XYZ", contrast=60), seen("B1234XYZ", **DARK, reader="two")] * 2, "B1234XYZ", CERTAIN, id="clear at low contrast"
        ),
        pytest.param([seen("B1234XYZ", contrast=20), seen("B1234XYZ", contrast=20, reader="two")] * 2, "B1234XYZ", CHECK, id="too dark"),
        pytest.param(
            [seen("B1234XQZ"), seen("B1234XOZ", doubts=O_OR_Q, reader="two")] * 2, "B1234XQZ", CERTAIN, id="the second reader is in doubt"
        ),
        pytest.param(
            [seen("B1234XQZ"), seen("B1234XQZ"), seen("B1234XOZ", reader="two")], "B1234XQZ", CHECK, id="the second reader contradicts it"
        ),
        pytest.param([seen("B1234XQZ"), seen("B1234XOZ", doubts=O_OR_Q, reader="two")], "B1234XQZ", CHECK, id="one crop, one in doubt"),
        pytest.param(
            [seen("B1234XQZ", whole=False), seen("B1234XOZ", doubts=O_OR_Q, reader="two")] * 2, "B1234XQZ", CHECK, id="clear but cut off"
        ),
        pytest.param(
            [seen("B1234XQZ", doubts=Q_OR_O), seen("B1234XOZ", doubts=O_OR_Q, reader="two")] * 2, "B1234XQZ", CHECK, id="both in doubt"
        ),
        pytest.param([seen("B7234XYZ", **FAR)] + [seen("B1234XYZ")] * 3, "B1234XYZ", CERTAIN, id="the first, distant read is wrong"),
        pytest.param([seen("B7234XYZ", **FAR)] * 3 + [seen("B1234XYZ")], "B1234XYZ", CHECK, id="three distant reads against one near"),
        pytest.param(
            [seen("B1234XYZ")] * 3 + [seen("B1284XYZ", sharp=950)], "B1234XYZ", CHECK, id="one sharp read dissents: manual review"
        ),
        pytest.param(
            [seen("B2811SCX", doubts=BY_8_OR_9), seen("B2911SCX", doubts=BY_9_OR_8), seen("B2911SCX")],
            "B2911SCX",
            CHECK,
            id="2811 or 2911: two of three reads have a nine, manual review",
        ),
        pytest.param([seen("B2811SCX", doubts=BY_8_OR_9)] * 4, "B2811SCX", CHECK, id="2811 in every frame, with a nine almost as probable"),
        pytest.param(
            [seen("B2811SCX", doubts=BY_8_OR_9)] * 4 + [seen("B2911SCX", reader="two")] * 4,
            "B2911SCX",
            CERTAIN,
            id="the second reader clearly reads the nine that is the alternative of the first",
        ),
        pytest.param(
            [seen("B1234XY", doubts={}), seen("B1234XYZ"), seen("B1234XYZ")], "B1234XYZ", CHECK, id="one read misses the last letter"
        ),
        pytest.param(
            [
                seen("B1234XYZ", doubts={1: (0.6, "7", 0.3)}),
                seen("B7234XVZ", doubts={1: (0.4, "1", 0.35), 6: (0.5, "Y", 0.4)}),
                seen("B1234KYZ", doubts={5: (0.4, "X", 0.3)}),
            ],
            "B1234XYZ",
            CHECK,
            id="each read has an error at another position",
        ),
        pytest.param([seen("B1234XYZ"), seen("B7284KYZ", reader="easyocr")], "B1234XYZ", CHECK, id="a better reader outweighs EasyOCR"),
        pytest.param(
            [seen("B1234XYZ")] * 4 + [seen("B7284KYZ", reader="easyocr")],
            "B1234XYZ",
            CERTAIN,
            id="dissent of EasyOCR alone does not make it uncertain",
        ),
        pytest.param([seen("A1234XY", whole=False)] * 4, "A1234XY", CHECK, id="a character may be cut off in every frame"),
        pytest.param(
            [seen("A1234XY", whole=False)] * 2 + [seen("A1234XY"), seen("A1234XY")],
            "A1234XY",
            CERTAIN,
            id="two of four frames show it whole",
        ),
        pytest.param([seen("B1234XYZ", whole=None)] * 4, "B1234XYZ", CERTAIN, id="reads of an older release"),
        pytest.param(
            [seen("B9214LD", doubts=SEVEN), seen("B9214LD", reader="two"), seen("B9214LD", doubts=SEVEN)],
            "B9214LD",
            CHECK,
            id="two of three reads would rather have another character there",
        ),
        pytest.param(
            [seen("L1415NH", doubts=WORN), seen("L1415NH", doubts=WORN, reader="two")] * 2,
            "L1415NH",
            CHECK,
            id="all reads agree, none of them clearly: the paint of a digit is worn off",
        ),
        pytest.param(
            [seen("L1415NH", doubts=WORN), seen("L1415NH", reader="two")] * 2, "L1415NH", CERTAIN, id="one reader reads that digit clearly"
        ),
        pytest.param([seen("QX1234AB")] * 4, "QX1234AB", CHECK, id="an unknown area code is kept for manual review"),
        pytest.param([seen("B3234XYZ")] * 4, "B3234XYZ", CHECK, id="a motorcycle's number on a car is kept for manual review"),
        pytest.param([seen("B1234RFS")] * 4, "B1234RFS", CHECK, id="letters that are no longer issued"),
        pytest.param([seen("")] * 3, None, UNREADABLE, id="nothing was read"),
        pytest.param([seen("")] * 3 + [seen("B1234XYZ")] * 2, "B1234XYZ", CERTAIN, id="frames without a read do not dissent"),
        pytest.param([], None, UNREADABLE, id="no sightings"),
        pytest.param([seen(text) for text in ("W1355AB", "B8211SCX", "D77AB", "L9CD")], None, UNREADABLE, id="every read is different"),
    ],
)
def test_vote(reads: list[PlateSighting], text: str | None, certainty: Certainty) -> None:
    plate = voted(*reads)
    assert (plate.text, plate.certainty) == (text, certainty)
    assert len(plate.sightings) == len(reads)


def test_reads_of_an_unclear_plate_never_make_it_certain() -> None:
    reads = [seen("B1234XYZ")] * 4
    assert voted(*reads).certainty is CERTAIN
    plate = vote_unclear(reads, VehicleClass.CAR, AT)
    assert (plate.text, plate.certainty) == ("B1234XYZ", CHECK)
    assert vote_unclear([seen("")] * 3, VehicleClass.CAR, AT).certainty is UNREADABLE


def test_the_order_of_the_reads_does_not_matter() -> None:
    reads = [seen("B2811SCX", doubts=BY_8_OR_9), seen("B2911SCX"), seen("B2911SC", **FAR), seen("B2911SCX", doubts=BY_9_OR_8)]
    forward, backward = voted(*reads), voted(*reversed(reads))
    assert forward.text == backward.text
    assert forward.probability == pytest.approx(backward.probability)
    assert [text for text, _ in forward.alternatives] == [text for text, _ in backward.alternatives]


def test_alternatives_are_kept_with_their_probabilities() -> None:
    plate = voted(*[seen("B2811SCX", doubts=BY_8_OR_9)] * 3)
    assert plate.alternatives[0][0] == "B2911SCX"
    assert plate.alternatives[0][1] > 0.15
    assert plate.probability + sum(p for _, p in plate.alternatives) <= 1
    uncertain = plate.characters[2]
    assert (uncertain.character, uncertain.alternatives[0][0]) == ("8", "9")
    assert uncertain.probability < plate.characters[1].probability


def test_a_second_reader_raises_the_probability_more_than_further_frames_of_the_first() -> None:
    one_reader = voted(*[seen("B1234XYZ")] * 12)
    two_readers = voted(seen("B1234XYZ"), seen("B1234XYZ"), seen("B1234XYZ", reader="two"))
    assert two_readers.probability > one_reader.probability


def test_notes_name_irregularities() -> None:
    assert voted(*[seen("QX3234AB")] * 2).notes == ("unknown_prefix", "number_of_other_vehicle")
    assert voted(*[seen("B3234AB")] * 2, vehicle=VehicleClass.MOTORCYCLE).notes == ()


@pytest.mark.parametrize(
    ("reads", "colour", "expiry"),
    [
        pytest.param([seen("B1A", expiry="05·27")] * 2, PlateColour.WHITE, "05·27", id="all agree"),
        pytest.param(
            [seen("B1A", expiry="05·27"), seen("B1A", expiry="06·27", colour=PlateColour.BLACK)],
            PlateColour.UNKNOWN,
            None,
            id="a tie",
        ),
        pytest.param(
            [seen("B1A", colour=PlateColour.UNKNOWN), seen("B1A", expiry="05·27")],
            PlateColour.WHITE,
            "05·27",
            id="a read without a colour is ignored",
        ),
        pytest.param([seen("B1A", expiry="05·97")] * 2, PlateColour.WHITE, None, id="no plate on the road expires in 2097"),
    ],
)
def test_colour_and_expiry(reads: list[PlateSighting], colour: PlateColour, expiry: str | None) -> None:
    plate = voted(*reads)
    assert (plate.colour, plate.expiry) == (colour, expiry)


reads_of_anything = st.builds(
    lambda text, width, sharp, reader: seen(text, width=width, sharp=sharp, reader=reader),
    st.from_regex(r"[A-Z]{1,2}[1-9][0-9]{0,3}[A-Z]{0,3}", fullmatch=True),
    st.floats(8, 400),
    st.floats(0, 5000),
    st.sampled_from(["one", "two"]),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(reads_of_anything, max_size=6))
def test_any_reads_give_a_plate_of_the_grammar_and_valid_probabilities(reads: list[PlateSighting]) -> None:
    plate = voted(*reads)
    assert plate.text is None or is_plate(plate.text)
    assert 0 <= plate.probability <= 1
    assert plate.probability + sum(p for _, p in plate.alternatives) <= 1 + 1e-9
    assert all(plate.probability >= p for _, p in plate.alternatives) or plate.text is None
    if plate.text is not None:
        assert "".join(c.character for c in plate.characters) == plate.text
