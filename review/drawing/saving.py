"""Saving a drawing, the versions of the site file, and trials of the rules."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from etle.config.site_versions import NOBODY, SiteVersion
from etle.errors import ConfigError, SiteFileChanged
from etle.files import write_atomic
from etle.types import CameraId, Digest
from review.deps import deps_of
from review.drawing.desk import SiteDesk, desk_of
from review.drawing.pages import DrawingText, Ops, page_document, parsed_drawing
from review.i18n import Translator, translator_of
from review.session import record_access

router = APIRouter()
MAX_TRIAL_S: Final = 600.0
REFERENCE_CHARS: Final = 12
"""Of the digest in the name of a reference picture."""

Revision = Annotated[str, Form(pattern=r"^[0-9a-f]{64}$")]
TrialSeconds = Annotated[float, Form(gt=0, le=MAX_TRIAL_S)]
PictureKey = Annotated[str, Form(pattern=r"^\d{0,20}$")]


@router.post("/cameras/{camera}/save")
def save(request: Request, camera: str, viewer: Ops, drawing: DrawingText, revision: Revision, picture: PictureKey = "") -> Response:
    """`revision`: digest of the file on which the drawing is based; 409 with the present one if it has changed. `picture`: on which it was
    drawn; it becomes the reference against which the camera's view is watched. 422 with the problems if `etle check` would refuse it."""
    deps, desk, t = deps_of(request), desk_of(request), translator_of(request)
    name, drawn_at = desk.known(camera), deps.clock.now()
    try:
        drawn = parsed_drawing(drawing)
        reference = _keep_reference(desk, name, picture)
        more = {"drawn": {"by": viewer.user.name, "at": _local(drawn_at, desk)}} | ({"reference": reference} if reference else {})
        problems = desk.assessor.assess(desk.with_drawing(desk.file.read().text, name, drawn, more), name).problems
        if problems:
            return JSONResponse({"problems": problems}, 422)
        version = desk.file.save(lambda text: desk.with_drawing(text, name, drawn, more), viewer.user.name, Digest(revision))
    except SiteFileChanged as error:
        record_access(deps, viewer, "drawing_refused", detail=f"{name}: {error}")
        return JSONResponse({"message": str(error), "theirs": page_document(desk, name, t)}, 409)
    except ConfigError as error:
        return JSONResponse({"problems": [str(error)]}, 422)
    record_access(deps, viewer, "drawing_saved", detail=f"{name} {desk.file.path.name} version {version.number} {version.digest[:16]}")
    return JSONResponse({"version": version.number, **page_document(desk, name, t)})


@router.get("/versions")
def versions(request: Request, viewer: Ops) -> Response:
    desk, t = desk_of(request), translator_of(request)
    return JSONResponse({"versions": [_version_row(each, desk, t) for each in desk.file.versions()], "revision": desk.file.read().digest})


@router.get("/versions/{number}")
def difference(request: Request, number: int, viewer: Ops) -> Response:
    """What restoring the version would change."""
    try:
        return JSONResponse({"difference": desk_of(request).file.difference(number)})
    except ConfigError as error:
        raise HTTPException(404) from error


@router.post("/versions/{number}/restore")
def restore(request: Request, number: int, viewer: Ops, revision: Revision) -> Response:
    deps, desk = deps_of(request), desk_of(request)
    try:
        version = desk.file.restore(number, viewer.user.name, Digest(revision))
    except SiteFileChanged as error:
        return JSONResponse({"message": str(error)}, 409)
    except ConfigError as error:
        raise HTTPException(404) from error
    record_access(deps, viewer, "drawing_restored", detail=f"{desk.file.path.name} version {number} as version {version.number}")
    return JSONResponse({"version": version.number})


@router.post("/cameras/{camera}/trial")
def start_trial(request: Request, camera: str, viewer: Ops, drawing: DrawingText, seconds: TrialSeconds = 60.0) -> Response:
    """409 if a trial is running, 422 with the problems if the drawing could not be saved."""
    deps, desk = deps_of(request), desk_of(request)
    name = desk.known(camera)
    try:
        text = desk.with_drawing(desk.file.read().text, name, parsed_drawing(drawing))
        problems = desk.assessor.assess(text, name).problems
    except ConfigError as error:
        problems = (str(error),)
    if problems:
        return JSONResponse({"problems": problems}, 422)
    if not desk.trials.start(text, name, seconds, viewer.user.name):
        return JSONResponse({"message": translator_of(request)("draw.trial_taken", name=desk.trials.state(name).by)}, 409)
    record_access(deps, viewer, "trial_started", detail=f"{name} {seconds:g} s")
    return JSONResponse({"started": True})


@router.get("/cameras/{camera}/trial")
def trial(request: Request, camera: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    state = desk.trials.state(desk.known(camera))
    document = json.loads(state.document) if state.document else None
    return JSONResponse({"running": state.running, "by": state.by, "frames": state.frames, "problem": state.problem, "document": document})


@router.post("/cameras/{camera}/trial/stop")
def stop_trial(request: Request, camera: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    desk.known(camera)
    desk.trials.stop()
    return JSONResponse({"stopped": True})


@router.get("/cameras/{camera}/trial/{name}.jpg")
def trial_picture(request: Request, camera: str, name: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    known = desk.known(camera)
    jpeg = desk.trials.picture(known, name)
    if jpeg is None:
        raise HTTPException(404)
    record_access(deps_of(request), viewer, "scene_viewed", detail=f"{known} trial {name}")
    return Response(jpeg, media_type="image/jpeg")


def _keep_reference(desk: SiteDesk, camera: CameraId, picture: str) -> str | None:
    """Writes the picture beside the site file; its path relative to it. None without a picture of the camera's own footage."""
    jpeg = desk.pictures.jpeg(camera, picture) if picture else None
    if jpeg is None:
        return None
    folder = desk.file.path.with_name(f"{desk.file.path.name}.views")
    name = f"{camera}-{hashlib.sha256(jpeg).hexdigest()[:REFERENCE_CHARS]}.jpg"
    try:
        folder.mkdir(exist_ok=True)
        write_atomic(folder / name, jpeg)
    except OSError as error:
        raise ConfigError(f"{folder / name}: cannot be written: {error}") from error
    return f"{folder.name}/{name}"


def _local(moment: datetime, desk: SiteDesk) -> str:
    return moment.astimezone(ZoneInfo(desk.timezone)).isoformat(timespec="seconds")


def _version_row(version: SiteVersion, desk: SiteDesk, t: Translator) -> dict[str, Any]:
    by = t("draw.by_hand") if version.by == NOBODY else version.by
    return {"number": version.number, "when": t.date_time(version.at, desk.timezone), "by": by, "digest": version.digest}
