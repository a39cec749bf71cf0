"""access.*: users, their logins, tokens and the API key (seed 004, Authorization, and today's fields)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.access import Guard
from bridge.auth.accounts import Accounts
from bridge.auth.api_key import ApiKey
from bridge.auth.users import SOURCE, User
from bridge.clients import Visitor
from bridge.errors import BadRequest, Forbidden
from bridge.rpc import NOT_MQTT, Access, Call, Client, Notice, rpc

ELSEWHERE = "log in over HTTP or a WebSocket; a request over MQTT may carry a `token` in its params"

Name = Annotated[str, Meta(description="the user's name")]


class UserName(msgspec.Struct, frozen=True):
    """A user whose account has changed."""

    username: str


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A login: the token goes into `Authorization: Bearer …`, for an hour; the other one makes new ones."""

    username: str
    token: str
    refresh_token: str
    action: Literal["user_logged_in", "user_created"]
    source: str = SOURCE


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """Another token."""

    username: str
    token: str
    source: str = SOURCE
    action: Literal["user_jwt_refresh"] = "user_jwt_refresh"


class Done(msgspec.Struct, frozen=True):
    """What was done to whom."""

    username: str
    action: Literal["user_logged_out", "user_deleted", "user_password_reset"]


class UserInfo(msgspec.Struct, frozen=True):
    """A user; all null when nobody is logged in."""

    username: str | None
    source: str | None
    created_on: Annotated[float | None, Meta(description="Unix seconds")]


class UserList(msgspec.Struct, frozen=True):
    """All users."""

    users: list[UserInfo]


class Info(msgspec.Struct, frozen=True):
    """What a client needs to know before it logs in."""

    default_source: str
    available_sources: list[str]
    login_required: Annotated[bool, Meta(description="whether an address alone lets nobody in")]
    trusted: Annotated[bool, Meta(description="whether the address of who asks needs no login")]


class Auth:
    """Users and their logins, tokens, and the API key."""

    components = ("authorization",)

    def __init__(self, accounts: Accounts, guard: Guard, key: ApiKey) -> None:
        self.created: Notice[UserName] = Notice("notify_user_created", UserName, "A user was created.")
        self.deleted: Notice[UserName] = Notice("notify_user_deleted", UserName, "A user was deleted.")
        self.logged_out: Notice[UserName] = Notice("notify_user_logged_out", UserName, "A user logged out.")
        self._accounts, self._guard, self._key = accounts, guard, key

    @rpc("access.login", "POST", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE, public=True)
    async def login(
        self, call: Call, *, username: Name, password: str, source: str | None = None
    ) -> LoggedIn:
        """Log in with name and password; a WebSocket that does so is that user from then on.

        Wrong ones are 401, and slowed down when they come again and again.
        """
        visitor = _visitor(call.client)
        user = await self._accounts.log_in(username, password, source=source, address=visitor.household)
        return self._welcome(visitor, user, "user_logged_in")

    @rpc("access.logout", "POST", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def logout(self, call: Call) -> Done:
        """Log out: every token of the user who asks is worthless from now on, on all devices."""
        name = self._logged_in(call)
        await self._accounts.log_out(name)
        self.logged_out.emit(UserName(name))
        return Done(name, "user_logged_out")

    @rpc(
        "access.get_user",
        "GET",
        path="/access/user",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere=ELSEWHERE,
    )
    async def get_user(self, call: Call) -> UserInfo:
        """Who is logged in."""
        name = call.client.user
        user = self._accounts.users.find(name) if name is not None else None
        if user is None:
            return UserInfo(name, SOURCE if name is not None else None, None)
        return _info(user)

    @rpc(
        "access.post_user",
        "POST",
        path="/access/user",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere=ELSEWHERE,
    )
    async def post_user(self, call: Call, *, username: Name, password: str) -> LoggedIn:
        """Create a user, and log in as that one."""
        user = await self._accounts.create(username, password)
        self.created.emit(UserName(username))
        return self._welcome(_visitor(call.client), user, "user_created")

    @rpc(
        "access.delete_user",
        "DELETE",
        path="/access/user",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere=ELSEWHERE,
    )
    async def delete_user(self, call: Call, *, username: Name) -> Done:
        """Delete another user, whose tokens are worthless from now on."""
        if username == call.client.user:
            raise BadRequest("One cannot delete oneself; another user, or the API key, can")
        await self._accounts.delete(username)
        self.deleted.emit(UserName(username))
        return Done(username, "user_deleted")

    @rpc("access.users.list", "GET", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def users_list(self, call: Call) -> UserList:
        """All users."""
        return UserList([_info(user) for user in self._accounts.users.all()])

    @rpc("access.user.password", "POST", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def password(self, call: Call, *, password: str, new_password: str) -> Done:
        """Change the password of the user who asks; tokens stay good until that user logs out."""
        name, visitor = self._logged_in(call), _visitor(call.client)
        await self._accounts.change_password(name, password, new_password, address=visitor.household)
        return Done(name, "user_password_reset")

    @rpc("access.refresh_jwt", "POST", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE, public=True)
    async def refresh_jwt(self, call: Call, *, refresh_token: str) -> Refreshed:
        """Another token for another hour."""
        user = self._accounts.refresh(refresh_token)
        return Refreshed(username=user.username, token=self._accounts.tokens.issue(user, "auth"))

    @rpc("access.oneshot_token", "GET", access=Access.ADMIN, doors=NOT_MQTT, elsewhere=ELSEWHERE)
    async def oneshot_token(self, call: Call) -> str:
        """A token for `?token=…`: good once, within 5 s, from the address that asks."""
        visitor = _visitor(call.client)
        return self._guard.oneshots.make(visitor.identity, visitor.address)

    @rpc(
        "access.get_api_key",
        "GET",
        path="/access/api_key",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere=ELSEWHERE,
    )
    async def get_api_key(self, call: Call) -> str:
        """The API key, for `X-Api-Key`."""
        return self._key.value

    @rpc(
        "access.post_api_key",
        "POST",
        path="/access/api_key",
        access=Access.ADMIN,
        doors=NOT_MQTT,
        elsewhere=ELSEWHERE,
    )
    async def post_api_key(self, call: Call) -> str:
        """A new API key; the present one is worthless at once. One that is configured stays (409)."""
        return await self._key.renew()

    @rpc("access.info", "GET", access=Access.READ, doors=NOT_MQTT, elsewhere=ELSEWHERE, public=True)
    async def info(self, call: Call) -> Info:
        """How one gets in here."""
        return Info(SOURCE, [SOURCE], self._guard.login_required, _visitor(call.client).trusted)

    def _welcome(
        self, visitor: Visitor, user: User, action: Literal["user_logged_in", "user_created"]
    ) -> LoggedIn:
        """Tokens; who logs in over a WebSocket is that user on it, who creates a user only if none before."""
        if action == "user_logged_in" or not visitor.identity.session:
            visitor.become(self._guard.identity_of(user))
        tokens = self._accounts.tokens
        return LoggedIn(
            username=user.username,
            token=tokens.issue(user, "auth"),
            refresh_token=tokens.issue(user, "refresh"),
            action=action,
        )

    def _logged_in(self, call: Call) -> str:
        """The user who asks, or BadRequest."""
        name = call.client.user
        if name is None or self._accounts.users.find(name) is None:
            raise BadRequest("Nobody is logged in; an address or an API key is no user")
        return name


def _visitor(client: Client) -> Visitor:
    if not isinstance(client, Visitor):
        raise Forbidden("Only a client over HTTP or WebSocket can do that")
    return client


def _info(user: User) -> UserInfo:
    return UserInfo(user.username, SOURCE, user.created_on)
