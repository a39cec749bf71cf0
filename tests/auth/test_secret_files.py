"""Files that nobody else may read."""

import asyncio
import stat
from pathlib import Path

import pytest

from bridge.auth import secret_files
from bridge.auth.api_key import ApiKey
from bridge.auth.tokens import Tokens
from bridge.auth.users import User, Users
from bridge.errors import BadParams, BadRequest, ConfigError, Conflict, InternalError, NotFound


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_keys_and_users_are_for_the_bridge_alone(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    await ApiKey(None, tmp_path / "api_key").open()
    await Tokens(tmp_path / "token.key", users).open()
    await users.add(User("ann", "x", 1.0, "s"))
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
        "api_key": 0o600,
        "token.key": 0o600,
        "users.json": 0o600,
    }


def test_a_file_that_others_could_read_is_closed_to_them_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    path.write_text("sesame")
    path.chmod(0o644)
    assert secret_files.recall(path) == b"sesame"
    assert mode(path) == 0o600
    assert "could be read by others" in caplog.text
    assert "sesame" not in caplog.text


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "key").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="key cannot be read"):
        secret_files.recall(tmp_path / "key")
    (tmp_path / "key.new").symlink_to(tmp_path / "other")
    secret_files.keep(tmp_path / "key", b"ours")
    assert (tmp_path / "other").read_text() == "theirs"
    assert not (tmp_path / "key").is_symlink()


def test_what_cannot_be_written_is_told_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match=r"^key cannot be written: No such file or directory$"):
        secret_files.keep(tmp_path / "missing" / "key", b"x")


async def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first, second = ApiKey(None, tmp_path / "api_key"), ApiKey(None, tmp_path / "api_key")
    await first.open()
    await second.open()
    assert len(first.value) == 32
    assert first.value == second.value
    renewed = await first.renew()
    assert renewed != second.value
    assert first.matches(renewed)
    assert not first.matches(second.value)
    await second.open()
    assert second.value == renewed


async def test_a_configured_key_is_nobody_s_to_change_and_leaves_no_file(tmp_path: Path) -> None:
    key = ApiKey("mine", tmp_path / "api_key")
    await key.open()
    assert key.matches("mine")
    with pytest.raises(Conflict, match=r"http\.api_key"):
        await key.renew()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "short", "with blanks in it", "\x00" * 40])
async def test_a_file_without_a_key_gets_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "api_key").write_text(content)
    key = ApiKey(None, tmp_path / "api_key")
    await key.open()
    assert len(key.value) == 32


def test_no_key_matches_nothing(tmp_path: Path) -> None:
    key = ApiKey(None, tmp_path / "api_key")
    assert not key.matches("")
    assert not key.matches("\udcff")


@pytest.mark.parametrize("content", ["{", "[]", '{"users": [{"username": 1}]}', "\x00"])
async def test_damaged_users_keep_the_bridge_from_starting(tmp_path: Path, content: str) -> None:
    (tmp_path / "users.json").write_text(content)
    with pytest.raises(ConfigError, match=r"users\.json is damaged .*mend it, or remove it"):
        await Users(tmp_path / "users.json").open()


async def test_users_outlive_a_restart(tmp_path: Path) -> None:
    users, again = Users(tmp_path / "users.json"), Users(tmp_path / "users.json")
    await users.add(User("ann", "x", 2.0, "s"))
    await users.add(User("bob", "y", 1.0, "t"))
    await users.replace("ann", password="z")
    await again.open()
    assert [user.username for user in again.all()] == ["bob", "ann"]
    assert again.get("ann") == User("ann", "z", 2.0, "s")
    await again.remove("bob")
    await users.open()
    assert len(users) == 1
    with pytest.raises(NotFound):
        await again.remove("bob")


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "x" * 65, "_API_KEY_USER_", "\u202eann", "\udcff"])
async def test_a_name_that_could_be_mistaken_is_refused(tmp_path: Path, name: str) -> None:
    users = Users(tmp_path / "users.json")
    with pytest.raises(BadParams, match="A user's name"):
        await users.add(User(name, "x", 1.0, "s"))
    assert len(users) == 0


async def test_a_name_is_taken_once(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    await users.add(User("ann", "x", 1.0, "s"))
    with pytest.raises(BadRequest, match="ann already exists"):
        await users.add(User("ann", "y", 1.0, "t"))
    assert users.get("ann").password == "x"


async def test_a_key_that_is_renewed_twice_at_a_time_is_the_one_in_the_file(tmp_path: Path) -> None:
    key = ApiKey(None, tmp_path / "api_key")
    await key.open()
    made = await asyncio.gather(*(key.renew() for _ in range(5)))
    assert len(set(made)) == 5
    assert (tmp_path / "api_key").read_text().strip() == key.value
