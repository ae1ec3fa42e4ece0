"""What the door says no with: a status for the client's program, a code for its log, and a sentence for its author."""

from enum import StrEnum
from http import HTTPStatus


class Fault(StrEnum):
    """Codes of the contract: none is taken out or changes its meaning within a version."""

    NO_SUCH_PATH = "no_such_path"
    WRONG_METHOD = "wrong_method"
    NOT_SIGNED_IN = "not_signed_in"
    OVER_QUOTA = "over_quota"
    BAD_HEADER = "bad_header"
    BAD_BODY = "bad_body"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNKNOWN_CAMERA = "unknown_camera"
    BROKEN_PICTURE = "broken_picture"
    WRONG_DIGEST = "wrong_digest"
    WRONG_SIZE = "wrong_size"
    WRONG_CLOCK = "wrong_clock"
    OUT_OF_ORDER = "out_of_order"
    REUSED = "reused"
    BUSY = "busy"
    FAULT_OF_OURS = "fault_of_ours"


STATUS = {
    Fault.NO_SUCH_PATH: HTTPStatus.NOT_FOUND,
    Fault.WRONG_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    Fault.NOT_SIGNED_IN: HTTPStatus.UNAUTHORIZED,
    Fault.OVER_QUOTA: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.BAD_HEADER: HTTPStatus.BAD_REQUEST,
    Fault.BAD_BODY: HTTPStatus.BAD_REQUEST,
    Fault.WRONG_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Fault.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Fault.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Fault.UNKNOWN_CAMERA: HTTPStatus.NOT_FOUND,
    Fault.BROKEN_PICTURE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Fault.WRONG_DIGEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    Fault.WRONG_SIZE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Fault.WRONG_CLOCK: HTTPStatus.UNPROCESSABLE_ENTITY,
    Fault.OUT_OF_ORDER: HTTPStatus.CONFLICT,
    Fault.REUSED: HTTPStatus.CONFLICT,
    Fault.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Fault.FAULT_OF_OURS: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Refused(Exception):
    """`field` is the header or the place in the JSON that is wrong; None if it is the request as a whole."""

    def __init__(self, fault: Fault, message: str, field: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> HTTPStatus:
        return STATUS[self.fault]
