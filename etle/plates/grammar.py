"""Parse the text of an Indonesian plate, and list what is unusual about it.

A civil plate is an area code of one or two letters, a number from 1 to 9999 and up to three letters (I and O included; none on old
buses). The smaller second line, the month and year of expiry, is not part of it. What is unusual is a warning for the reviewer, never a
reason to drop a read. A text that does not have the shape of a plate is kept as `UNKNOWN`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from etle.plates.tables import Area, EndedSuffix, PlateTables, shipped_tables
from etle.types import VehicleClass


class PlateKind(StrEnum):
    CIVIL = "civil"
    OFFICIAL = "official"  # a civil plate lent to an official: B 1234 ZZP
    STATE = "state"  # RI 1
    DIPLOMATIC = "diplomatic"  # CD 12 345
    CONSULAR = "consular"  # CC 12 345
    HONORARY_CONSULAR = "honorary_consular"  # CH 12 345
    SERVICE = "service"  # police and armed forces: 1234-VII
    UNKNOWN = "unknown"


class PlateWarning(StrEnum):
    """What is unusual about a plate. `WARNING_TEXTS` has the wording."""

    NO_PLATE_SHAPE = "no_plate_shape"
    UNKNOWN_PREFIX = "unknown_prefix"
    NO_SUFFIX = "no_suffix"
    ENDED_SUFFIX = "ended_suffix"
    NUMBER_OF_OTHER_VEHICLE = "number_of_other_vehicle"
    OFFICIAL = "official"
    NOT_IN_CIVIL_REGISTRY = "not_in_civil_registry"


WARNING_TEXTS: dict[PlateWarning, tuple[str, str]] = {
    PlateWarning.NO_PLATE_SHAPE: ("Teks tidak berbentuk nomor Indonesia", "The text has no shape of an Indonesian plate"),
    PlateWarning.UNKNOWN_PREFIX: ("Kode wilayah tidak dikenal", "Unknown area code"),
    PlateWarning.NO_SUFFIX: (
        "Tanpa huruf di belakang angka: jarang, mungkin terpotong",
        "No letters after the number: rare, they may be cut off",
    ),
    PlateWarning.ENDED_SUFFIX: (
        "Seri huruf ini tidak diterbitkan lagi: diduga palsu",
        "These letters are no longer issued: presumably a fake",
    ),
    PlateWarning.NUMBER_OF_OTHER_VEHICLE: (
        "Nomor termasuk golongan kendaraan lain: salah baca atau pelat tiruan?",
        "The number belongs to another class of vehicle: a misread or a cloned plate?",
    ),
    PlateWarning.OFFICIAL: ("Pelat pejabat, berlaku satu tahun", "An official's plate, valid for one year"),
    PlateWarning.NOT_IN_CIVIL_REGISTRY: ("Tidak tercatat dalam registrasi sipil", "Not in the civil registry"),
}
"""Each warning in Indonesian and in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPlate:
    text: str
    """Upper case, no spaces, without the expiry."""
    kind: PlateKind
    prefix: str = ""
    number: int | None = None
    suffix: str = ""
    """Letters after the number; the unit on a service plate."""
    country: str = ""
    """Digits of the sending state on diplomatic and consular plates."""
    expiry: str | None = None
    """`MM·YY`, if it followed the plate."""
    region: Area | None = None


_CIVIL = re.compile(r"([A-Z]{1,2})([1-9][0-9]{0,3})([A-Z]{0,3})")
_SERVICE = re.compile(r"([0-9]{1,5})-([0-9]{1,2}|[IVXL]{1,7})")
_CORPS_DIGITS = re.compile(r"[0-9]{3,7}")
_EXPIRY = re.compile(r"(0[1-9]|1[0-2])\s*[.\-·•:]\s*([0-9]{2})")
_PLATE_THEN_EXPIRY = re.compile(rf"(?P<plate>.*?)[\s·•]*(?:{_EXPIRY.pattern}|(?<=\s)(0[1-9]|1[0-2])([0-9]{{2}}))", re.DOTALL)


def normalise(text: str) -> str:
    """Keep ASCII letters in upper case, digits and hyphens; drop spaces and punctuation."""
    return "".join(c for c in text.upper() if c.isascii() and (c.isalnum() or c == "-"))


def parse(text: str) -> ParsedPlate:
    """Never raises: a text without the shape of a plate is returned as `UNKNOWN`, with its text."""
    whole = _parse_line(normalise(text))
    if whole.kind is not PlateKind.UNKNOWN:
        return whole
    split = _PLATE_THEN_EXPIRY.fullmatch(text.strip())
    if split is None:
        return whole
    plate = _parse_line(normalise(split["plate"]))
    if plate.kind is PlateKind.UNKNOWN:
        return whole
    month, year = (split[2], split[3]) if split[2] else (split[4], split[5])
    return _with_expiry(plate, f"{month}·{year}")


def parse_expiry(text: str) -> str | None:
    """The second line as `MM·YY`, with any dot or dash as separator, or none; None if the text is not an expiry."""
    found = _EXPIRY.fullmatch(text.strip()) or re.fullmatch(r"(0[1-9]|1[0-2])([0-9]{2})", text.strip(), re.ASCII)
    return f"{found[1]}·{found[2]}" if found and found[2].isascii() else None


def is_plate(text: str) -> bool:
    """Whether the text has the shape of an Indonesian plate of any kind."""
    return parse(text).kind is not PlateKind.UNKNOWN


def formatted(text: str) -> str:
    """With spaces, as people write it: `B 1234 XYZ`. A text that is not a plate is returned normalised."""
    plate = parse(text)
    match plate.kind:
        case PlateKind.UNKNOWN:
            return plate.text
        case PlateKind.SERVICE:
            return plate.text
        case PlateKind.DIPLOMATIC | PlateKind.CONSULAR | PlateKind.HONORARY_CONSULAR:
            return f"{plate.prefix} {plate.country} {plate.text[len(plate.prefix) + len(plate.country) :]}"
        case _:
            return " ".join(part for part in (plate.prefix, str(plate.number), plate.suffix) if part)


def warnings_for(plate: ParsedPlate, vehicle: VehicleClass | None, at: datetime) -> tuple[PlateWarning, ...]:
    """What is unusual on the day of `at`; with `vehicle` None the number range is not checked."""
    tables = shipped_tables()
    match plate.kind:
        case PlateKind.UNKNOWN:
            return (PlateWarning.NO_PLATE_SHAPE,)
        case PlateKind.CIVIL | PlateKind.OFFICIAL:
            return _civil_warnings(plate, vehicle, at, tables)
        case _:
            return (PlateWarning.NOT_IN_CIVIL_REGISTRY,)


def _civil_warnings(plate: ParsedPlate, vehicle: VehicleClass | None, at: datetime, tables: PlateTables) -> tuple[PlateWarning, ...]:
    warnings = []
    if tables.area(plate.prefix, at.date()) is None:
        warnings.append(PlateWarning.UNKNOWN_PREFIX)
    if not plate.suffix:
        warnings.append(PlateWarning.NO_SUFFIX)
    if any(_has_ended(plate, ended, at) for ended in tables.special.ended):
        warnings.append(PlateWarning.ENDED_SUFFIX)
    if plate.kind is PlateKind.OFFICIAL and at.date() >= tables.special.officials.valid_from:
        warnings.append(PlateWarning.OFFICIAL)
    elif vehicle is not None and plate.number is not None:
        allowed = tables.vehicles(plate.prefix, plate.number)
        if allowed and vehicle not in allowed:
            warnings.append(PlateWarning.NUMBER_OF_OTHER_VEHICLE)
    return tuple(warnings)


def _has_ended(plate: ParsedPlate, ended: EndedSuffix, at: datetime) -> bool:
    applies = not ended.prefixes or plate.prefix in ended.prefixes
    return applies and fnmatchcase(plate.suffix, ended.suffix) and at.date() >= ended.ended


def _parse_line(text: str) -> ParsedPlate:
    """One line, normalised."""
    service = _SERVICE.fullmatch(text)
    if service:
        return ParsedPlate(text=text, kind=PlateKind.SERVICE, number=int(service[1]), suffix=service[2])
    tables = shipped_tables()
    corps = next((corps for corps in tables.special.corps if text.startswith(corps.prefix)), None)
    if corps:  # no area code begins with these letters, so the text is a corps plate or none
        return _parse_corps(text, corps.prefix, PlateKind(corps.kind))
    civil = _CIVIL.fullmatch(text)
    if civil is None:
        return ParsedPlate(text=text, kind=PlateKind.UNKNOWN)
    return _parse_civil(text, civil[1], int(civil[2]), civil[3], tables)


def _parse_corps(text: str, prefix: str, kind: PlateKind) -> ParsedPlate:
    """The first two digits are the country, as in the list in special.yaml; the rest is the number."""
    if not _CORPS_DIGITS.fullmatch(text[len(prefix) :]):
        return ParsedPlate(text=text, kind=PlateKind.UNKNOWN)
    country, number = text[len(prefix) : len(prefix) + 2], text[len(prefix) + 2 :]
    return ParsedPlate(text=text, kind=kind, prefix=prefix, country=country, number=int(number))


def _parse_civil(text: str, prefix: str, number: int, suffix: str, tables: PlateTables) -> ParsedPlate:
    officials = tables.special.officials
    kind = PlateKind.CIVIL
    if prefix == tables.special.state_prefix:
        kind = PlateKind.STATE if not suffix and number < 1000 else PlateKind.UNKNOWN
    elif fnmatchcase(suffix, officials.suffix) and officials.first_number <= number <= officials.last_number:
        kind = PlateKind.OFFICIAL
    if kind is PlateKind.UNKNOWN:
        return ParsedPlate(text=text, kind=kind)
    return ParsedPlate(text=text, kind=kind, prefix=prefix, number=number, suffix=suffix, region=tables.area(prefix))


def _with_expiry(plate: ParsedPlate, expiry: str) -> ParsedPlate:
    return ParsedPlate(
        text=plate.text,
        kind=plate.kind,
        prefix=plate.prefix,
        number=plate.number,
        suffix=plate.suffix,
        country=plate.country,
        expiry=expiry,
        region=plate.region,
    )
