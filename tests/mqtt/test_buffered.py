import socket
from collections.abc import Iterator

import pytest

from bridge.mqtt.buffered import TOGETHER, BufferedSocket

Pair = tuple[BufferedSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Our end, as paho has it, and the broker's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        buffered = BufferedSocket(ours)
        yield buffered, theirs
        buffered.close()


def test_what_comes_together_is_read_at_once_and_given_out_in_pieces(pair: Pair) -> None:
    buffered, theirs = pair
    theirs.sendall(b"0123456789")
    assert buffered.recv(1) == b"0"
    assert buffered.pending() == 9
    assert buffered.recv(4) == b"1234"
    assert buffered.recv(100) == b"56789"
    assert buffered.pending() == 0
    with pytest.raises(BlockingIOError):
        buffered.recv(1)


def test_what_comes_after_an_empty_look_is_read_too(pair: Pair) -> None:
    buffered, theirs = pair
    with pytest.raises(BlockingIOError):
        buffered.recv(1)
    theirs.sendall(b"late")
    assert buffered.recv(4) == b"late"


def test_an_end_of_the_connection_comes_behind_what_was_sent_before(pair: Pair) -> None:
    buffered, theirs = pair
    theirs.sendall(b"last")
    theirs.shutdown(socket.SHUT_WR)
    assert buffered.recv(2) == b"la"
    assert buffered.recv(2) == b"st"
    assert buffered.recv(1) == b""


def test_nothing_is_sent_before_the_flush_and_all_of_it_then(pair: Pair) -> None:
    buffered, theirs = pair
    theirs.setblocking(False)
    assert buffered.send(b"one ") == 4
    assert buffered.send(bytearray(b"two")) == 3
    with pytest.raises(BlockingIOError):
        theirs.recv(10)
    assert buffered.flush()
    assert theirs.recv(10) == b"one two"


def _filled(buffered: BufferedSocket) -> int:
    """Send until it refuses; how many bytes it has taken."""
    taken = 0
    try:
        while True:
            taken += buffered.send(bytes(TOGETHER))
    except BlockingIOError:
        return taken


def test_a_full_socket_says_so_and_loses_nothing(pair: Pair) -> None:
    buffered, theirs = pair
    taken = _filled(buffered)
    assert not buffered.flush()
    theirs.setblocking(False)
    arrived = 0
    while arrived < taken:
        arrived += len(theirs.recv(TOGETHER))
        buffered.flush()
    assert arrived == taken
    assert buffered.flush()


def test_closing_sends_what_waits(pair: Pair) -> None:
    buffered, theirs = pair
    buffered.send(b"goodbye")
    buffered.close()
    assert theirs.recv(10) == b"goodbye"
    assert theirs.recv(10) == b""
    assert buffered.fileno() == -1


def test_a_connection_that_is_gone_is_left_to_the_reader(pair: Pair) -> None:
    buffered, theirs = pair
    theirs.close()
    buffered.send(b"too late")
    assert buffered.flush()
    assert buffered.recv(1) == b""
