"""The rows against TinyDB itself: the same calls give the same answers, errors and documents."""

import json
import sqlite3
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB, where
from tinydb.operations import add, decrement, delete, increment
from tinydb.operations import set as set_field
from tinydb.storages import MemoryStorage
from tinydb.table import Document, Table

from bridge.store.file import BEGINNING
from bridge.store.rows import Rows
from bridge.store.tables import RowDatabase


class JsonText(MemoryStorage):
    """TinyDB's JSON file without the file."""

    def read(self):
        return None if self.memory is None else json.loads(self.memory)

    def write(self, data):
        self.memory = json.dumps(data)


class Ascending(Table):
    """The one thing the store does otherwise: an id is never given twice."""

    highest = 0

    def _get_next_id(self):
        self.highest += 1
        return self.highest

    def _update_table(self, updater):
        super()._update_table(updater)
        self.highest = max([self.highest, *map(int, self._read_table())])


class Model(TinyDB):
    table_class = Ascending

    def __init__(self):
        super().__init__(storage=JsonText)


values = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "a", "ab", 1.5, [1, 2], ["a"], {"x": 1}])
)
documents = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
ids = st.integers(1, 8)
fields = st.sampled_from(["a", "b", "c"])
simple = st.one_of(
    st.builds(lambda f, v: where(f) == v, fields, values),
    st.builds(lambda f, v: where(f) != v, fields, values),
    st.builds(lambda f, v: where(f) > v, fields, st.integers(-2, 2)),
    st.builds(lambda f: where(f).exists(), fields),
    st.builds(lambda f: where(f).matches("a.*"), fields),
    st.builds(lambda f, v: where(f).one_of(v), fields, st.lists(values, max_size=3)),
    st.builds(lambda f, v: where(f).any(v), fields, st.lists(st.integers(0, 2), max_size=2)),
    st.builds(lambda f: where(f).test(bool), fields),
    st.builds(lambda d: Query().fragment(d), documents),
    st.builds(lambda f: where(f)["x"] == 1, fields),
    st.just(Query().noop()),
)
queries = st.recursive(
    simple,
    lambda q: (
        st.builds(lambda a, b: a & b, q, q) | st.builds(lambda a, b: a | b, q, q) | st.builds(lambda a: ~a, q)
    ),
    max_leaves=3,
)
changes = st.one_of(
    documents,
    st.builds(increment, fields),
    st.builds(decrement, fields),
    st.builds(delete, fields),
    st.builds(add, fields, st.sampled_from([1, "z"])),
    st.builds(set_field, fields, values),
)
some_ids = st.lists(ids, max_size=3, unique=True)


def call(method, *arguments, **named):
    return st.tuples(st.just(method), st.tuples(*arguments), st.fixed_dictionaries(named))


calls = st.one_of(
    call("insert", documents),
    call("insert", st.builds(Document, documents, ids)),
    call("insert_multiple", st.lists(documents, max_size=3)),
    call("insert_multiple", st.lists(st.builds(Document, documents, ids), max_size=3)),
    call("insert", st.just([1])),
    call("update", changes, queries),
    call("update", changes),
    call("update", changes, doc_ids=some_ids),
    call("update_multiple", st.lists(st.tuples(changes, queries), max_size=2)),
    call("upsert", documents, queries),
    call("upsert", st.builds(Document, documents, ids)),
    call("upsert", documents),
    call("remove", queries),
    call("remove"),
    call("remove", doc_ids=some_ids),
    call("truncate"),
    call("search", queries),
    call("get", queries),
    call("get", doc_id=ids),
    call("get", doc_ids=some_ids),
    call("contains", queries),
    call("contains", doc_id=ids),
    call("count", queries),
    call("__len__"),
)


def plain(answer):
    """An answer with its ids; in no order, because an id given by hand may lie before older ones."""
    if isinstance(answer, Document):
        return answer.doc_id, dict(answer)
    if isinstance(answer, list):
        return sorted((plain(part) for part in answer), key=str)
    return answer


def outcome(table, method, arguments, named):
    try:
        return plain(getattr(table, method)(*arguments, **named))
    except (TypeError, ValueError, LookupError, RuntimeError):
        # Which of several documents fails first depends on the order.
        return "refused"


def first_by_id(model, method, cond):
    """What TinyDB's get and contains say when documents lie in the order of their ids."""
    try:
        found = next((d for d in sorted(model.all(), key=lambda d: d.doc_id) if cond(d)), None)
    except TypeError:
        return "refused"
    return plain(found) if method == "get" else found is not None


@settings(max_examples=120, deadline=None)
@given(st.lists(documents, max_size=4), st.lists(calls, max_size=12))
def test_every_call_does_what_tinydb_does(start, steps):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in BEGINNING:
            connection.execute(statement)
        rows = RowDatabase(Rows(connection, {"jobs": {"a": int, "b": str}}, warn=[].append)).table("jobs")
        model = Model().table("jobs")
        assert rows.insert_multiple(start) == model.insert_multiple(start)
        for method, arguments, named in steps:
            highest = model.highest
            expected = outcome(model, method, arguments, named)
            if method in {"get", "contains"} and arguments:
                expected = first_by_id(model, method, *arguments)
            assert outcome(rows, method, arguments, named) == expected
            if expected == "refused":
                model.highest = highest
            assert plain(rows.all()) == plain(model.all())
            for column in ("a", "b"):
                kind = {"a": int, "b": str}[column]
                kept = connection.execute(
                    f'SELECT id, "{column}" FROM t_jobs WHERE "{column}" IS NOT NULL'
                ).fetchall()
                fits = [(d.doc_id, d[column]) for d in model.all() if type(d.get(column)) is kind]
                assert sorted(kept) == sorted(fits)


def test_a_database_lists_and_drops_tables_as_tinydb_does():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in BEGINNING:
            connection.execute(statement)
        db = RowDatabase(Rows(connection, {}, warn=[].append))
        for name in ("one", "two", "three"):
            db.table(name).insert({"name": name})
        assert db.tables() == {"one", "two", "three"}
        db.drop_table("two")
        assert db.tables() == {"one", "three"}
        assert db.table("one").all() == [{"name": "one"}]
        assert list(db.table("three")) == [{"name": "three"}]
        db.drop_tables()
        assert db.tables() == set()
        assert db.table("one").insert({}) == 2
