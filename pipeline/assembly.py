"""Puts a camera's stage together from the site file: the one place that chooses models, rules and law."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etle import __version__
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, DetectionSettings, Site
from etle.types import Digest, Provenance, digest_of

if TYPE_CHECKING:
    from etle.config.law import Law
    from etle.protocols import LampReader, PlateDetector, PlateReader, VehicleDetector
    from pipeline.detect.stage import CameraStage
    from pipeline.detect.state import StageState

_READERS = {"tnkb": "plate-reader", "ppocr": "ppocrv6-rec", "easyocr": "easyocr-recognition"}
"""The weights of each reader."""
_OF_ALL_READERS = ("plate-lines", "plate-colour")
"""Weights that ship, and that every reader looks with: `weight` opens no others than the catalogue's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The models of one thread: none is shared, so no picture's result can reach another's case."""

    detector: "VehicleDetector"
    finder: "PlateDetector"
    readers: tuple["PlateReader", ...]
    arbiter: "PlateReader | None"
    lamps: "LampReader"

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        from models.weights.locate import entry_of

        asked = (*self.readers, self.arbiter) if self.arbiter else self.readers
        readers = tuple((reader.name, reader.digest) for reader in asked)
        found = ((self.detector.name, self.detector.digest), (self.finder.name, self.finder.digest))
        return (*found, *readers, *((name, entry_of(name).sha256) for name in _OF_ALL_READERS))


def open_engines(settings: DetectionSettings) -> Engines:
    """Raises WeightsMissing, WeightsError, MissingExtra."""
    from models.plates.detector import open_plate_finder
    from models.signals.lamps import ColourLampReader
    from models.vehicles import open_vehicle_detector

    return Engines(
        detector=open_vehicle_detector(settings.engine, settings.weights, threads=settings.threads),
        finder=open_plate_finder(settings.finder_weights, threads=settings.threads),
        readers=tuple(_open_reader(name, settings) for name in settings.readers),
        arbiter=_open_reader(settings.arbiter, settings) if settings.arbiter else None,
        lamps=ColourLampReader(),
    )


def _open_reader(name: str, settings: DetectionSettings) -> "PlateReader":
    from models.plates.readers import open_plate_reader
    from models.weights.locate import weight

    if name == "tnkb" and settings.reader_weights:
        return open_plate_reader(name, settings.reader_weights, threads=settings.threads)
    weights = weight(_READERS[name])
    details = "tnkb" not in settings.readers or name == "tnkb"  # its expiries are the better ones, and one colour is enough
    return open_plate_reader(name, weights.parent if name == "easyocr" else weights, threads=settings.threads, details=details)


def made_by(site: Site, camera: CameraSettings, engines: Engines) -> Digest:
    """What a checkpoint of this camera depends on: another rule, line or model makes it worthless."""
    parts = [
        __version__,
        site.site,
        site.timezone,
        camera.model_dump_json(exclude={"source", "name"}),
        site.detect.model_dump_json(exclude={"threads"}),
        site.evidence.model_dump_json(),
        *(digest for _, digest in engines.digests),
    ]
    return digest_of("\n".join(parts).encode())


def build_stage(site: Site, camera: CameraSettings, engines: Engines, law: "Law", memory: "StageState") -> "CameraStage":
    """Raises ConfigError where the drawings or the rules of the camera are wrong."""
    from pipeline.detect.stage import CameraStage
    from pipeline.evidence.builder import EvidenceBuilder
    from pipeline.frames.clip import ClipRecorder
    from pipeline.plates.search import PlateSearch
    from pipeline.rules import build_rules
    from pipeline.scene.calibration import calibrate

    provenance = Provenance(code_version=__version__, models=engines.digests, config_digest=site.digest, run=memory.run)
    plates = PlateSearch(engines.finder, engines.readers, site.detect.plate_reads, engines.arbiter)
    film = ClipRecorder(site.evidence.before_s + site.evidence.after_s, site.evidence.clip_width)
    gathering = EvidenceBuilder(site, camera, law, plates, film, provenance)
    rules = build_rules(camera, calibrate(camera))
    return CameraStage(camera, site.detect, engines.detector, engines.lamps, rules, gathering, memory)


def shipped_law() -> "Law":
    from etle.config.law import load_law

    return load_law(configs_folder() / "law")


def needed_weights(settings: DetectionSettings) -> tuple[str, ...]:
    """Names in the catalogue of what these settings need."""
    vehicles = ["vehicles"] if settings.engine == "onnx" else []
    plates = [] if settings.finder_weights else ["plate-finder"]
    asked = [*settings.readers, *([settings.arbiter] if settings.arbiter else [])]
    return (*vehicles, *plates, *(_READERS[name] for name in asked if not (name == "tnkb" and settings.reader_weights)))
