"""The users, in a file of their own: they are in no backup and no export of the database."""

import asyncio
import secrets
from pathlib import Path

import msgspec

from bridge.auth import secret_files
from bridge.decoding import UNREADABLE
from bridge.errors import BadParams, BadRequest, ConfigError, NotFound, TooManyRequests
from bridge.signals import Signal

MOST = 1000
LONGEST_NAME = 64
SOURCE = "moonraker"  # as clients know the store of users that a server has itself


class User(msgspec.Struct, frozen=True):
    """A user; the session is what all tokens of that user depend on."""

    username: str
    password: str  # as passwords.py keeps it
    created_on: float
    session: str


class _File(msgspec.Struct, frozen=True):
    users: list[User]


class Users:
    """All users by name; a change is on disk before anybody hears of it."""

    def __init__(self, path: Path) -> None:
        self.changed: Signal[None] = Signal("users")
        self._path = path
        self._users: dict[str, User] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Read the file; one that cannot be read must not make an open house of it."""
        content = await asyncio.to_thread(secret_files.recall, self._path)
        if content is None:
            return
        try:
            found = msgspec.json.decode(content, type=_File)
        except UNREADABLE as error:
            raise ConfigError(
                f"data: {self._path.name} is damaged ({error}); mend it, or remove it and make the users anew"
            ) from error
        self._users = {user.username: user for user in found.users}

    def __len__(self) -> int:
        """How many."""
        return len(self._users)

    def all(self) -> list[User]:
        """Every user, the oldest first."""
        return sorted(self._users.values(), key=lambda user: user.created_on)

    def find(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    async def add(self, user: User) -> None:
        """A new user, unless the name is taken or none."""
        name = user.username
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
            raise BadParams(f"A user's name has 1 to {LONGEST_NAME} printable characters")
        if name.startswith("_"):
            raise BadParams("A user's name does not begin with `_`; such names are the server's own")
        async with self._changing:
            if name in self._users:
                raise BadRequest(f"User {name} already exists")
            if len(self._users) >= MOST:
                raise TooManyRequests(f"There are {MOST} users already; delete some")
            await self._save({**self._users, name: user})

    async def replace(self, name: str, **fields: str) -> User:
        """Change something of a user."""
        async with self._changing:
            user = msgspec.structs.replace(self.get(name), **fields)
            await self._save({**self._users, name: user})
            return user

    async def end_session(self, name: str) -> None:
        """Make every token of a user worthless."""
        await self.replace(name, session=new_session())

    async def remove(self, name: str) -> None:
        """That user is no more."""
        async with self._changing:
            self.get(name)
            await self._save({key: user for key, user in self._users.items() if key != name})

    def get(self, name: str) -> User:
        """The user of that name, or NotFound."""
        user = self._users.get(name)
        if user is None:
            raise NotFound(f"There is no user {name[:LONGEST_NAME]}")
        return user

    async def _save(self, users: dict[str, User]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_File(list(users.values()))))
        await asyncio.to_thread(secret_files.keep, self._path, content)
        self._users = users
        self.changed.emit(None)


def new_session() -> str:
    """A session that was never there before."""
    return secrets.token_hex(16)
