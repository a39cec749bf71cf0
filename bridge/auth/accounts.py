"""What users do with their accounts: log in and out, come and go."""

import time

from bridge.auth.passwords import Passwords
from bridge.auth.throttle import Throttle
from bridge.auth.tokens import Tokens
from bridge.auth.users import SOURCE, User, Users, new_session
from bridge.errors import BadRequest, Unauthorized

WRONG_LOGIN = "Unauthorized: the user name or the password is wrong"


class Accounts:
    """Users, their passwords and their sessions."""

    def __init__(self, users: Users, passwords: Passwords, tokens: Tokens, throttle: Throttle) -> None:
        self.users, self.tokens = users, tokens
        self._passwords, self._throttle = passwords, throttle

    async def log_in(self, name: str, password: str, *, source: str | None, address: str) -> User:
        """The user with that password, or Unauthorized: the same for a wrong name and a wrong password."""
        if source not in (None, "", SOURCE):
            raise BadRequest(f"Argument 'source': '{source[:40]}' is not offered, only '{SOURCE}'")
        return await self._checked(name, password, address)

    async def create(self, name: str, password: str) -> User:
        """A new user."""
        if self.users.find(name) is not None:  # before scrypt's work
            raise BadRequest(f"User {name} already exists")
        kept = await self._passwords.hash(password)
        user = User(name, kept, created_on=time.time(), session=new_session())
        await self.users.add(user)
        return user

    async def change_password(self, name: str, password: str, new: str, *, address: str) -> None:
        """Another password, for who knows the present one."""
        user = await self._checked(name, password, address)
        await self.users.replace(user.username, password=await self._passwords.hash(new))

    async def log_out(self, name: str) -> None:
        """End every session of a user."""
        await self.users.end_session(name)

    async def delete(self, name: str) -> None:
        """That user is no more, nor is any token of it."""
        await self.users.remove(name)

    def refresh(self, token: str) -> User:
        """The user of a refresh token, or Unauthorized."""
        found = self.tokens.read(token, "refresh")
        if found.user is None:
            raise Unauthorized(f"Unauthorized: {found.failure}")
        return found.user

    async def _checked(self, name: str, password: str, address: str) -> User:
        async with self._throttle.turn(address):
            user = self.users.find(name)
            right = await self._passwords.verify(password, user.password if user is not None else None)
            user = self.users.find(name)  # as it is by now
            if right and user is not None:
                self._throttle.succeeded(address)
                return user
            await self._throttle.failed(address, "wrong logins came")
            raise Unauthorized(WRONG_LOGIN)
