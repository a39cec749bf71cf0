"""The decision table of docs/security.md, row by row."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.access import Sender
from bridge.auth.trust import Trust
from bridge.config import Http
from bridge.errors import ConfigError
from tests.auth.people import AWAY, HOME, PROXY, People

DOCUMENT = Path(__file__).parent.parent / "docs/security.md"
LAN: dict[str, Any] = {"trusted": ["192.168.1.0/24", "fd00::/8"], "api_key": "right-key"}
PROXIED: dict[str, Any] = {**LAN, "proxies": [PROXY, "127.0.0.1"]}
FORCED: dict[str, Any] = {**LAN, "force_logins": True}

NOTHING = "401: no API key was sent, no token, and the address is not trusted"
KEY = "401: the API key is wrong"
TOKEN = "401: the token is not valid here, or its user has logged out"
UNLISTED = "401: forwarded by a proxy that http.proxies does not name"
STRANGER = "401: the proxy forwards an address that is not trusted"
LOGIN = "401: a login is required (http.force_logins)"
ONESHOT = "401: the one-shot token is wrong, used or too old"
ANN, BY_KEY = "in as ann", "in as _API_KEY_USER_"

Row = tuple[str, dict[str, Any], Callable[[People], str], str]

ROWS: list[Row] = [
    # a right key or token
    ("K1", LAN, lambda p: p.decide(AWAY, api_key="right-key"), BY_KEY),
    ("K2", LAN, lambda p: p.decide(HOME, api_key="right-key"), BY_KEY),
    ("K3", LAN, lambda p: p.decide(AWAY, tokens=(p.token,)), ANN),
    ("K4", LAN, lambda p: p.decide(AWAY, tokens=("right-key",)), BY_KEY),
    ("K5", LAN, lambda p: p.decide(AWAY, digest=p.digest("right-key")), BY_KEY),
    ("K6", LAN, lambda p: p.decide(AWAY, oneshot=p.oneshot(AWAY)), ANN),
    ("K7", LAN, lambda p: p.decide(AWAY, api_key="wrong", tokens=(p.token,)), ANN),
    ("K8", LAN, lambda p: p.decide(AWAY, api_key="right-key", tokens=("wrong",)), BY_KEY),
    ("K9", LAN, lambda p: p.decide(AWAY, api_key="right-key", oneshot="wrong"), BY_KEY),
    ("K10", LAN, lambda p: p.decide(AWAY, forwarded="8.8.8.8", api_key="right-key"), BY_KEY),
    ("K11", FORCED, lambda p: p.decide(AWAY, api_key="right-key"), BY_KEY),
    ("K12", FORCED, lambda p: p.decide(HOME, tokens=(p.token,)), ANN),
    # a trusted address
    ("T1", LAN, lambda p: p.decide(HOME), "in"),
    ("T2", LAN, lambda p: p.decide("fd00::7"), "in"),
    ("T3", LAN, lambda p: p.decide(f"::ffff:{HOME}"), "in"),
    ("T4", {**LAN, "trusted": ["::ffff:192.168.1.0/120"]}, lambda p: p.decide(HOME), "in"),
    ("T5", {**LAN, "trusted": ["fe80::/10"]}, lambda p: p.decide("fe80::1%eth0"), "in"),
    ("T6", LAN, lambda p: p.decide(HOME, api_key="wrong"), "in"),
    ("T7", LAN, lambda p: p.decide(HOME, tokens=("wrong",), oneshot="wrong"), "in"),
    ("T8", LAN, lambda p: p.decide(HOME, tokens=(p.expired,)), "in"),
    ("T9", {}, lambda p: p.decide("127.0.0.1"), "in"),
    ("T10", {}, lambda p: p.decide("::1"), "in"),
    # a proxy
    ("P1", PROXIED, lambda p: p.decide(PROXY, forwarded=HOME), "in"),
    ("P2", PROXIED, lambda p: p.decide(PROXY, forwarded=f"{AWAY}, {HOME}"), "in"),
    ("P3", PROXIED, lambda p: p.decide(PROXY, forwarded=f"{HOME}, {AWAY}"), STRANGER),
    ("P4", PROXIED, lambda p: p.decide(PROXY, forwarded=f"{HOME}, 127.0.0.1"), "in"),
    ("P5", PROXIED, lambda p: p.decide(PROXY, forwarded=f"::ffff:{HOME}"), "in"),
    ("P6", PROXIED, lambda p: p.decide(PROXY, forwarded=f"{HOME}:4711"), "in"),
    ("P7", PROXIED, lambda p: p.decide(PROXY, forwarded="[fd00::7]:4711"), "in"),
    ("P8", PROXIED, lambda p: p.decide(PROXY, forwarded="unknown"), STRANGER),
    ("P9", PROXIED, lambda p: p.decide(PROXY, forwarded=""), STRANGER),
    ("P10", LAN, lambda p: p.decide(HOME, forwarded=HOME), UNLISTED),
    ("P11", {}, lambda p: p.decide("127.0.0.1", forwarded="127.0.0.1"), UNLISTED),
    ("P12", PROXIED, lambda p: p.decide(AWAY, forwarded=HOME), UNLISTED),
    # a refusal
    ("R1", LAN, lambda p: p.decide(AWAY), NOTHING),
    ("R2", LAN, lambda p: p.decide(f"::ffff:{AWAY}"), NOTHING),
    ("R3", LAN, lambda p: p.decide("2001:db8::1"), NOTHING),
    ("R4", LAN, lambda p: p.decide(""), NOTHING),
    ("R5", LAN, lambda p: p.decide(AWAY, api_key="wrong"), KEY),
    ("R6", LAN, lambda p: p.decide(AWAY, tokens=("wrong",)), TOKEN),
    ("R7", LAN, lambda p: p.decide(AWAY, tokens=(p.expired,)), "401: the token has expired"),
    ("R8", LAN, lambda p: p.decide(AWAY, tokens=(p.tokens.issue(p.ann, "refresh"),)), TOKEN),
    ("R9", LAN, lambda p: p.decide(AWAY, digest=p.digest("wrong")), "401: the Digest login is wrong"),
    ("R10", LAN, lambda p: p.decide(AWAY, oneshot="wrong"), ONESHOT),
    ("R11", LAN, lambda p: p.decide(AWAY, oneshot=p.oneshot(HOME)), ONESHOT),
    ("R12", FORCED, lambda p: p.decide(HOME), LOGIN),
    ("R13", FORCED, lambda p: p.decide(HOME, api_key="wrong"), KEY),
    ("R14", FORCED, lambda p: p.decide(AWAY), NOTHING),
    ("R15", {"trusted": []}, lambda p: p.decide("127.0.0.1"), NOTHING),
]


@pytest.mark.parametrize(("number", "options", "ask", "outcome"), ROWS, ids=[row[0] for row in ROWS])
async def test_each_row_of_the_decision_table(
    tmp_path: Path, number: str, options: dict[str, Any], ask: Callable[[People], str], outcome: str
) -> None:
    person = await People(tmp_path, **options).come()
    assert ask(person) == outcome.replace("401:", "Unauthorized:")


def test_the_document_has_these_rows_and_no_others() -> None:
    written = re.findall(r"^\| ([KTPR]\d+) \|.*\| ([^|]+) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    assert written == [(number, outcome) for number, _, _, outcome in ROWS]


async def test_without_a_user_forced_logins_shut_nobody_out(tmp_path: Path) -> None:
    person = await People(tmp_path, **FORCED).come()
    assert person.guard.login_required
    await person.users.remove("ann")
    assert not person.guard.login_required
    assert person.decide(HOME) == "in"


async def test_a_one_shot_token_is_good_once(tmp_path: Path) -> None:
    person = await People(tmp_path, **LAN).come()
    token = person.oneshot(AWAY)
    assert person.decide(AWAY, oneshot=token) == ANN
    assert person.decide(AWAY, oneshot=token) == ONESHOT.replace("401:", "Unauthorized:")


async def test_a_digest_answer_that_was_overheard_is_worth_nothing(tmp_path: Path) -> None:
    person = await People(tmp_path, **LAN).come()
    sent = person.digest("right-key")
    assert person.decide(AWAY, digest=sent) == BY_KEY
    assert "Digest" in person.decide(AWAY, digest=sent)
    assert "stale=true" in person.guard.challenges(sent.header)[0]


async def test_what_proved_somebody_ends_with_logout_deletion_and_another_key(tmp_path: Path) -> None:
    person = await People(tmp_path, trusted=[]).come()
    guard, key, token = person.guard, person.key.value, person.token
    by_token, by_key = guard.decide(Sender(AWAY, tokens=(token,))), guard.decide(Sender(AWAY, api_key=key))
    assert guard.holds(by_token)
    assert guard.holds(by_key)
    before = guard.generation
    await person.users.end_session("ann")
    assert not guard.holds(by_token)
    assert "not valid" in person.decide(AWAY, tokens=(token,))
    assert person.decide(AWAY, tokens=(person.token,)) == ANN
    fresh = guard.decide(Sender(AWAY, tokens=(person.token,)))
    await person.users.remove("ann")
    assert not guard.holds(fresh)
    await person.key.renew()
    assert not guard.holds(by_key)
    assert "key is wrong" in person.decide(AWAY, api_key=key)
    assert person.decide(AWAY, api_key=person.key.value) == BY_KEY
    assert guard.generation >= before + 3


async def test_a_wrong_key_from_a_trusted_address_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    person = await People(tmp_path, **LAN).come()
    for key in ("dummy-88888888", "dummy-88888888", "another-dummy"):
        assert person.decide(HOME, api_key=key) == "in"
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert HOME in told[0]
    assert "dummy" not in told[0]


@pytest.mark.parametrize("option", ["trusted", "proxies"])
@pytest.mark.parametrize("entry", ["300.1.1.1", "192.168.1.0/33", "", "a b", "http://x", "x/8", "-x"])
async def test_an_entry_that_is_no_address_is_a_mistake(tmp_path: Path, option: str, entry: str) -> None:
    with pytest.raises(ConfigError, match=rf"http\.{option}: expected an address or a network"):
        People(tmp_path, **{option: [entry]})


async def test_a_host_name_is_trusted_by_the_addresses_it_has(tmp_path: Path) -> None:
    person = await People(tmp_path, trusted=["localhost"]).come()
    assert person.decide("127.0.0.1") != "in"
    assert await person.guard._trust._look_up() is False
    assert person.decide("127.0.0.1") == "in"
    assert person.decide("127.0.0.2") != "in"


async def test_a_name_that_nobody_knows_is_told_and_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trust = Trust(["no-such-host.invalid"])
    assert await trust._look_up() is True
    assert "http.trusted: no address is known for 'no-such-host.invalid'" in caplog.text


def test_logins_are_not_forced_by_default() -> None:
    assert Http().force_logins is False
    assert Http().trusted == ["127.0.0.0/8", "::1/128"]
