"""A socket that reads ahead and writes together; by itself paho asks the system four times a message."""

import socket
import ssl

AHEAD = 16_384  # bytes read at once; the messages in them are handled in one turn of the loop
TOGETHER = 65_536  # bytes that wait for `flush` at most


class BufferedSocket:
    """What paho asks of its socket, with a buffer each way; `flush` ends a round of sending."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._read = b""
        self._position = 0
        self._unsent = bytearray()

    def recv(self, size: int) -> bytes:
        """At most `size` bytes: of what was read ahead, else what the system has."""
        if self._position == len(self._read):
            self._read, self._position = b"", 0
            self._read = self._socket.recv(max(size, AHEAD))
        start, self._position = self._position, min(self._position + size, len(self._read))
        return self._read[start : self._position]

    def pending(self) -> int:
        """Bytes that the system has given already, as an SSL socket counts them."""
        below = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return len(self._read) - self._position + below

    def send(self, data: bytes | bytearray) -> int:
        """Take `data` for the next flush; BlockingIOError when the far end does not keep up."""
        if len(self._unsent) >= TOGETHER and not self.flush():
            raise BlockingIOError
        self._unsent += data
        return len(data)

    def flush(self) -> bool:
        """Hand the system what waits; False when it does not take all of it now."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            self._unsent.clear()  # the connection is gone; reading tells paho, in its own way
        return True

    def fileno(self) -> int:
        """The system's number of it, -1 once it is closed."""
        return self._socket.fileno()

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """As of any socket."""
        return self._socket.getsockopt(level, option, size)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - a socket's own
        """As of any socket."""
        self._socket.setblocking(flag)

    def close(self) -> None:
        """Send what can still be sent, and close."""
        self.flush()
        self._socket.close()
