"""What can go wrong on the wire, as knobs."""

from dataclasses import dataclass


@dataclass
class Faults:
    """Turn a knob and the next messages suffer; `simulator/` methods are spared, so that it can be undone."""

    delay: float = 0.0  # seconds before every answer
    silence: bool = False  # requests are carried out, nothing is sent
    garbage: bytes = b""  # sent in front of the next frames
    garbage_frames: int = 1  # how many frames that hits
    hang_connect: bool = False  # new connections are accepted, never read
    drop: bool = False  # a request is carried out and the connection closed in place of an answer

    def spoil(self, frame: bytes) -> bytes:
        """A frame with what is to be injected before it."""
        if not self.garbage or self.garbage_frames < 1:
            return frame
        self.garbage_frames -= 1
        spoilt = self.garbage + frame
        if self.garbage_frames < 1:
            self.garbage, self.garbage_frames = b"", 1
        return spoilt
