"""Errors of the push API: an HTTP status and a stable code for the client's program, and a message for its developer."""

from enum import StrEnum
from http import HTTPStatus


class ErrorCode(StrEnum):
    """Codes of the contract. Within a version no code is removed and none changes its meaning."""

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
    UNKNOWN_DEVICE = "unknown_device"
    WRONG_SIGNATURE = "wrong_signature"
    MISSING_PICTURE = "missing_picture"
    NOT_MEASURED = "not_measured"
    BELOW_LIMIT = "below_limit"
    BUSY = "busy"
    INTERNAL_ERROR = "fault_of_ours"


STATUS = {
    ErrorCode.NO_SUCH_PATH: HTTPStatus.NOT_FOUND,
    ErrorCode.WRONG_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.NOT_SIGNED_IN: HTTPStatus.UNAUTHORIZED,
    ErrorCode.OVER_QUOTA: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.BAD_HEADER: HTTPStatus.BAD_REQUEST,
    ErrorCode.BAD_BODY: HTTPStatus.BAD_REQUEST,
    ErrorCode.WRONG_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    ErrorCode.UNKNOWN_CAMERA: HTTPStatus.NOT_FOUND,
    ErrorCode.BROKEN_PICTURE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.WRONG_DIGEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.WRONG_SIZE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.WRONG_CLOCK: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.OUT_OF_ORDER: HTTPStatus.CONFLICT,
    ErrorCode.REUSED: HTTPStatus.CONFLICT,
    ErrorCode.UNKNOWN_DEVICE: HTTPStatus.NOT_FOUND,
    ErrorCode.WRONG_SIGNATURE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.MISSING_PICTURE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.NOT_MEASURED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.BELOW_LIMIT: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class ApiError(Exception):
    """A request that is not accepted. `field` is the header, or the path in the JSON, that is wrong; None if no single one is."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> HTTPStatus:
        return STATUS[self.code]
