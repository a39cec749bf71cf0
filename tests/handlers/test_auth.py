"""access.* over HTTP and WebSocket, as Fluidd, Obico and slicers use it."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bridge.auth.users import User, new_session
from tests.auth.people import CHEAP, answer
from tests.http_compat.house import House, Ws, house
from tests.wire import until

TRUSTED = {"trusted": ["127.0.0.0/8"]}
STRANGE: dict[str, Any] = {"trusted": []}
SESAME = {"username": "ann", "password": "sesame"}


@asynccontextmanager
async def home(folder: Path, **options: Any) -> AsyncIterator[House]:
    """A house with Ann, whose password is "sesame"."""
    async with house(folder, **options) as one:
        await one.accounts.users.add(User("ann", CHEAP, 1.0, new_session()))
        yield one


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def login(one: House, **options: Any) -> dict[str, Any]:
    status, body, _ = await one.fetch("POST", "/access/login", json={**SESAME, **options})
    assert status == 200, body
    return body["result"]


# -- in and out


async def test_a_user_logs_in_works_and_logs_out(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        assert (await one.fetch("GET", "/sample/raw"))[0] == 401
        found = await login(one)
        assert found == {
            "username": "ann",
            "token": found["token"],
            "refresh_token": found["refresh_token"],
            "action": "user_logged_in",
            "source": "moonraker",
        }
        token = bearer(found["token"])
        assert await one.get("/sample/raw", headers=token)
        assert await one.get(f"/sample/raw?access_token={found['token']}")
        who = await one.get("/access/user", headers=token)
        assert who == {"username": "ann", "source": "moonraker", "created_on": 1.0}
        refresh = {"refresh_token": found["refresh_token"]}
        status, body, _ = await one.fetch("POST", "/access/refresh_jwt", json=refresh)
        assert (status, body["result"]["action"]) == (200, "user_jwt_refresh")
        again = bearer(body["result"]["token"])
        assert (await one.get("/access/user", headers=again))["username"] == "ann"
        status, body, _ = await one.fetch("POST", "/access/logout", headers=again)
        assert body == {"result": {"username": "ann", "action": "user_logged_out"}}
        for headers in (token, again):
            assert (await one.fetch("GET", "/sample/raw", headers=headers))[0] == 401
        assert (await one.fetch("POST", "/access/refresh_jwt", json=refresh))[0] == 401


async def test_a_wrong_name_and_a_wrong_password_are_the_same(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        wrong = [{**SESAME, "password": "x"}, {**SESAME, "username": "bob"}, {**SESAME, "password": ""}]
        answers = [await one.fetch("POST", "/access/login", json=each) for each in wrong]
        assert {status for status, _, _ in answers} == {401}
        assert len({body["error"]["message"] for _, body, _ in answers}) == 1
        assert one.guard.throttle.failures == 3
        status, body, _ = await one.fetch("POST", "/access/login", json={**SESAME, "source": "ldap"})
        assert (status, "only 'moonraker'" in body["error"]["message"]) == (400, True)


async def test_whoever_guesses_is_slowed_down_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with home(tmp_path, **STRANGE) as one:
        loop = asyncio.get_running_loop()
        took = []
        for number in range(5):
            began = loop.time()
            status, _, _ = await one.fetch("GET", "/sample/raw", headers={"X-Api-Key": f"guess{number}"})
            assert status == 401
            took.append(loop.time() - began)
        assert max(took[:3]) < 0.5 <= took[3]
        assert took[4] >= 1.0
        told = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert told == ["wrong API keys came from 127.0.0.1 again and again; it is slowed down"]
        began = loop.time()
        assert await one.get(
            "/sample/raw", headers={"X-Api-Key": one.key.value}
        )  # who knows it does not wait
        assert loop.time() - began < 0.5


async def slowed_down(one: House, guess: Callable[[], Awaitable[int]]) -> None:
    """The fourth guess takes its time."""
    loop = asyncio.get_running_loop()
    took = []
    for number in range(4):
        began = loop.time()
        assert await guess() == 401
        took.append(loop.time() - began)
        assert one.guard.throttle.failures == number + 1
    assert took[3] >= 0.5


async def test_whoever_guesses_a_password_is_slowed_down(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:

        async def guess() -> int:
            return (await one.fetch("POST", "/access/login", json={**SESAME, "password": "x"}))[0]

        await slowed_down(one, guess)


async def test_whoever_guesses_by_digest_is_slowed_down(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:

        async def guess() -> int:
            challenge = one.guard.challenges(None)[0]
            header = answer(challenge, "wrong", "GET", "/sample/raw").header
            headers = {"Authorization": f"Digest {header}"}
            return (await one.fetch("GET", "/sample/raw", headers=headers))[0]

        await slowed_down(one, guess)


async def test_a_websocket_that_guesses_is_slowed_down_too(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one, one.socket() as ws:
        for number in range(4):
            await ws.refused("sample.identify", {"api_key": f"guess{number}"})
        assert one.guard.throttle.failures == 4


# -- accounts


async def test_everybody_hears_that_a_user_logged_out(tmp_path: Path) -> None:
    async with home(tmp_path) as one, one.socket() as ws:
        token = bearer((await login(one))["token"])
        assert (await one.fetch("POST", "/access/logout", headers=token))[0] == 200
        assert (await ws.notified("notify_user_logged_out"))["params"] == [{"username": "ann"}]


async def test_there_are_at_most_a_thousand_users(tmp_path: Path) -> None:
    known = {"users": [msgspec.to_builtins(User(str(number), CHEAP, 1.0, "s")) for number in range(1000)]}
    (tmp_path / "users.json").write_bytes(msgspec.json.encode(known))
    async with house(tmp_path) as one:
        ann = {"username": "ann", "password": "x"}
        status, body, _ = await one.fetch("POST", "/access/user", json=ann)
        assert (status, body["error"]["message"]) == (429, "There are 1000 users already; delete some")
        assert len(one.accounts.users) == 1000
        assert (await one.fetch("DELETE", "/access/user?username=7"))[0] == 200
        assert (await one.fetch("POST", "/access/user", json=ann))[0] == 200


async def test_users_come_and_go(tmp_path: Path) -> None:
    async with home(tmp_path) as one, one.socket() as ws:
        status, body, headers = await one.fetch(
            "POST", "/access/user", json={"username": "bob", "password": "x"}
        )
        created = body["result"]
        assert (status, created["action"], created["username"]) == (200, "user_created", "bob")
        assert headers["Cache-Control"] == "no-store"
        assert (await ws.notified("notify_user_created"))["params"] == [{"username": "bob"}]
        listed = (await one.get("/access/users/list"))["users"]
        assert [user["username"] for user in listed] == ["ann", "bob"]
        assert set(listed[0]) == {"username", "source", "created_on"}
        status, body, _ = await one.fetch("POST", "/access/user", json={"username": "bob", "password": "y"})
        assert (status, "already exists" in body["error"]["message"]) == (400, True)
        bob = bearer(created["token"])
        status, body, _ = await one.fetch("DELETE", "/access/user?username=bob", headers=bob)
        assert (status, "oneself" in body["error"]["message"]) == (400, True)
        assert (await one.fetch("DELETE", "/access/user", json={"username": "bob"}))[1] == {
            "result": {"username": "bob", "action": "user_deleted"}
        }
        assert (await ws.notified("notify_user_deleted"))["params"] == [{"username": "bob"}]
        assert (await one.get("/access/user", headers=bob))["username"] is None  # an address now, no user
        assert (await one.fetch("DELETE", "/access/user?username=bob"))[0] == 404


async def test_a_password_is_changed_by_who_knows_it(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        token = bearer((await login(one))["token"])
        change = {"password": "wrong", "new_password": "open"}
        assert (await one.fetch("POST", "/access/user/password", json=change, headers=token))[0] == 401
        assert (await one.fetch("POST", "/access/user/password", json=change))[0] == 400  # nobody logged in
        change["password"] = "sesame"
        status, body, _ = await one.fetch("POST", "/access/user/password", json=change, headers=token)
        assert (status, body["result"]) == (200, {"username": "ann", "action": "user_password_reset"})
        assert (await one.fetch("POST", "/access/login", json=SESAME))[0] == 401
        await login(one, password="open")
        assert (await one.get("/access/user", headers=token))["username"] == "ann"


async def test_nobody_is_logged_in_with_a_key_or_an_address(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        nobody = {"username": None, "source": None, "created_on": None}
        assert await one.get("/access/user") == nobody
        key = {"X-Api-Key": one.key.value}
        assert (await one.get("/access/user", headers=key))["username"] == "_API_KEY_USER_"
        for headers in ({}, key):
            assert (await one.fetch("POST", "/access/logout", headers=headers))[0] == 400


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"login_required": False, "trusted": True}),
        ({"trusted": []}, {"login_required": False, "trusted": False}),
        ({"force_logins": True}, {"login_required": True, "trusted": False}),
    ],
)
async def test_anybody_may_ask_how_one_gets_in(
    tmp_path: Path, options: dict[str, Any], expected: dict[str, bool]
) -> None:
    async with home(tmp_path, **options) as one, one.socket() as ws:
        known = {"default_source": "moonraker", "available_sources": ["moonraker"]}
        assert await one.get("/access/info") == known | expected
        assert await ws.call("access.info") == known | expected


# -- the key


async def test_the_key_is_renewed_at_once(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        old = {"X-Api-Key": one.key.value}
        assert await one.get("/access/api_key", headers=old) == one.key.value
        async with one.socket(headers=old) as ws:
            assert await ws.call("sample.raw")
            status, body, _ = await one.fetch("POST", "/access/api_key", headers=old)
            assert (status, body["result"]) == (200, one.key.value)
            assert body["result"] != old["X-Api-Key"]
            assert (await one.fetch("GET", "/sample/raw", headers=old))[0] == 401
            assert (await ws.refused("sample.raw"))["code"] == 401
        assert await one.get("/sample/raw", headers={"X-Api-Key": body["result"]})
        assert await one.get("/sample/raw", headers=bearer(body["result"]))


async def test_a_configured_key_is_not_changed(tmp_path: Path) -> None:
    async with home(tmp_path, api_key="mine") as one:
        status, body, _ = await one.fetch("POST", "/access/api_key")
        assert (status, "http.api_key" in body["error"]["message"]) == (409, True)
        assert await one.get("/access/api_key") == "mine"


# -- one-shot tokens


async def test_a_one_shot_token_opens_one_websocket_or_one_request(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        key = {"X-Api-Key": one.key.value}
        token = await one.get("/access/oneshot_token", headers=key)
        async with one.socket(f"/websocket?token={token}") as ws:
            assert await ws.call("sample.raw")
            assert (await ws.call("access.get_user"))["username"] == "_API_KEY_USER_"
        assert (await one.fetch("GET", f"/sample/raw?token={token}"))[0] == 401
        token = await one.get("/access/oneshot_token", headers=key)
        assert await one.get(f"/sample/echo?text=x&token={token}") == {"text": "x"}
        assert (await one.fetch("GET", f"/sample/raw?token={token}"))[0] == 401
        assert (await one.fetch("GET", "/access/oneshot_token"))[0] == 401


async def test_an_empty_token_is_none_and_a_wrong_one_does_no_harm_to_who_is_trusted(
    tmp_path: Path,
) -> None:
    async with home(tmp_path, **TRUSTED) as one:  # KlipperScreen: an empty one without a key, else the key
        for query in ("token=", f"token={one.key.value}", "access_token=", "access_token=x.y.z"):
            async with one.socket(f"/websocket?{query}") as ws:
                assert await ws.call("sample.raw")


async def test_a_token_in_the_query_reaches_no_method(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        token = (await login(one))["token"]
        query = f"/sample/query?extruder&access_token={token}&token=x"
        assert await one.get(query) == {"extruder": None}


# -- WebSockets


async def signed_in(one: House, ws: Ws) -> None:
    assert (await ws.refused("sample.raw"))["code"] == 401
    token = (await login(one))["token"]
    await ws.call("sample.identify", {"name": "ui", "access_token": token})
    assert (await ws.call("access.get_user"))["username"] == "ann"


async def test_a_websocket_identifies_itself_with_a_token_and_loses_it_with_the_logout(
    tmp_path: Path,
) -> None:
    async with home(tmp_path, **STRANGE) as one, one.socket() as ws, one.socket() as other:
        await signed_in(one, ws)
        await signed_in(one, other)
        await ws.call("sample.subscribe", {"objects": {"extruder": None}})
        assert (await other.call("access.logout"))["action"] == "user_logged_out"
        for socket in (ws, other):
            assert (await socket.refused("sample.raw"))["code"] == 401
        assert one.sockets._fanout._joined == {}
        one.sample.ended.emit(None)
        assert (await ws.refused("sample.raw"))["code"] == 401
        assert [heard for heard in ws.heard if heard.get("method") == "notify_sample_ended"] == []


async def test_a_websocket_logs_in_by_itself(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one, one.socket() as ws:
        assert (await ws.call("access.login", SESAME))["action"] == "user_logged_in"
        assert (await ws.call("access.get_user"))["username"] == "ann"
        await one.accounts.delete("ann")
        assert (await ws.refused("access.get_user"))["code"] == 401


@pytest.mark.parametrize("way", ["access_token={}", "token=x&access_token={}"])
async def test_a_token_in_the_url_opens_a_websocket(tmp_path: Path, way: str) -> None:
    async with home(tmp_path, **STRANGE) as one:
        token = (await login(one))["token"]
        async with one.socket(f"/websocket?{way.format(token)}") as ws:
            assert (await ws.call("access.get_user"))["username"] == "ann"


async def test_a_wrong_key_takes_nothing_from_who_has_proven_something(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one, one.socket() as ws:
        await signed_in(one, ws)
        await ws.call("sample.identify", {"api_key": "wrong"})
        assert (await ws.call("access.get_user"))["username"] == "ann"


async def test_the_first_user_shuts_out_those_whom_only_an_address_let_in(tmp_path: Path) -> None:
    async with house(tmp_path, force_logins=True) as one, one.socket() as ws, one.socket() as other:
        assert await other.call("sample.raw")
        await ws.call("sample.subscribe", {"objects": {"extruder": None}})
        await ws.call("access.post_user", {"username": "bob", "password": "x"})
        assert (await ws.call("access.get_user"))["username"] == "bob"  # who made it is logged in
        assert len(one.sockets._fanout._joined) == 1
        assert (await other.refused("sample.raw"))["message"].startswith("Unauthorized: a login is required")
        assert (await one.fetch("GET", "/sample/raw"))[0] == 401


async def test_klippy_s_own_socket_is_shut_with_the_key_that_opened_it(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        key = {"X-Api-Key": one.key.value}
        async with one.socket("/klippysocket", headers=key) as ws:
            await until(lambda: one.door._klippysockets._open)
            await one.key.renew()
            async with asyncio.timeout(5):
                assert (await ws.response.receive()).type in (
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                )


# -- PrusaLink


async def test_every_401_says_how_to_log_in(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        for verb, path in (("GET", "/sample/raw"), ("POST", "/server/jsonrpc"), ("GET", "/access/api_key")):
            status, _, headers = await one.fetch(verb, path)
            challenges = headers.getall("WWW-Authenticate")
            assert status == 401
            assert [each.split()[0] for each in challenges] == ["Digest", "Digest", "Bearer"]
            assert 'qop="auth", algorithm=SHA-256' in challenges[0]
        origin = {"Origin": one.url}
        _, _, headers = await one.fetch("GET", "/sample/raw", headers=origin)
        assert headers.getall("WWW-Authenticate") == ["Bearer"]  # else a browser asks for a password itself


async def test_a_slicer_logs_in_with_digest_and_the_key_as_its_password(tmp_path: Path) -> None:
    async with home(tmp_path, **STRANGE) as one:
        maker = aiohttp.DigestAuthMiddleware("maker", one.key.value)
        for _ in range(3):
            assert await one.get("/sample/echo?text=a%20b", middlewares=(maker,)) == {"text": "a b"}
        status, _, _ = await one.fetch("POST", "/sample/stop", middlewares=(maker,))
        assert status == 200
        wrong = aiohttp.DigestAuthMiddleware("maker", "wrong")
        assert (await one.fetch("GET", "/sample/raw", middlewares=(wrong,)))[0] == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
@pytest.mark.parametrize(("password", "expected"), [("", "200"), ("wrong", "401")])
async def test_the_library_of_slicers_logs_in_with_digest(
    tmp_path: Path, password: str, expected: str
) -> None:
    async with home(tmp_path, **STRANGE) as one:
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--digest"),
            *("-u", f"maker:{password or one.key.value}", f"{one.url}/sample/echo?text=x"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert output.decode() == expected
