"""The `feed` of a signal: its controller reports the state, instead of the picture or besides it."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from etle.address import Address, check_address
from etle.config.strict_yaml import Section


class SignalFeed(Section):
    """Where the messages of a signal's controller come from (exactly one of `http`, `topic` and `file`), and how far to trust their times.

    Where they come from is not part of a configuration's digest: the messages are stored with the frames.
    """

    http: str | None = Field(None, exclude=True, description="An address that answers with the present state, asked every `interval_s`.")
    topic: str | None = Field(
        None, exclude=True, pattern=r"^[A-Za-z0-9._-]{1,249}$", description="A topic of the site's Kafka, to which the controller writes."
    )
    file: Path | None = Field(None, exclude=True, description="A recording, one message a line: for a recorded source.")
    signal: str | None = Field(None, min_length=1, exclude=True, description="The signal's name in the messages; without it, its id here.")
    uncertainty_ms: int = Field(
        500,
        ge=0,
        le=5000,
        description="Largest difference between the times of messages and frames: clocks, network, delay of the camera.",
    )
    silent_after_s: float = Field(
        2.0, ge=0.5, le=10, description="A frame waits this long for the controller's message about its time; then its signal is unknown."
    )
    interval_s: float = Field(0.5, ge=0.05, le=10, exclude=True, description="Time between two requests over HTTP.")
    timeout_s: float = Field(2.0, gt=0, le=60, exclude=True, description="Longest time for an answer over HTTP.")

    @model_validator(mode="after")
    def one_place(self) -> Self:
        given = [key for key in ("http", "topic", "file") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("a feed has one of `http`, `topic` and `file`" + (f"; here: {', '.join(given)}" if given else ""))
        if self.http is not None and not self.http.startswith(("http://", "https://")):
            raise ValueError("`http` is an address that begins with http:// or https://")
        if self.http is not None:
            check_address(self.http)
        return self

    @property
    def live(self) -> bool:
        """False for a recording."""
        return self.file is None

    @property
    def description(self) -> str:
        """The place, without user and password."""
        if self.http is not None:
            return Address.of(self.http).shown
        return f"topic {self.topic}" if self.topic is not None else str(self.file)

    @property
    def uncertainty(self) -> timedelta:
        return timedelta(milliseconds=self.uncertainty_ms)
