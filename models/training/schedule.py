"""How fast to learn at each moment, and how long."""

from dataclasses import dataclass
from math import cos, pi

from etle.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Ends after so many minutes or so many samples, whichever is given; with samples a run can be repeated exactly."""

    minutes: float | None = None
    samples: int | None = None
    peak_rate: float = 3e-4
    warm_up_steps: int = 100

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.samples is None):
            raise ConfigError("A training ends after --minutes or after --samples: give one of them")
        if (self.minutes or self.samples or 0) <= 0:
            raise ConfigError("A training needs more than no minutes and no samples")

    def done(self, *, seconds: float, samples: int) -> float:
        """Share of the way, 1 at the end."""
        if self.minutes is not None:
            return min(1.0, seconds / 60 / self.minutes)
        assert self.samples is not None
        return min(1.0, samples / self.samples)

    def rate(self, step: int, done: float) -> float:
        """Up in a line, then down along a cosine to nothing."""
        return self.peak_rate * min(1.0, (step + 1) / self.warm_up_steps) * (0.5 + 0.5 * cos(pi * done))
