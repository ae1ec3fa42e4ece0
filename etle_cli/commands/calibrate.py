"""`etle calibrate`: draw and calibrate a site in the browser, try its rules, and go back to an earlier version of its file."""

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError
from etle_cli.options.footage import with_footage
from etle_cli.options.listen import LOOPBACK, warn_of_plain_http
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.operator import operator
from etle_cli.options.storage import add_storage_options, data_folder, open_stores

if TYPE_CHECKING:
    from fastapi import FastAPI

    from etle.observability.metrics import Metrics
    from etle.storage.stores import Stores
    from etle_cli.calibrate.trials import SubprocessTrials

PORT = 8081


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "calibrate",
        help="draw and calibrate a site in the browser",
        description="Serves the pages on which the role `ops` draws stop lines, lanes, signal heads and calibration points on a picture of "
        "each camera, tries the rules on footage, and saves the site file; lists and restores its last ten versions.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_serve(actions)
    _add_try(actions)
    versions = actions.add_parser("versions", help="list the versions of a site file, or show what restoring one would change")
    versions.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    versions.add_argument("--diff", metavar="N", type=int, help="what restoring this version would change")
    versions.set_defaults(run=run_versions)
    restore = actions.add_parser("restore", help="save an earlier version of a site file as its newest")
    restore.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    restore.add_argument("version", metavar="N", type=int, help="its number")
    restore.set_defaults(run=run_restore)


def _add_serve(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = actions.add_parser(
        "serve",
        help="serve the pages; add an account with `etle users add NAME --role ops`",
        description="The site file and the footage are those of this command line; no path or address is taken from the browser.",
    )
    serve.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file, which is changed when somebody saves")
    serve.add_argument("--camera", metavar="ID", help="with --footage: the camera that recorded it")
    serve.add_argument("--footage", metavar="FILE", type=Path, help="draw and try on this recording of the camera")
    serve.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s, this machine only)")
    serve.add_argument("--port", type=int, default=PORT, help="port to listen on (default: %(default)s)")
    serve.add_argument("--behind-proxy", metavar="ADDRESS", help="address of the TLS proxy whose X-Forwarded headers are trusted")
    add_storage_options(serve)
    add_observability_options(serve)
    serve.set_defaults(run=run_serve)


def _add_try(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    trial = actions.add_parser(
        "try",
        help="run a camera's rules on recent footage and say what would be reported; nothing is stored",
        description="Recorded footage from its beginning; of a live camera the end of its archive, or else what it sends from now on.",
    )
    trial.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    trial.add_argument("--camera", metavar="ID", required=True, help="the camera")
    trial.add_argument("--seconds", type=float, default=60.0, help="how much footage (default: %(default)s)")
    trial.add_argument("--footage", metavar="FILE", type=Path, help="a recording of the camera, instead of its source")
    trial.add_argument("--out", metavar="FOLDER", type=Path, help="write trial.json and a picture of each vehicle there")
    trial.add_argument("--stdin", action="store_true", help="read the content of the site file from standard input")
    trial.add_argument("--progress", action="store_true", help=argparse.SUPPRESS)
    trial.add_argument("--data", metavar="DIR", type=Path, help="data folder with the archive (default: ETLE_DATA, otherwise ./etle-data)")
    trial.set_defaults(run=run_try)


def run_serve(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.storage.users import UserRole, Users
    from etle_cli.calibrate.trials import SubprocessTrials
    from etle_cli.commands.review import check_port
    from review.serve import serve

    site = _chosen(load_site(args.site), args)
    if args.behind_proxy is None:
        warn_of_plain_http("the drawing pages", args.host, "Put a TLS proxy in front and name it with --behind-proxy.")
    console, data = Console(), data_folder(args.data)
    with ExitStack() as opened:
        observability = opened.enter_context(open_observability(args.metrics))
        stores = opened.enter_context(open_stores(args))
        if not any(user.role is UserRole.OPS for user in Users(stores.database).users()):
            console.print(f"No account may draw yet. Add one: etle users add NAME --role ops --data {data}", soft_wrap=True)
        check_port(args.host, args.port)
        work = Path(opened.enter_context(TemporaryDirectory(prefix="etle-calibrate-")))
        trials = opened.enter_context(SubprocessTrials(args.site.absolute(), data, args.footage, work))
        app = drawing_app(args.site, site, stores, trials, metrics=observability.metrics)
        opened.enter_context(stores.exporting_heads(stores.row_signer, None))

        def started() -> None:
            console.print(f"Draw and calibrate: http://{args.host}:{args.port}/   (Ctrl-C stops it)")

        serve(app, args.host, args.port, behind_proxy=args.behind_proxy, started=started)
    return 0


def drawing_app(path: Path, site: Site, stores: "Stores", trials: "SubprocessTrials", *, metrics: "Metrics | None" = None) -> "FastAPI":
    """The application of the drawing pages for one site file."""
    from etle.config.law import load_law
    from etle.config.packaged import configs_folder
    from etle.config.site_versions import SiteFile
    from etle.storage.campaigns import PostgresCampaigns
    from etle.storage.cases import PostgresCases
    from etle.storage.users import Users
    from etle_cli.calibrate.footage import picture_sources
    from pipeline.site_setup.assessor import SiteAssessor
    from pipeline.site_setup.scene_pictures import SampledPictures
    from review.app import create_app
    from review.drawing.desk import SiteDesk

    signer, clock = stores.row_signer, SystemClock()
    users = Users(stores.database, signer)
    desk = SiteDesk(
        file=SiteFile(path, clock),
        cameras=tuple(camera.camera_id for camera in site.cameras),
        timezone=site.timezone,
        pictures=SampledPictures(picture_sources(site, stores.data)),
        assessor=SiteAssessor(path),
        trials=trials,
    )
    return create_app(
        cases=PostgresCases(stores.database, signer=signer),
        evidence=stores.evidence,
        users=users,
        campaigns=PostgresCampaigns(stores.database),
        secret=users.form_secret(),
        law=load_law(configs_folder() / "law"),
        clock=clock,
        metrics=metrics,
        drawing=desk,
    )


def run_try(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from etle_cli.calibrate.trials import write_result
    from etle_cli.tables.explanations import table_of
    from etle_cli.tables.violations import wide_console
    from pipeline.explain.sentences import TextLanguage
    from pipeline.site_setup.trial import picture_moments, pictures_of, trial_document

    site = _from_text(args.site, sys.stdin.read()) if args.stdin else load_site(args.site)
    site = _without_references(_chosen(site, args))
    camera = site.cameras[0]
    explanation, source = _tried(site, camera, args)
    zone = ZoneInfo(site.timezone)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        for sequence, jpeg in pictures_of(source, [*picture_moments(explanation).values()]).items():
            (args.out / f"{sequence}.jpg").write_bytes(jpeg)
        write_result(args.out, trial_document(explanation, _limitations(site, explanation), zone))
    if not args.progress:
        console = wide_console()
        console.print(table_of(explanation.vehicles, zone, TextLanguage.EN))
        reported = sum(len(vehicle.violations) for vehicle in explanation.vehicles)
        console.print(f"{len(explanation.frames)} frames; {reported} violations would be reported.", highlight=False)
    return 0


def run_versions(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    file = _site_file(args.site)
    if args.diff is not None:
        sys.stdout.write(f"{file.difference(args.diff)}\n")
        return 0
    table = Table("version", "saved", "by")
    for version in file.versions():
        table.add_row(f"{version.number}", f"{version.at:%Y-%m-%d %H:%M:%S} UTC", version.by)
    Console().print(table if file.versions() else "No versions yet: the file was not saved by `etle calibrate serve`.")
    return 0


def run_restore(args: argparse.Namespace) -> int:
    file = _site_file(args.site)
    version = file.restore(args.version, operator_name(), file.read().digest)
    sys.stdout.write(f"{args.site} is version {args.version} again, saved as version {version.number}.\n")
    return 0


def operator_name() -> str:
    """As it can stand in the name of a version."""
    import re

    return re.sub(r"[^a-z0-9._-]+", "-", operator().lower()) or "operator"


def _site_file(path: Path) -> Any:
    from etle.config.site_versions import SiteFile

    return SiteFile(path, SystemClock())


def _chosen(site: Site, args: argparse.Namespace) -> Site:
    """With --footage: the camera that recorded it, reading the recording."""
    if args.footage is not None:
        return with_footage(site, [args.camera] if args.camera else (), args.footage)
    return site.with_cameras([args.camera] if args.camera else ())


def _from_text(path: Path, text: str) -> Site:
    import yaml

    from etle.config.bounded_yaml import parse
    from etle.config.site import site_of

    try:
        return site_of(parse(text), path)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error


def _without_references(site: Site) -> Site:
    """What is tried was drawn on the camera's present view, and the file's reference may show the one before."""
    return site.model_copy(update={"cameras": tuple(camera.model_copy(update={"reference": None}) for camera in site.cameras)})


def _tried(site: Site, camera: CameraSettings, args: argparse.Namespace) -> tuple[Any, Any]:
    """What the stage decided, and the source of the frames."""
    from etle_cli.calibrate.footage import recent_footage
    from pipeline.assembly import open_site_engines, shipped_law
    from pipeline.explain.record import Period, explain_camera
    from pipeline.site_setup.trial import CountedFrames
    from pipeline.workers.stages import SiteStageFactory

    count = 0

    def advance() -> None:
        nonlocal count
        count += 1
        if args.progress and count % 5 == 0:
            sys.stdout.write(f"frames {count}\n")
            sys.stdout.flush()

    stages = SiteStageFactory(site, open_site_engines(site), shipped_law())
    stages.check()
    source, since = recent_footage(site, camera, data_folder(args.data), args.seconds)
    counted = CountedFrames(partial(source.frames), advance)
    return explain_camera(camera, site.evidence, stages, counted, SystemClock(), Period(start=since)), source


def _limitations(site: Site, explanation: Any) -> tuple[str, ...]:
    from pipeline.detect.visibility_report import limitations

    return limitations(explanation.camera.id, explanation.visibility, {}, timezone=site.timezone)
