"""Namespaces as rows: what a key may be, how large and deep a value, and what is written."""

import msgspec
import pytest

from bridge.errors import BadRequest, TooLarge
from bridge.store import Store
from bridge.store.namespaces import MISSING, TABLE, Namespaces, checked_name, parts_of


@pytest.fixture
async def store(tmp_path):
    async with Store(tmp_path / "bridge.db") as one:
        yield one


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        (["a.b", "c"], ("a.b", "c")),
        ("0", ("0",)),
        (["\x00", "\n", "ü", "😀", "'\";--", " "], ("\x00", "\n", "ü", "😀", "'\";--", " ")),
        (["x" * 1024], ("x" * 1024,)),
        (".".join("k" * 64), tuple("k" * 64)),
    ],
)
def test_a_key_is_its_parts(key, parts):
    assert parts_of(key) == parts


@pytest.mark.parametrize(
    "key", ["", ".", "a.", ".a", "a..b", [], [""], ["a", ""], ["x" * 1025], ".".join("k" * 65)]
)
def test_a_key_with_empty_or_too_many_or_too_long_parts_is_refused(key):
    with pytest.raises(BadRequest):
        parts_of(key)


@pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 128, "a\nb", "a\x00b", "\x7f"])
def test_a_namespace_without_a_sensible_name_is_refused(name):
    with pytest.raises(BadRequest):
        checked_name(name)


async def test_keys_of_every_kind_keep_apart(store):
    names = [
        "a",
        "A",
        "a ",
        "a\x00",
        "a\x00b",
        "ä",
        "a\u0308",
        "%",
        "_",
        "'",
        '"',
        "😀",
        "1",
        "01",
        "1.0",
        "\n",
    ]
    space = Namespaces(store)
    for number, name in enumerate(names):
        await space.put("one", (name, name), number)
        await space.put("One", (name,), -number)
    assert await space.items("one") == {name: {name: number} for number, name in enumerate(names)}
    for number, name in enumerate(names):
        assert await space.items("One", name) == {name: -number}
        assert await space.remove("one", (name, name)) == number
    assert await space.names() == ["One"]


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -0.5, 2**64, 10**30, -(2**63) - 1, 1e308, "", "\x00", [], {}, [[None]], {"": {"": 1}}],
)
async def test_every_json_value_comes_back_as_it_was(store, value):
    space = Namespaces(store)
    await space.put("n", ("top",), value)
    await space.put("n", ("deep", "er"), value)
    found = await space.items("n")
    assert msgspec.json.encode(found) == msgspec.json.encode({"top": value, "deep": {"er": value}})
    assert await space.remove("n", ("top",)) == value
    assert await space.remove("n", ("top",)) is MISSING


async def test_one_row_changes_for_one_key(store):
    space = Namespaces(store)
    for number in range(50):
        await space.put("n", (f"k{number}", "x"), number)
    before = await store.export()
    await space.put("n", ("k7", "y"), "new")
    after = await store.export()
    changed = [row for row in after[TABLE] if after[TABLE][row] != before[TABLE].get(row)]
    assert [after[TABLE][row]["key"] for row in changed] == ["k7"]


async def test_a_value_saved_as_it_was_writes_nothing(store):
    def changes(db):
        return db.rows.connection.total_changes

    space = Namespaces(store)
    await space.put("n", ("a", "b"), {"x": [1, None]})
    before = await store.read(changes)
    await space.put("n", ("a", "b"), {"x": [1, None]})
    await space.put("n", ("a",), {"b": {"x": [1, None]}})
    assert await store.read(changes) == before
    await space.put("n", ("a", "b", "x"), [1.0, None])
    assert await store.read(changes) > before
    assert msgspec.json.encode(await space.items("n")) == b'{"a":{"b":{"x":[1.0,null]}}}'


async def test_what_lies_below_one_key_is_bounded(store):
    space = Namespaces(store)
    await space.put("n", ("a", "first"), "x" * 9_000_000)
    with pytest.raises(TooLarge, match="16777216"):
        await space.put("n", ("a", "second"), "x" * 9_000_000)
    assert list((await space.items("n"))["a"]) == ["first"]
    await space.put("n", ("b",), "x" * 9_000_000)


async def test_a_value_nested_too_deep_is_refused_and_the_deepest_allowed_is_read_again(store):
    def nested(depth):
        value = 1
        for _ in range(depth):
            value = [value]
        return value

    space = Namespaces(store)
    path = tuple("k" * 64)
    with pytest.raises(BadRequest, match="nested"):
        await space.put("n", path, nested(65))
    await space.put("n", path, nested(64))
    assert await space.remove("n", path) == nested(64)


async def test_a_refused_change_leaves_everything_as_it_was(store):
    space = Namespaces(store)
    await space.put("n", ("a", "b"), "text")
    with pytest.raises(BadRequest, match=r"'a\.b' holds"):
        await space.put("n", ("a", "b", "c"), 1)
    with pytest.raises(BadRequest, match=r"'a\.b' holds"):
        await space.put("n", ("a", "b", "c", "d"), 1)
    assert await space.items("n") == {"a": {"b": "text"}}


async def test_a_damaged_record_is_written_anew(tmp_path):
    path = tmp_path / "bridge.db"

    def damage(db):
        db.rows.connection.execute("UPDATE t_namespaces SET doc = x'00' WHERE key = 'a'")

    async with Store(path) as store:
        space = Namespaces(store)
        await space.put("n", ("a",), 1)
        await space.put("n", ("b",), 2)
        await store.write(damage)
        assert await space.items("n") == {"b": 2}
        assert store.warnings
        await space.put("n", ("a",), 3)
        assert await store.table(TABLE).count() == 2
    async with Store(path) as store:
        assert await Namespaces(store).items("n") == {"b": 2, "a": 3}
        assert store.warnings == []


async def test_a_key_is_found_by_its_index_among_thousands(store):
    space = Namespaces(store)

    def fill(db):
        table = db.table(TABLE)
        table.insert_multiple(
            {"namespace": "n", "key": f"k{number}", "value": number} for number in range(3000)
        )

    def plan(db):
        shape = db.rows.prepare(TABLE)
        question = (
            "EXPLAIN QUERY PLAN SELECT doc FROM @table WHERE key IS ? AND namespace >= ? AND namespace <= ?"
        )
        return db.rows.connection.execute(shape.sql(question), ["k7", "n", "n"]).fetchall()

    await space.put("other", ("k7",), 0)
    await store.write(fill)
    assert "(key=?)" in str(await store.read(plan))
    assert await space.items("n", "k7") == {"k7": 7}
