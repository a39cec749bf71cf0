"""TLS seen from the broker's side: which name is asked for, and that nothing is said before the broker is known."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.klippy.simulator import Simulator
from tests.conftest import Start
from tests.mqtt.certificates import Authority
from tests.wire import HOST, until

QUICK = {"homeassistant": {"enabled": False}}
LOGIN = {"username": "me", "password": "s3cret-password"}

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "our own authority")


class Listener:
    """A server that speaks TLS, notes what it hears, and answers nothing."""

    def __init__(self, authority: Authority, host: str, *, days: int = 2, ask: bool = False) -> None:
        cert, key = authority.sign(f"listener-{host.replace(':', '-')}-{days}-{ask}", host=host, days=days)
        self.names: list[str | None] = []
        self.heard = b""
        self.tried = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if ask:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(authority.cert)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Its port; connections are counted before their handshake."""
        server = await asyncio.start_server(self._accept, HOST, 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tried += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await writer.start_tls(self._context)
            while data := await reader.read(4096):
                self.heard += data
        writer.close()


BAD = {
    "authority": {"host": "DNS:localhost,IP:127.0.0.1"},
    "host": {"host": "DNS:elsewhere"},
    "date": {"host": "DNS:localhost,IP:127.0.0.1", "days": -1},
}


@pytest.mark.parametrize("wrong", BAD)
async def test_a_broker_that_is_not_known_hears_no_password(
    wrong: str, start: Start, klippy: Simulator, authority: Authority, tmp_path: Path
) -> None:
    listener = Listener(authority, **BAD[wrong])
    trusted = Authority(tmp_path, "another") if wrong == "authority" else authority
    async with listener.listening() as port:
        bridge = await start(
            wait=False, mqtt={"port": port, **LOGIN, "tls": {"ca": str(trusted.cert)}}, **QUICK
        )
        await until(lambda: bridge.bridge.mqtt.last_error)
        assert listener.tried >= 1
        assert listener.heard == b""
        assert "certificate" in str(bridge.bridge.health.now().last_error)
        assert "s3cret" not in str(bridge.bridge.health.now().last_error)


async def test_a_broker_that_is_known_hears_the_password_and_its_own_name(
    start: Start, klippy: Simulator, authority: Authority
) -> None:
    listener = Listener(authority, "DNS:localhost")
    async with listener.listening() as port:
        options = {"host": "localhost", "port": port, **LOGIN, "tls": {"ca": str(authority.cert)}}
        await start(wait=False, mqtt=options, **QUICK)
        await until(lambda: b"s3cret-password" in listener.heard)
        assert listener.names[0] == "localhost"


async def test_a_broker_that_asks_for_a_certificate_hears_no_password_without_one(
    start: Start, klippy: Simulator, authority: Authority
) -> None:
    listener = Listener(authority, "IP:127.0.0.1", ask=True)
    async with listener.listening() as port:
        bridge = await start(
            wait=False, mqtt={"port": port, **LOGIN, "tls": {"ca": str(authority.cert)}}, **QUICK
        )
        await until(lambda: bridge.bridge.mqtt.last_error)
        assert listener.heard == b""
