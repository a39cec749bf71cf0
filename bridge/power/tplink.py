"""Kasa and Tapo plugs, by python-kasa."""

from typing import Any

from bridge.config.power import TplinkSwitch
from bridge.errors import DeviceFailed
from bridge.extras import extra
from bridge.power.device import Polled, See


class TplinkPlug(Polled):
    """Connected while it is watched; older plugs directly, those with an account by what they announce."""

    def __init__(self, settings: TplinkSwitch, where: str) -> None:
        super().__init__(settings.poll)
        self._kasa = extra("kasa", "tplink", where)
        self._settings, self._where = settings, where
        self._device: Any = None

    async def watch(self, see: See) -> None:
        """Connect, then ask again and again."""
        try:
            self._device = await self._connected()
            await super().watch(see)
        except self._kasa.KasaException as error:
            raise DeviceFailed(f"{self._settings.address}: {error}") from error
        finally:
            device, self._device = self._device, None
            if device is not None:
                await device.disconnect()

    async def switch(self, *, on: bool) -> None:
        """Tell it, and ask what it has become."""
        try:
            await super().switch(on=on)
        except self._kasa.KasaException as error:
            raise DeviceFailed(f"{self._settings.address}: {error}") from error

    async def command(self, *, on: bool) -> None:
        """Tell it what to become."""
        socket = self._socket()
        await (socket.turn_on() if on else socket.turn_off())

    async def read(self) -> bool:
        """Ask what it is."""
        if self._device is not None:
            await self._device.update()
        return bool(self._socket().is_on)

    async def _connected(self) -> Any:
        settings, kasa = self._settings, self._kasa
        if settings.username is None:
            config = kasa.DeviceConfig(
                settings.address, port_override=settings.port, timeout=max(1, round(settings.timeout))
            )
            return await kasa.Device.connect(config=config)
        return await kasa.Discover.discover_single(
            settings.address,
            port=settings.port,
            discovery_timeout=max(1, round(settings.timeout)),
            username=settings.username,
            password=settings.password or "",
        )

    def _socket(self) -> Any:
        """The plug, or the socket of a strip."""
        if self._device is None:
            raise DeviceFailed(f"{self._settings.address} is not connected")
        if self._settings.output is None:
            return self._device
        sockets = self._device.children
        if self._settings.output >= len(sockets):
            raise DeviceFailed(
                f"it has {len(sockets)} sockets, counted from 0; {self._where}.output is wrong"
            )
        return sockets[self._settings.output]
