"""Pictures of cameras, fetched when somebody wants one."""

from urllib.parse import urlsplit

import aiohttp

from bridge.config.webcams import Webcams as Settings
from bridge.errors import ConfigError, DeviceFailed, NotFound, TimedOut
from bridge.outgoing import Outgoing, body_of, is_web_address, reason_of
from bridge.webcams.webcam import Webcam, absolute


class Snapshots:
    """Fetches one picture at a time from any camera."""

    def __init__(self, outgoing: Outgoing, settings: Settings) -> None:
        self._outgoing, self._settings = outgoing, settings
        for option in ("base_url", "public_url"):
            url = getattr(settings, option)
            if url and not is_web_address(url):
                raise ConfigError(f"webcams.{option}: expected an address such as http://printer.local")

    def address(self, url: str) -> str:
        """An address of a camera as this machine reaches it."""
        return absolute(self._settings.base_url, url)

    async def fetch(self, webcam: Webcam, most: int) -> tuple[bytes, str]:
        """The picture and its type; NotFound, TimedOut, TooLarge, or DeviceFailed where it is none."""
        if not webcam.snapshot_url:
            raise NotFound(f"Webcam '{webcam.name}' has no snapshot_url")
        url = self.address(webcam.snapshot_url)
        where = urlsplit(url).hostname or "the camera"
        if urlsplit(url).scheme not in ("http", "https"):
            raise DeviceFailed(f"the snapshot_url of '{webcam.name}' is no http:// or https:// address")
        try:
            async with self._outgoing.session.get(
                url, timeout=aiohttp.ClientTimeout(total=self._settings.timeout), max_redirects=3
            ) as answer:
                if answer.status >= 400:  # noqa: PLR2004 - HTTP's own bound
                    raise DeviceFailed(f"{where} answers {answer.status} {answer.reason}")
                if not answer.content_type.startswith("image/"):
                    raise DeviceFailed(f"{where} answers with {answer.content_type}, which is no picture")
                return await body_of(answer, most), answer.content_type
        except TimeoutError as error:
            raise TimedOut(f"no picture from {where} within {self._settings.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceFailed(f"{where} cannot be reached: {reason_of(error)}") from error
