"""Learning rate and duration of a training."""

from dataclasses import dataclass
from math import cos, pi

from etle.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Ends after `minutes` or after `samples`, whichever is set; with samples a run is reproducible."""

    minutes: float | None = None
    samples: int | None = None
    peak_rate: float = 3e-4
    warm_up_steps: int = 100

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.samples is None):
            raise ConfigError("Set the length of the training with --minutes or with --samples")
        if (self.minutes or self.samples or 0) <= 0:
            raise ConfigError("--minutes or --samples must be greater than 0")

    def fraction_done(self, *, seconds: float, samples: int) -> float:
        """0 to 1."""
        if self.minutes is not None:
            return min(1.0, seconds / 60 / self.minutes)
        assert self.samples is not None
        return min(1.0, samples / self.samples)

    def learning_rate(self, step: int, fraction_done: float) -> float:
        """Linear warm-up, then a cosine down to 0."""
        return self.peak_rate * min(1.0, (step + 1) / self.warm_up_steps) * (0.5 + 0.5 * cos(pi * fraction_done))
