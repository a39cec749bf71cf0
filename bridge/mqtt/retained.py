"""Which topics the broker keeps for us."""


class Retained:
    """What was published to stay, and what of it nobody publishes any more."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.forsaken: set[str] = set()  # to be cleared when nobody reads them

    def note(self, topic: str, payload: bytes) -> None:
        """Something was published with the retain flag; an empty payload takes it away."""
        self.forsaken.discard(topic)
        (self.kept.add if payload else self.kept.discard)(topic)

    def forsake(self, topic: str) -> None:
        """Nobody will publish `topic` any more."""
        self.kept.discard(topic)
        self.forsaken.add(topic)
