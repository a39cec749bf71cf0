"""What people should know, as one retained topic."""

from bridge.announcements.board import Board
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Announcements
from bridge.mqtt.sheet import MqttSheet
from bridge.mqtt.topics import Topics

LONGEST = 1000  # characters of a description; the whole of it is in server.announcements.list


class MqttAnnouncements:
    """A part that follows the board; it opens after whoever reads what the board has kept."""

    def __init__(self, link: MqttLink, topics: Topics, board: Board) -> None:
        self._sheet, self._board = MqttSheet(link, topics.announcements), board
        board.changed.connect(lambda _entries: self._show())
        board.dismissed.connect(lambda _entry_id: self._show())
        board.woke.connect(lambda _entry_id: self._show())

    async def open(self) -> None:
        """Say what was kept."""
        self._show()

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Nothing to give back."""

    def publish(self) -> None:
        """Say it again."""
        self._sheet.publish()

    def _show(self) -> None:
        waiting = [one for one in self._board.entries if not one.dismissed]
        if not waiting:
            self._sheet.show(Announcements(0))
            return
        newest = waiting[0]
        self._sheet.show(
            Announcements(
                waiting=len(waiting),
                title=newest.title,
                description=newest.description[:LONGEST] or None,
                url=newest.url or None,
                priority=newest.priority,
                date=newest.date,
            )
        )
