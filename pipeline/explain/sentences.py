"""Judgements in words, in English and Indonesian. The only place with these texts."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from etle.types import Finding, Lamp, Measurement
from pipeline.explain.record import RuleDecision
from pipeline.scene.judgement import LampState, NotReported, Reason


class TextLanguage(StrEnum):
    EN = "en"
    ID = "id"


class Wording(NamedTuple):
    """One text in both languages."""

    en: str
    id: str

    def of(self, language: TextLanguage) -> str:
        return self.en if language is TextLanguage.EN else self.id


_CROSSED: Final = Wording("front crossed `{line}` at {at}", "bagian depan melewati `{line}` pukul {at}")
_ENTERED: Final = Wording("entered at `{line}` at {at}", "masuk simpang di `{line}` pukul {at}")
_LEFT: Final = Wording("left by `{line}` at {at}", "keluar melalui `{line}` pukul {at}")
_SIGNAL: Final = Wording("signal {lamp} since {at}", "lampu {lamp} sejak {at}")
_NO_SIGNAL: Final = Wording("signal not read by then", "lampu belum terbaca saat itu")
_ON_LANE: Final = Wording("on lane `{lane}`", "di lajur `{lane}`")
_IN_ZONE: Final = Wording("in zone `{zone}`", "di zona `{zone}`")
_MEASURED: Final = Wording("{name} {value:.1f}{u} {unit}", "{name} {value:.1f}{u} {unit}")
_LIMIT: Final = Wording(", limit {limit:.1f}", ", batas {limit:.1f}")
_LAMPS: Final[Mapping[Lamp, Wording]] = {
    Lamp.RED: Wording("red", "merah"),
    Lamp.YELLOW: Wording("yellow", "kuning"),
    Lamp.GREEN: Wording("green", "hijau"),
    Lamp.UNKNOWN: Wording("unknown", "tidak terbaca"),
}
_MEASUREMENTS: Final[Mapping[str, Wording]] = {
    "time_into_red": Wording("time into red", "lama merah"),
    "time_into_red_at_entry": Wording("time into red at the entry", "lama merah saat masuk"),
    "speed": Wording("speed", "kecepatan"),
    "stood": Wording("stood", "berhenti"),
    "past_line": Wording("past the line", "melewati garis"),
    "past_marking": Wording("past the marking", "melewati marka"),
    "measured_over": Wording("measured over", "diukur sepanjang"),
    "turned": Wording("turned by", "berputar"),
    "list_age": Wording("age of the list", "umur daftar"),
    "past_exit": Wording("beyond the exit", "melewati garis keluar"),
    "since_entry": Wording("since the entry", "sejak masuk"),
    "offset": Wording("beside the way in", "di samping arah datang"),
    "against": Wording("against the arrow", "melawan arah"),
    "in_lane": Wording("inside the lane", "di dalam lajur"),
}
REASONS: Final[Mapping[Reason, Wording]] = {
    Reason.REPORTED: Wording("reported", "dilaporkan"),
    Reason.LOST_BEFORE_LINE: Wording("lost from view just before the line", "hilang dari pandangan tepat sebelum garis"),
    Reason.FIRST_SEEN_BEYOND_LINE: Wording("not certainly seen before the line", "tidak pasti terlihat sebelum garis"),
    Reason.LOST_BEFORE_ENTRY: Wording("lost from view before the junction", "hilang dari pandangan sebelum simpang"),
    Reason.POSITION_UNCERTAIN: Wording("its place at the line is not certain", "posisinya di garis tidak pasti"),
    Reason.NOT_ONE_VEHICLE: Wording(
        "the track has a gap or a jump: perhaps two vehicles", "jejak terputus atau melompat: mungkin dua kendaraan"
    ),
    Reason.BOX_MOVED_ONLY: Wording("only the lower edge of its box moved", "hanya tepi bawah kotaknya yang bergerak"),
    Reason.SIGNAL_UNKNOWN: Wording("the signal could not be read", "lampu tidak dapat dibaca"),
    Reason.RED_NOT_PROVEN: Wording("red is not proven for the whole passage", "merah tidak terbukti selama melintas"),
    Reason.PICTURES_GONE: Wording("its pictures were gone", "gambarnya sudah tidak ada"),
    Reason.VIEW_MOVED: Wording("the camera had moved, so the rule was paused", "kamera telah bergeser, jadi aturan dijeda"),
    Reason.NOT_RED: Wording("the signal was not red", "lampu tidak merah"),
    Reason.RED_TOO_YOUNG: Wording("the red was too young", "merah baru menyala"),
    Reason.NOT_ENTERED: Wording("did not enter the junction", "tidak masuk simpang"),
    Reason.ENTERED_BEFORE_LINE: Wording("entered the junction before the line", "masuk simpang sebelum garis"),
    Reason.WALKING_PACE: Wording("may have been walking", "mungkin berjalan kaki"),
    Reason.DROVE_ON: Wording("drove on into the junction", "terus masuk simpang"),
    Reason.NOT_STOOD: Wording("did not stand long enough", "tidak berhenti cukup lama"),
    Reason.ON_LINE: Wording("stands on the line, not certainly beyond it", "berhenti di garis, tidak pasti melewatinya"),
    Reason.AGAINST_TOO_SHORT: Wording("too short a distance against the arrow", "jarak melawan arah terlalu pendek"),
    Reason.NOT_ALONG_LANE: Wording("drove across the lane, not along it", "memotong lajur, tidak menyusurinya"),
    Reason.TOO_SLOW: Wording("too slow: it rolled back", "terlalu pelan: bergerak mundur"),
    Reason.UNSTEADY: Wording("not driven in steady steps", "geraknya tidak teratur"),
    Reason.FIRST_SEEN_INSIDE: Wording("first seen inside the zone", "pertama terlihat sudah di dalam zona"),
    Reason.CLASS_UNCERTAIN: Wording("it may be of a class that is allowed", "mungkin golongan kendaraan yang diizinkan"),
    Reason.OUTSIDE_HOURS: Wording("the rule does not apply at this hour", "aturan tidak berlaku pada jam ini"),
    Reason.IN_QUEUE: Wording("no traffic flows past it: perhaps a queue", "tidak ada lalu lintas yang melewatinya: mungkin antrean"),
    Reason.MAY_WAIT: Wording("stands where vehicles may wait", "berhenti di tempat yang boleh untuk menunggu"),
    Reason.EXIT_FREE: Wording("the exit was not certainly blocked when it entered", "jalan keluar tidak pasti terhalang saat masuk"),
    Reason.TOO_SHORT: Wording("too short a distance inside the lane", "jarak di dalam lajur terlalu pendek"),
    Reason.CLASS_ALLOWED: Wording("its class is allowed here", "golongan kendaraannya diizinkan"),
    Reason.CROSSABLE_SIDE: Wording("crossed from the side of the broken line", "melintas dari sisi garis putus-putus"),
    Reason.NOT_SOLID_THERE: Wording("not certainly crossed where the line is solid", "tidak pasti melintas di bagian garis yang utuh"),
    Reason.NOT_TURNED: Wording("turned by less than a U-turn", "tidak berputar penuh"),
    Reason.LEFT_ELSEWHERE: Wording("has not left by a forbidden way", "tidak keluar melalui arah terlarang"),
    Reason.REVERSED: Wording("came back on its own way: it reversed", "kembali di jalurnya sendiri: mundur"),
    Reason.PLATE_NOT_CERTAIN: Wording("its plate is not certain", "nomor kendaraannya tidak pasti"),
    Reason.EXEMPTION_UNKNOWN: Wording(
        "it may be exempt: colour or blue strip unknown", "mungkin dikecualikan: warna atau strip biru tak terbaca"
    ),
    Reason.EXPIRY_NOT_READ: Wording("its expiry was not read with certainty", "masa berlakunya tidak terbaca dengan pasti"),
    Reason.PLATE_NOT_SEEN: Wording("it may have a plate that cannot be seen", "mungkin ada pelat yang tidak terlihat"),
    Reason.RIDERS_NOT_SEEN: Wording(
        "its riders could not be told with certainty", "pengendara dan penumpangnya tidak terlihat dengan pasti"
    ),
    Reason.PICTURES_AWAITED: Wording("waits for what its pictures show", "menunggu pemeriksaan gambar"),
    Reason.ATTRIBUTE_NOT_SEEN: Wording("the classifier is not certain in enough views", "pengklasifikasi tidak pasti pada cukup gambar"),
    Reason.ATTRIBUTE_ABSENT: Wording("the classifier sees nothing wrong", "pengklasifikasi tidak melihat pelanggaran"),
    Reason.NOT_MOTORCYCLE: Wording("no motorcycle", "bukan sepeda motor"),
    Reason.RIDERS_ALLOWED: Wording("its riders do nothing wrong", "pengendara dan penumpangnya tidak melanggar"),
    Reason.PLATE_AWAITED: Wording("waits for its plate", "menunggu pembacaan pelat"),
    Reason.DAY_ALLOWED: Wording("its number may drive on this day", "nomornya boleh melintas pada tanggal ini"),
    Reason.EXEMPT: Wording("exempt", "dikecualikan"),
    Reason.NOT_EXPIRED: Wording("its plate has not certainly expired", "masa berlaku pelatnya belum pasti habis"),
    Reason.NUMBER_FITS: Wording("its number fits its class", "nomornya sesuai golongan kendaraan"),
    Reason.NOT_LISTED: Wording("its plate is not on the watch list", "nomornya tidak ada di daftar pencarian"),
    Reason.LIST_TOO_OLD: Wording("the watch list is too old to go by", "daftar pencarian sudah terlalu lama"),
    Reason.HAS_PLATE: Wording("has a plate", "memiliki pelat"),
    Reason.NOT_MEASURED: Wording("seen too short to measure its speed", "terlihat terlalu singkat untuk diukur kecepatannya"),
    Reason.WITHIN_LIMIT: Wording("not certainly beyond the limit", "tidak pasti melampaui batas"),
    Reason.HARDLY_MOVES: Wording("hardly moves: broken down or towed", "hampir tidak bergerak: mogok atau diderek"),
    Reason.HELD_UP: Wording("others were slow, too: the road was not free", "kendaraan lain juga lambat: jalan tidak lancar"),
    Reason.SAME_ACT: Wording("the same act is reported by another rule", "perbuatan yang sama dilaporkan oleh aturan lain"),
    Reason.SAME_VEHICLE: Wording("another track of this vehicle is reported", "jejak lain kendaraan ini dilaporkan"),
}
_NOT_REPORTED: Final = Wording("not reported", "tidak dilaporkan")


def sentence(decision: RuleDecision, zone: ZoneInfo, language: TextLanguage = TextLanguage.EN) -> str:
    """Such as "front crossed `henti` at 16:00:30.4; signal unknown since 16:00:29.9; the signal could not be read; not reported"."""
    return "; ".join(_parts(decision, zone, language))


def time_text(at: datetime, zone: ZoneInfo) -> str:
    """Local time to a tenth of a second."""
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"


def _parts(decision: RuleDecision, zone: ZoneInfo, language: TextLanguage) -> Iterator[str]:
    judgement = decision.judgement
    if judgement.lane is not None:
        yield _ON_LANE.of(language).format(lane=judgement.lane)
    if judgement.zone is not None:
        yield _IN_ZONE.of(language).format(zone=judgement.zone)
    if judgement.crossed is not None:
        yield _CROSSED.of(language).format(line=judgement.crossed.line, at=time_text(judgement.crossed.at, zone))
    if judgement.entered is not None:
        yield _ENTERED.of(language).format(line=judgement.entered.line, at=time_text(judgement.entered.at, zone))
    if judgement.left is not None:
        yield _LEFT.of(language).format(line=judgement.left.line, at=time_text(judgement.left.at, zone))
    outcome = judgement.outcome
    if isinstance(outcome, NotReported):
        yield from _facts(outcome, zone, language)
    elif isinstance(outcome, Finding):
        yield from (_measured(each, None, language) for each in outcome.measured[:1])
    yield REASONS[decision.reason].of(language)
    if decision.reason is not Reason.REPORTED:
        yield _NOT_REPORTED.of(language)


def _facts(outcome: NotReported, zone: ZoneInfo, language: TextLanguage) -> Iterator[str]:
    if outcome.signal is not None:
        yield _signal(outcome.signal, zone, language)
    elif outcome.reason is Reason.SIGNAL_UNKNOWN:
        yield _NO_SIGNAL.of(language)
    if outcome.measured is not None:
        yield _measured(outcome.measured, outcome.limit, language)


def _signal(state: LampState, zone: ZoneInfo, language: TextLanguage) -> str:
    return _SIGNAL.of(language).format(lamp=_LAMPS[state.lamp].of(language), at=time_text(state.since, zone))


def _measured(measured: Measurement, limit: float | None, language: TextLanguage) -> str:
    name = _MEASUREMENTS[measured.name].of(language) if measured.name in _MEASUREMENTS else measured.name.replace("_", " ")
    u = f" ± {measured.uncertainty:.1f}" if measured.uncertainty is not None else ""
    said = _MEASURED.of(language).format(name=name, value=measured.value, u=u, unit=measured.unit)
    return said + (_LIMIT.of(language).format(limit=limit) if limit is not None else "")
