"""How topics and groups are called. The version in a topic's name is that of its contract."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicNames:
    """`prefix` keeps several deployments apart on one cluster."""

    prefix: str = "etle"

    @property
    def frames(self) -> str:
        return f"{self.prefix}.frames.v1"

    @property
    def violations(self) -> str:
        return f"{self.prefix}.violations.v1"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters.v1"

    @property
    def checkpoints(self) -> str:
        return f"{self.prefix}.checkpoints.v1"

    @property
    def events(self) -> str:
        """What vendors' boxes claim to have seen."""
        return f"{self.prefix}.events.v1"

    @property
    def detect_group(self) -> str:
        return f"{self.prefix}-detect"

    @property
    def write_group(self) -> str:
        return f"{self.prefix}-write"
