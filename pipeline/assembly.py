"""Builds a camera's stage from the site file: the only place that chooses models, rules and law."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etle import __version__
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, DetectionSettings, Site
from etle.errors import ConfigError, FrameBroken
from etle.types import Digest, Provenance, digest_of

if TYPE_CHECKING:
    from etle.config.law import Law
    from etle.protocols import AttributeClassifier, HeadReader, LampReader, PersonDetector, PlateDetector, PlateReader, VehicleDetector
    from pipeline.detect.stage import CameraStage
    from pipeline.detect.state import StageState
    from pipeline.detect.view_check import ViewCheckState
    from pipeline.scene.scene import Rule

_SHARED_WEIGHTS = ("plate-lines", "plate-colour")
"""Weights that ship with etle and that every plate reader uses; their digests are those of the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The models of one thread. They are not shared between threads: a result could end up in the case of another picture."""

    detector: "VehicleDetector"
    plate_detector: "PlateDetector"
    readers: tuple["PlateReader", ...]
    tiebreaker: "PlateReader | None"
    """Reads a plate once if the other readers disagree."""
    lamps: "LampReader"
    reads_plates: bool = True
    """False in runs that repeat the rules only."""
    persons: "PersonDetector | None" = None
    """Searches the riders of motorcycles; None where no rule asks for them, and in runs that repeat the rules only."""
    heads: "HeadReader | None" = None
    """The same for their heads."""
    attributes: "Mapping[str, AttributeClassifier]" = field(default_factory=dict)
    """By catalogue name: those that rules name."""

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        """Name and digest of every model, for the provenance of a violation."""
        from models.weights.locate import entry_of

        readers = (*self.readers, self.tiebreaker) if self.tiebreaker else self.readers
        return (
            (self.detector.name, self.detector.digest),
            (self.plate_detector.name, self.plate_detector.digest),
            *((reader.name, reader.digest) for reader in readers),
            *((name, entry_of(name).sha256) for name in _SHARED_WEIGHTS),
            (self.lamps.name, self.lamps.digest),
            *((engine.name, engine.digest) for engine in (self.persons, self.heads, *self.attributes.values()) if engine),
        )


def open_site_engines(site: Site) -> Engines:
    """The models that the rules of the site need. Raises ConfigError, WeightsMissing, WeightsError, MissingExtra."""
    from models.attributes import open_attribute_classifier
    from models.heads import open_head_reader
    from models.persons import open_person_detector
    from models.weights.locate import weight
    from pipeline.rules import needed_classifiers, needs_riders

    engines, threads = open_engines(site.detect), site.detect.threads
    named = sorted({name for camera in site.cameras for name in needed_classifiers(camera)})
    engines = replace(engines, attributes={name: open_attribute_classifier(weight(name), threads=threads) for name in named})
    if not any(needs_riders(camera) for camera in site.cameras):
        return engines
    return replace(engines, persons=open_person_detector(threads=threads), heads=open_head_reader(threads=threads))


def rule_weights(site: Site) -> tuple[str, ...]:
    """Catalogue names of the weights that the rules of the site need, beside those of its settings."""
    from models.heads import STEM_WEIGHTS, WEIGHTS
    from pipeline.rules import needed_classifiers, needs_riders

    named = sorted({name for camera in site.cameras for name in needed_classifiers(camera)})
    return ((STEM_WEIGHTS, WEIGHTS) if any(needs_riders(camera) for camera in site.cameras) else ()) + tuple(named)


def open_engines(settings: DetectionSettings) -> Engines:
    """Without those that only some rules need.

    Raises ConfigError for an unknown engine or reader, WeightsMissing, WeightsError, MissingExtra.
    """
    from models.plates.detector import open_plate_detector
    from models.vehicles import open_vehicle_detector

    needed_weights(settings)  # report an unknown name before anything is opened
    return Engines(
        detector=open_vehicle_detector(settings.engine, _file(settings.weights), threads=settings.threads),
        plate_detector=open_plate_detector(_file(settings.finder_weights), threads=settings.threads),
        readers=tuple(open_reader(name, settings) for name in settings.readers),
        tiebreaker=open_reader(settings.tiebreaker, settings) if settings.tiebreaker else None,
        lamps=open_lamp_reader(),
    )


def open_lamp_reader() -> "LampReader":
    """Raises WeightsMissing, WeightsError, MissingExtra."""
    from models.signals.head_reader import WEIGHTS, SignalHeadReader
    from models.weights.locate import weight

    return SignalHeadReader(weight(WEIGHTS))


def _file(named: Path | None) -> Path | None:
    from models.weights.locate import weights_file

    return weights_file(named) if named else None


def open_reader(name: str, settings: DetectionSettings) -> "PlateReader":
    """Raises ConfigError, WeightsMissing, WeightsError, MissingExtra."""
    from models.plates.readers import reader_engine, reads_details
    from models.weights.locate import weight

    engine = reader_engine(name)
    weights = _file(settings.reader_weights if engine.retrainable else None) or weight(engine.weights)
    return engine.open(weights, settings.threads, reads_details(name, settings.readers))


def fingerprint(site: Site, camera: CameraSettings, engines: Engines) -> Digest:
    """Digest of all that the state of this camera's stage depends on: code, models, drawings, rules and other settings."""
    parts = [
        __version__,
        site.site,
        site.timezone,
        camera.model_dump_json(exclude={"source", "name"}),
        site.detect.model_dump_json(exclude={"threads", "shadow"}, by_alias=True),
        site.evidence.model_dump_json(),
        *(digest for _, digest in engines.digests),
    ]
    return digest_of("\n".join(parts).encode())


def build_stage(site: Site, camera: CameraSettings, engines: Engines, law: "Law", state: "StageState") -> "CameraStage":
    """Raises ConfigError where the drawings or the rules of the camera are wrong."""
    from pipeline.attributes.search import AttributeSearch
    from pipeline.detect.stage import CameraStage
    from pipeline.evidence.builder import EvidenceBuilder
    from pipeline.frames.clip import ClipRecorder
    from pipeline.plates.search import PlateSearch
    from pipeline.riders.search import RiderSearch
    from pipeline.rules import build_rules, needs_riders
    from pipeline.scene.calibration import calibrate

    if engines.reads_plates and needs_riders(camera) and engines.persons is None:
        raise ConfigError(f"camera {camera.id!r} has a rule about riders, and no person detector is open: use open_site_engines")
    provenance = Provenance(code_version=__version__, models=engines.digests, config_digest=site.digest, run=state.run)
    plates = PlateSearch(
        engines.plate_detector,
        engines.readers,
        site.detect.plate_reads,
        engines.tiebreaker,
        reads_plates=engines.reads_plates,
    )
    clips = ClipRecorder(site.evidence.before_s + site.evidence.after_s, site.evidence.clip_width)
    riders = RiderSearch(engines.persons, engines.heads) if engines.persons and engines.heads and needs_riders(camera) else None
    attributes = AttributeSearch(engines.attributes) if engines.attributes else None
    evidence = EvidenceBuilder(site, camera, law, plates, clips, provenance, engines.lamps, riders, attributes)
    rules = build_rules(camera, calibrate(camera))
    _check_labels(rules, engines.attributes)
    if state.view is None and camera.reference is not None:
        state = replace(state, view=_reference_view(camera.reference))
    return CameraStage(camera, site.detect, engines.detector, engines.lamps, rules, evidence, state)


def _check_labels(rules: "Sequence[Rule]", classifiers: "Mapping[str, AttributeClassifier]") -> None:
    """Raises ConfigError for a label that the classifier of a rule does not know."""
    from pipeline.rules.attribute_rule import AttributeRule

    for rule in rules:
        known = classifiers.get(rule.classifier) if isinstance(rule, AttributeRule) else None
        if isinstance(rule, AttributeRule) and known is not None and rule.label not in known.labels:
            raise ConfigError(f"rule {rule.name}: the classifier {known.name!r} has no label {rule.label!r}: {', '.join(known.labels)}")


def _reference_view(path: Path) -> "ViewCheckState":
    """Raises ConfigError if the picture cannot be read."""
    from pipeline.detect.view_check import view_of

    try:
        return view_of(path.read_bytes())
    except (OSError, FrameBroken) as error:
        raise ConfigError(f"reference: {path} cannot be read ({error}): copy it with the site file, or remove the key") from error


def shipped_law() -> "Law":
    """The offences of `configs/law/`."""
    from etle.config.law import load_law

    return load_law(configs_folder() / "law")


def needed_weights(settings: DetectionSettings) -> tuple[str, ...]:
    """Catalogue names of the weights that these settings need. Raises ConfigError for an unknown engine or reader."""
    from models.plates.readers import reader_engine
    from models.vehicles import vehicle_detector_engine

    detector = vehicle_detector_engine(settings.engine)
    vehicles = [] if settings.weights else [detector.weights]
    plates = [] if settings.finder_weights else ["plate-finder"]
    readers = [reader_engine(name) for name in (*settings.readers, *([settings.tiebreaker] if settings.tiebreaker else []))]
    return (*vehicles, *plates, *(reader.weights for reader in readers if not (reader.retrainable and settings.reader_weights)))
