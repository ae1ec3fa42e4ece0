"""The page of a camera, its pictures, and what is judged while it is drawn."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError

from etle.config.drawing import CameraDrawing, drawing_document
from etle.errors import ConfigError, SourceError
from etle.site_desk import PictureList, RuleForm
from etle.types import CameraId
from review.deps import deps_of
from review.drawing.desk import SiteDesk, desk_of
from review.i18n import Translator, translator_of
from review.pages import Page
from review.permissions import Permission, Viewer
from review.session import record_access, require_any

router = APIRouter()
DRAW: Final = Page(template="draw.html", nav="draw")
MAX_DRAWING_CHARS: Final = 60_000

Ops = Annotated[Viewer, Depends(require_any(Permission.DRAW))]
DrawingText = Annotated[str, Form(max_length=MAX_DRAWING_CHARS)]


class NotADrawing(HTTPException):
    """The form's field is not a drawing: only a script of another version sends such a one."""

    def __init__(self) -> None:
        super().__init__(400)


def parsed_drawing(text: str) -> CameraDrawing:
    """Raises NotADrawing, or ConfigError with a sentence for the page where a value is out of range."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotADrawing from error
    try:
        return CameraDrawing.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
        raise ConfigError(f"{place}: {first['msg']}") from error


@router.get("/")
def first_camera(request: Request, viewer: Ops) -> Response:
    return RedirectResponse(f"/cameras/{desk_of(request).cameras[0]}", status_code=303)


@router.get("/cameras/{camera}")
def draw(request: Request, camera: str, viewer: Ops) -> Response:
    deps, desk, t = deps_of(request), desk_of(request), translator_of(request)
    name = desk.known(camera)
    record_access(deps, viewer, "drawing_viewed", detail=name)
    page = page_document(desk, name, t)
    names = [(each, each == name) for each in desk.cameras]
    return DRAW.render(request, viewer, camera=name, cameras=names, title=page["name"] or name, page=json.dumps(page, ensure_ascii=False))


@router.get("/cameras/{camera}/drawing")
def drawing(request: Request, camera: str, viewer: Ops) -> Response:
    """What the file says now, after somebody else saved it."""
    desk = desk_of(request)
    return JSONResponse(page_document(desk, desk.known(camera), translator_of(request)))


@router.get("/cameras/{camera}/pictures")
def pictures(request: Request, camera: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    name = desk.known(camera)
    return JSONResponse(_picture_list(desk.pictures.listed(name), name, desk, translator_of(request)))


@router.post("/cameras/{camera}/pictures")
def take_picture(request: Request, camera: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    name = desk.known(camera)
    try:
        taken = desk.pictures.take(name)
    except (SourceError, ConfigError) as error:
        return JSONResponse({"problem": str(error)}, 503)
    return JSONResponse(_picture_list(taken, name, desk, translator_of(request)))


@router.get("/cameras/{camera}/pictures/{key}.jpg")
def picture(request: Request, camera: str, key: str, viewer: Ops) -> Response:
    desk = desk_of(request)
    name = desk.known(camera)
    jpeg = desk.pictures.jpeg(name, key)
    if jpeg is None:
        raise HTTPException(404)
    record_access(deps_of(request), viewer, "scene_viewed", detail=f"{name} {key}")
    return _jpeg(jpeg)


@router.post("/cameras/{camera}/assessment")
def assess(
    request: Request, camera: str, viewer: Ops, drawing: DrawingText, lens_terms: Annotated[int | None, Form(ge=0, le=2)] = None
) -> Response:
    """Why the drawing could not be saved as it is, and how accurate its calibration is."""
    desk = desk_of(request)
    name = desk.known(camera)
    try:
        text = desk.with_drawing(desk.file.read().text, name, parsed_drawing(drawing))
    except ConfigError as error:
        return JSONResponse({"problems": [str(error)], "calibration": None})
    return JSONResponse(asdict(desk.assessor.assess(text, name, lens_terms)))


def page_document(desk: SiteDesk, camera: CameraId, t: Translator) -> dict[str, Any]:
    """Everything that the scripts of the page need. Raises ConfigError if the file cannot be read any more."""
    present = desk.file.read()
    values = desk.camera_values(present.text, camera)
    drawn = values.get("drawn") or {}
    return {
        "camera": camera,
        "name": values.get("name", ""),
        "view": values.get("view"),
        "frame_size": values["frame_size"],
        "revision": present.digest,
        "file": desk.file.path.name,
        "drawing": drawing_document(values),
        "drawn": drawn_text(drawn, desk, t),
        "rules": [_form_document(form) for form in desk.assessor.rule_forms()],
        "texts": {key.removeprefix("draw.js."): text for key, text in t.texts.items() if key.startswith("draw.js.")},
        "language": t.language,
    }


def drawn_text(drawn: Any, desk: SiteDesk, t: Translator) -> str:
    """By whom and when the positions were saved last; empty if they were not drawn here."""
    if not isinstance(drawn, dict) or "by" not in drawn or "at" not in drawn:
        return ""
    at = drawn["at"] if isinstance(drawn["at"], datetime) else datetime.fromisoformat(str(drawn["at"]))
    return t("draw.drawn", name=str(drawn["by"]), when=t.date_time(at, desk.timezone))


def _form_document(form: RuleForm) -> dict[str, Any]:
    return {"rule": form.rule, "summary": form.summary, "fields": dict(form.fields), "required": sorted(form.required)}


def _picture_list(listed: PictureList, camera: CameraId, desk: SiteDesk, t: Translator) -> dict[str, Any]:
    rows = [
        {
            "key": each.key,
            "when": t.time(each.captured_at, desk.timezone, digits=1),
            "address": f"/cameras/{camera}/pictures/{each.key}.jpg",
        }
        for each in listed.pictures
    ]
    return {"pictures": rows, "pending": listed.pending, "live": listed.live, "problem": listed.problem}


def _jpeg(jpeg: bytes) -> Response:
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})
