"""Passwords, tokens, one-shot tokens and Digest answers, each by itself."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import jwt
import pytest

from bridge.auth.digest import LIFE, Attempt, Digest, Verdict
from bridge.auth.oneshot import OneShots
from bridge.auth.passwords import Passwords
from bridge.auth.throttle import FORGOTTEN, FREE, LONGEST, WAITING, Throttle
from bridge.auth.tokens import LIFE as TOKEN_LIFE
from bridge.auth.users import User
from bridge.errors import BadParams, TooManyRequests
from tests.auth.people import CHEAP, People, answer

# -- passwords


async def test_a_password_is_known_by_its_hash_alone() -> None:
    passwords = Passwords()
    one = await passwords.hash("sesame")
    assert "sesame" not in one
    assert one.startswith("scrypt$16384$8$5$")
    assert await passwords.verify("sesame", one)
    assert not await passwords.verify("Sesame", CHEAP)
    assert await passwords.verify("sesame", CHEAP)


async def test_nobody_has_a_password() -> None:
    began = time.process_time()
    assert not await Passwords().verify("", None)
    assert time.process_time() - began > 0.02  # as much work as for somebody


@pytest.mark.parametrize("password", ["", "x" * 1025])
async def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(BadParams, match="1 to 1024"):
        await Passwords().hash(password)


# -- tokens


async def test_a_token_says_what_the_api_promises(tmp_path: Path) -> None:
    person = await People(tmp_path).come()
    head = jwt.get_unverified_header(person.token)
    claims = jwt.decode(person.token, options={"verify_signature": False})
    assert head == {"alg": "HS256", "typ": "JWT"}
    assert claims["username"] == "ann"
    assert claims["token_type"] == "auth"
    assert claims["exp"] - claims["iat"] == TOKEN_LIFE["auth"] == 3600
    refresh = jwt.decode(person.tokens.issue(person.ann, "refresh"), options={"verify_signature": False})
    assert refresh["exp"] - refresh["iat"] == TOKEN_LIFE["refresh"] == 90 * 86400


def forged(head: dict[str, str], claims: dict[str, object], signature: bytes = b"") -> str:
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), signature]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def test_a_forged_token_is_worth_nothing(tmp_path: Path) -> None:
    person = await People(tmp_path).come()
    good = jwt.decode(person.token, options={"verify_signature": False})
    head, body, signature = person.token.split(".")
    bob = User("bob", "x", 1.0, person.ann.session)
    tries = [
        "",
        "...",
        "a.b.c",
        "x" * 5000,
        forged({"alg": "none", "typ": "JWT"}, good),
        forged({"alg": "HS256", "typ": "JWT"}, good),
        jwt.encode(good, "k" * 32, algorithm="HS256"),
        jwt.encode({**good, "username": "bob"}, "k" * 32, algorithm="HS256"),
        f"{head}.{body}.{signature[:-4]}AAAA",
        person.tokens.issue(bob, "auth"),
        forged({"alg": "HS256"}, {**good, "username": None}),
        forged({"alg": "HS256"}, {"exp": 1e400}),
        "{}".join("..."),
        "\udcff.\udcff.\udcff",
    ]
    for token in tries:
        assert person.tokens.read(token, "auth").user is None, token
    assert person.tokens.read(person.token, "auth").user == person.ann
    assert person.tokens.read(person.token, "refresh").user is None


async def test_a_token_ends_with_its_hour(tmp_path: Path) -> None:
    person = await People(tmp_path).come()
    token = person.token
    person.now += 3599
    assert person.tokens.read(token, "auth").user == person.ann
    person.now += 2
    assert person.tokens.read(token, "auth").failure == "the token has expired"


async def test_tokens_of_another_key_are_worth_nothing(tmp_path: Path) -> None:
    person = await People(tmp_path).come()
    token = person.token
    (tmp_path / "token.key").unlink()
    await person.tokens.open()
    assert person.tokens.read(token, "auth").user is None


# -- one-shot tokens


def test_a_one_shot_token_is_good_once_within_five_seconds_at_home() -> None:
    now = 0.0
    shots: OneShots[str] = OneShots(clock=lambda: now)
    first, second, third = (shots.make("ann", "home") for _ in range(3))
    assert len({first, second, third}) == 3
    assert len(first) == 32
    assert shots.take(first, "home") == "ann"
    assert shots.take(first, "home") is None
    assert shots.take(second, "away") is None
    assert shots.take(second, "home") is None  # who tried it knows it
    now = 5.0
    assert shots.take(third, "home") is None


def test_a_one_shot_token_is_looked_up_by_its_hash() -> None:
    shots: OneShots[str] = OneShots()
    token = shots.make("ann", "home")
    assert token not in str(shots._made)
    assert shots.take("\udcff", "home") is None
    assert shots.take(token, "home") == "ann"


def test_one_shot_tokens_are_bounded() -> None:
    now = 0.0
    shots: OneShots[str] = OneShots(clock=lambda: now)
    for _ in range(1000):
        shots.make("ann", "home")
    with pytest.raises(TooManyRequests):
        shots.make("ann", "home")
    now = 6.0
    assert shots.make("ann", "home")


# -- HTTP Digest


@pytest.mark.parametrize("number", [0, 1], ids=["SHA-256", "MD5"])
def test_the_password_is_proven_without_being_sent(number: int) -> None:
    digest = Digest()
    challenge = digest.challenges()[number]
    assert digest.check(answer(challenge, "key", "GET", "/x"), "key") is Verdict.RIGHT
    assert digest.check(answer(challenge, "key", "GET", "/x", count=2), "key") is Verdict.RIGHT
    assert digest.check(answer(challenge, "key", "GET", "/x", count=2), "key") is Verdict.STALE
    assert digest.check(answer(challenge, "wrong", "GET", "/x", count=3), "key") is Verdict.WRONG
    assert digest.check(answer(challenge, "", "GET", "/x", count=3), "") is Verdict.WRONG


def test_an_answer_is_good_for_its_request_alone() -> None:
    digest = Digest()
    sent = answer(digest.challenges()[0], "key", "GET", "/x")
    assert digest.check(Attempt(sent.header, "POST", "/x"), "key") is Verdict.WRONG
    assert digest.check(Attempt(sent.header, "GET", "/y"), "key") is Verdict.WRONG
    assert digest.check(sent, "key") is Verdict.RIGHT


def test_a_nonce_is_ours_and_young() -> None:
    now = 1000.0
    digest = Digest(clock=lambda: now)
    old = answer(digest.challenges()[0], "key", "GET", "/x")
    foreign = answer(Digest().challenges()[0], "key", "GET", "/x")
    assert digest.check(foreign, "key") is Verdict.STALE
    now += LIFE + 1
    assert digest.check(old, "key") is Verdict.STALE
    assert digest.is_stale(old.header)
    wrong = answer(digest.challenges()[0], "wrong", "GET", "/x")
    assert digest.check(wrong, "key") is Verdict.WRONG
    assert not digest.is_stale(wrong.header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "username=",
        'nonce="x"',
        'username="a", realm="klipper-bridge", nonce="zz.x.y", uri="/x", response="", qop=auth, nc=1, cnonce=""',
        'username="a", realm="other", nonce="n", uri="/x", response="r", qop=auth, nc=00000001, cnonce="c"',
        "x" * 10_000,
        '"' * 4000,
        "\udcff=\udcff",
    ],
)
def test_a_header_that_is_no_answer_is_wrong(header: str) -> None:
    digest = Digest()
    assert digest.check(Attempt(header, "GET", "/x"), "key") is not Verdict.RIGHT
    assert digest.is_stale(header) in (True, False)


# -- those who guess


def test_the_more_failures_the_longer_it_takes_up_to_an_end() -> None:
    now = 1000.0
    throttle = Throttle(clock=lambda: now)
    pauses = [throttle.note("a", "wrong logins came") for _ in range(12)]
    assert pauses[:FREE] == [0.0] * FREE
    assert pauses[FREE : FREE + 4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST
    assert throttle.note("b", "wrong logins came") == 0.0
    now += FORGOTTEN + 1
    assert throttle.note("a", "wrong logins came") == 0.0


def test_who_guesses_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle()
    for _ in range(20):
        throttle.note("203.0.113.9", "wrong logins came")
    assert [r.getMessage() for r in caplog.records] == [
        "wrong logins came from 203.0.113.9 again and again; it is slowed down"
    ]
    assert throttle.failures == 20


def test_a_right_login_wipes_the_slate() -> None:
    throttle = Throttle()
    for _ in range(FREE):
        throttle.note("a", "wrong logins came")
    throttle.succeeded("a")
    assert throttle.note("a", "wrong logins came") == 0.0


async def test_logins_of_an_address_wait_for_one_another_and_not_without_end() -> None:
    throttle, inside, most = Throttle(), 0, 0
    gate = asyncio.Event()

    async def login(address: str) -> None:
        nonlocal inside, most
        async with throttle.turn(address):
            inside += 1
            most = max(most, inside)
            await gate.wait()
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(WAITING):
            group.create_task(login("a"))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await login("a")
        assert most == 1
        group.create_task(login("b"))
        await asyncio.sleep(0)
        assert most == 2
        gate.set()


def test_addresses_are_forgotten_in_time() -> None:
    throttle = Throttle()
    for number in range(3000):
        throttle.note(str(number), "wrong logins came")
    assert len(throttle._addresses) <= 1000
