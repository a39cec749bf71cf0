"""Hostile tokens, Digest answers and forwarding headers at the one decision."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.access import Sender
from bridge.auth.digest import Attempt
from tests.auth.people import AWAY, People
from tests.fuzz.material import HARD, texts

pytestmark = pytest.mark.fuzz
optional = st.one_of(st.none(), texts)
pieces = st.sampled_from(
    ['username="a"', 'realm="klipper-bridge"', 'nonce="1.2.3"', "qop=auth", "nc=00000001", 'cnonce="c"']
)


@pytest.fixture
def person(tmp_path: Path) -> People:
    return asyncio.run(People(tmp_path, trusted=["192.168.1.0/24"], proxies=["10.0.0.2"]).come())


def test_nothing_that_is_made_up_lets_in(person: People) -> None:
    token = person.token
    bitten = st.tuples(st.integers(0, len(token) - 1), texts).map(
        lambda t: token[: t[0]] + t[1] + token[t[0] + 1 :]
    )
    digests = st.lists(st.one_of(pieces, texts), max_size=9).map(
        lambda parts: Attempt(", ".join(parts), "GET", "/")
    )

    @HARD
    @given(
        key=optional,
        tokens=st.lists(st.one_of(texts, bitten), max_size=3),
        digest=st.one_of(st.none(), digests),
        oneshot=optional,
        forwarded=optional,
    )
    def fuzz(
        key: str | None, tokens: list[str], digest: Attempt | None, oneshot: str | None, forwarded: str | None
    ) -> None:
        if token in tokens:
            return
        sender = Sender(AWAY, forwarded, key, tuple(tokens), digest, oneshot)
        found = person.guard.decide(sender)
        assert not found.known
        assert found.refusal.startswith("Unauthorized: ")
        if digest is not None:
            assert person.guard.challenges(digest.header)

    fuzz()


def test_no_forwarding_header_of_a_stranger_is_believed(person: People) -> None:
    @HARD
    @given(
        forwarded=st.one_of(
            texts, st.lists(st.sampled_from(["192.168.1.9", "10.0.0.2", "::1", "x", ""])).map(",".join)
        )
    )
    def fuzz(forwarded: str) -> None:
        assert not person.guard.decide(Sender(AWAY, forwarded)).known

    fuzz()
