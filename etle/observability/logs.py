"""Logging to standard error: as text, or as one JSON object per line for a log collector.

Values passed as `extra=` become keys of the JSON object, or `key=value` after the message of the text.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

from etle.redaction import redacted


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


_STANDARD_FIELDS: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))
"""Attributes of every record; the others were passed as `extra`."""


def configure_logging(format_: LogFormat, level: int, stream: TextIO | None = None) -> None:
    """Set format and level of all loggers of the process; replaces an earlier configuration."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (name of the overridden method)
        return " ".join((super().formatMessage(record), *(f"{key}={value}" for key, value in _extra(record).items())))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps({**_extra(record), **line}, ensure_ascii=False, default=str))


def _extra(record: logging.LogRecord) -> Mapping[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
