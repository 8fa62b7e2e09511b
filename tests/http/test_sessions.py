"""Sessions with ephemeral tables: section 2 of the contract, and the scenarios J-01 to J-19."""
import gzip
import http.client
import json
import os
import random
import re
import signal
import threading
import time
import urllib.parse
import uuid

import pytest

from mayfly import ENDED, Answer, Client, Server, in_parallel, unique, until, uuid_like
from session import CSV, NDJSON, PARQUET, UNKNOWN, Session, Stream, again, ended, problem, seconds, token

FIELDS = {"session_id", "tenant_id", "storage", "created_at", "expires_at", "timeout_seconds", "idle_timeout_seconds", "labels", "tables"}
LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"


def says(body, *words):
    """Does a problem name all of these, in its detail or in fields of its own?"""
    text = json.dumps({k: v for k, v in body.items() if k not in ("request_id", "status", "title", "code")})
    assert all(str(word) in text for word in words), (words, text)


@pytest.fixture(scope="module")
def timed():
    """A server whose clock the tests of this file turn."""
    server = Server({"tenants.concurrent_statements": 16, "sessions.remember_seconds": 86400})
    yield server
    server.check_end()


@pytest.fixture
def passing(timed):
    """A fresh tenant on it."""
    return Client(timed, tenant=unique("tenant"))


@pytest.fixture
def session(fresh):
    one = Session(fresh)
    yield one
    one.close()


# --- opening ---

def test_a_session_is_opened_with_defaults(fresh):
    document = Session(fresh).document
    assert set(document) >= FIELDS
    assert uuid_like(document["session_id"]) and document["tenant_id"] == fresh.headers["X-Mayfly-Tenant"]
    assert document["storage"] == "memory" and document["timeout_seconds"] == 3600 and document["idle_timeout_seconds"] is None
    assert document["labels"] == {} and document["tables"] == []
    assert abs(seconds(document["expires_at"]) - seconds(document["created_at"]) - 3600) < 0.002


def test_a_session_is_opened_as_asked(fresh):
    document = Session(fresh, storage="persistent", timeout_seconds=60, idle_timeout_seconds=10,
                       labels={"job": "nightly", "é": "\u2028\"\\"}).document
    assert set(document) >= FIELDS | {"idle_expires_at"}
    assert document["storage"] == "persistent" and document["labels"] == {"job": "nightly", "é": "\u2028\"\\"}
    assert abs(seconds(document["expires_at"]) - seconds(document["created_at"]) - 60) < 0.002
    assert 9 <= seconds(document["idle_expires_at"]) - seconds(document["created_at"]) <= 11


def test_a_session_is_shown_as_it_was_opened(fresh):
    one = Session(fresh, labels={"a": "b"})
    shown = one.get()
    assert shown.status == 200 and shown.json == one.document


def test_ids_are_unguessable(fresh):
    ids = [Session(fresh).id.replace("-", "") for _ in range(20)]
    assert len(set(ids)) == 20
    tails = [i[16:] for i in ids]
    for place in range(1, 16):
        assert len({tail[place] for tail in tails}) > 2


@pytest.mark.parametrize("fields", [
    {"storage": "disk"}, {"storage": ""}, {"storage": 1}, {"timeout_seconds": -1}, {"timeout_seconds": 604801}, {"timeout_seconds": "60"},
    {"timeout_seconds": 1.5}, {"timeout_seconds": True}, {"idle_timeout_seconds": -1},
    {"idle_timeout_seconds": "1"}, {"idle_timeout_seconds": 1.5}, {"close_on_disconnect": "yes"}, {"close_on_disconnect": 1}, {"labels": []},
    {"labels": "x"}, {"labels": 7}, {"labels": {"a": "x" * 100000}},
], ids=str)
def test_an_invalid_field_opens_nothing(fresh, fields):
    problem(fresh.request("POST", "/v1/sessions", fields), 400, "invalid_field")
    assert fresh.get("/v1/sessions").json["items"] == []


@pytest.mark.parametrize("body, code", [(b"{", "invalid_json"), (b"[]", None), (b'{"storage":"memory"}x', "invalid_json"), (b"\xff", "invalid_json"),
                                        (b'{"timeout":1}', "unknown_field"), (b'{"Storage":"memory"}', "unknown_field"),
                                        (b'{"tables":[]}', "unknown_field"), (b'{"tenant_id":"x"}', "unknown_field")], ids=str)
def test_a_body_that_is_none_opens_nothing(fresh, body, code):
    a = fresh.request("POST", "/v1/sessions", body)
    problem(a, 400, code or a.json["code"])
    assert fresh.get("/v1/sessions").json["items"] == []


@pytest.mark.parametrize("n", [2 ** 63, 2 ** 64, 10 ** 30])
def test_a_number_beyond_all_opens_nothing(fresh, n):
    a = fresh.request("POST", "/v1/sessions", {"timeout_seconds": n})
    problem(a, 400, "invalid_field")


def test_where_the_cap_is_lifted_an_overflow_is_unbounded(server):
    one = server(tenants__session_timeout_seconds=2 ** 63 - 1)
    s = Session(one.client, timeout_seconds=2 ** 63 - 1)
    for _ in range(5):
        one.client.advance(365 * 86400)
    assert s.get().status == 200
    assert s.document["timeout_seconds"] == 2 ** 63 - 1


def test_the_cap_of_a_timeout_is_the_tenants(server):
    one = server(**{"tenants__session_timeout_seconds": 100, "tenants__overrides__big__session_timeout_seconds": 200})
    problem(one.client.request("POST", "/v1/sessions", {"timeout_seconds": 101}), 400, "invalid_field")
    assert Session(one.client, timeout_seconds=100).extend(100).status == 200
    assert Session(one.as_tenant("big"), timeout_seconds=200).document["timeout_seconds"] == 200
    assert Session(one.client).document["timeout_seconds"] <= 100  # the default gives way


def test_without_a_tenant_no_session_is_opened(server):  # J-04
    one = server(auth__require_tenant="true")
    problem(one.client.request("POST", "/v1/sessions", {}), 403, "no_tenant_binding")
    assert Session(one.as_tenant("a")).document["tenant_id"] == "a"


def test_ten_sessions_opened_at_once_are_ten(fresh):
    ids = {s.id for s in in_parallel(*[lambda: Session(fresh)] * 10)}
    assert len(ids) == 10
    assert {i["session_id"] for i in fresh.get("/v1/sessions").json["items"]} == ids


# --- finding and listing ---

@pytest.mark.parametrize("name", [UNKNOWN, "x", "0" * 32, "FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF", "é", "x" * 500], ids=str)
def test_an_unknown_session_is_a_404_everywhere_and_makes_none(fresh, name):
    name = urllib.parse.quote(name)
    for method, rest, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/extend", {"timeout_seconds": 1}), ("POST", "/fork", b""),
                               ("POST", "/tables", {"name": "t", "columns": [{"name": "a", "type": "int"}]}), ("POST", "/tables/t/rows", []),
                               ("GET", "/tables/t/count", None), ("POST", "/query", {"sql": "select 1"}), ("GET", "/events", None)):
        a = fresh.request(method, f"/v1/sessions/{name}{rest}", body)
        assert a.status == 404 and a.json["code"] == "not_found", (method, rest, a)
    assert fresh.get("/v1/sessions").json["items"] == []


def test_an_unknown_session_is_a_404_to_statements(fresh):
    for name in (UNKNOWN, "x", "'", "x" * 500):
        a = fresh.submit("select 1", headers={"X-Mayfly-Session": name})
        assert a.status == 404 and set(a.json) == {"code", "message"}, (name, a)
        assert fresh.native("select 1", session_id=name).status in (400, 404)
    problem(fresh.native("select 1", session_id=UNKNOWN), 404, "not_found")
    problem(fresh.native("select 1", session_id=7), 400, "invalid_field")
    assert fresh.get("/v1/sessions").json["items"] == []


def test_sessions_are_listed_in_pages(fresh):
    ids = [Session(fresh).id for _ in range(7)]
    seen, after = [], ""
    while True:
        page = fresh.get("/v1/sessions?limit=3" + (f"&after={urllib.parse.quote(after)}" if after else "")).json
        assert len(page["items"]) <= 3
        seen += [i["session_id"] for i in page["items"]]
        after = page["next"]
        if not after:
            break
    assert sorted(seen) == sorted(ids)
    for query in ("limit=0", "limit=1001", "limit=x", "after=%20x"):
        problem(fresh.get("/v1/sessions?" + query), 400, "invalid_field")


def test_a_closed_session_is_listed_no_more(fresh):
    one, two = Session(fresh), Session(fresh)
    one.closed()
    assert [i["session_id"] for i in fresh.get("/v1/sessions").json["items"]] == [two.id]


# --- close ---

def test_open_create_insert_select_count_close(fresh):  # J-01, J-02
    one = Session(fresh)
    made = one.table("orders", "id int, item text")
    assert made == {"name": "orders", "physical_id": one.physical("orders"), "table_ref": one.ref("orders")}
    assert one.inserted("orders", [{"id": 2, "item": "b"}, {"id": 1, "item": "a"}]) == 2
    assert one.rows("select item from {table} order by id", table="orders") == [["a"], ["b"]]
    assert one.count("orders") == 2
    assert one.inserted("orders", [[3, "c"]]) == 1
    assert one.closed() == {"session_id": one.id, "event": "closed", "deleted_tables": 1, "deleted_row_count": 3}
    assert fresh.native(f"select * from {one.ref('orders')}").status == 422
    assert fresh.native("select * from orders").json["status"] == "FAILED"
    last = one.events()[-1]
    assert last["event"] == "closed" and last["deleted_row_count"] == 3 and last["tenant_id"] == fresh.headers["X-Mayfly-Tenant"]


def test_everything_answers_410_after_the_close(fresh):  # J-08
    one = Session(fresh)
    one.table("t", rows=[[1, "a"]])
    one.closed()
    for a in (one.close(), one.get(), one.create("u", "a int"), one.insert("t", [[1, "a"]]), one.query("select 1"), one.extend(5),
              fresh.get(one.path("tables", "t", "count")), fresh.request("POST", one.path("fork"), b""), fresh.get(one.path("events")),
              one.native("select 1")):
        problem(a, 410, "session_closed")
    assert one.submit("select 1").status == 410


def test_an_empty_session_closes(fresh):
    assert Session(fresh).closed() | {"session_id": ""} == {"session_id": "", "event": "closed", "deleted_tables": 0, "deleted_row_count": 0}


def test_closed_is_remembered_for_a_while_and_then_unknown(server):
    one = server(sessions__remember_seconds=600)
    s = Session(one.client)
    s.closed()
    one.client.advance(590)
    problem(s.get(), 410, "session_closed")
    one.client.advance(20)
    until(lambda: s.get().status == 404, "the tombstone to go")
    problem(s.close(), 404, "not_found")


def test_of_many_closes_one_wins(fresh):
    for _ in range(5):
        one = Session(fresh)
        one.table("t", rows=[[1, "a"], [2, "b"]])
        answers = in_parallel(*[one.close] * 8)
        assert sorted(a.status for a in answers) == [200] + [410] * 7
        assert [e["event"] for e in one.events()] == ["opened", "closed"]


# --- the two clocks ---

def test_a_timeout_of_zero_is_over_at_once(fresh):  # J-03
    one = Session(fresh, timeout_seconds=0)
    assert one.document["expires_at"] == one.document["created_at"]
    payload = ended(one, "timed_out")
    assert payload["deleted_row_count"] == 0
    problem(one.get(), 410, "session_expired")
    assert fresh.get("/v1/sessions").json["items"] == []


def test_the_deadline_ends_a_session_whatever_it_does(passing):
    one = Session(passing, timeout_seconds=1000)
    one.table("t", rows=[[1, "a"]])
    passing.advance(800)
    assert one.count("t") == 1
    passing.advance(201)
    payload = ended(one, "timed_out")
    assert payload["deleted_row_count"] == 1 and payload["ephemeral_table_count"] == 1
    problem(one.get(), 410, "session_expired")
    problem(one.close(), 410, "session_expired")
    assert passing.native("select * from t").json["status"] == "FAILED"


def test_a_deadline_is_acted_on_without_traffic(server):
    one = server()
    s = Session(one.client, timeout_seconds=5)
    s.table("t", rows=[[1, "a"]])
    until(lambda: holding(one, '"event":"timed_out"'), "the log to tell of the end")  # nobody asks the server
    assert [e["event"] for e in s.events()] == ["opened", "timed_out"]


def test_use_moves_the_idle_clock_and_not_the_hard_one(passing):
    one = Session(passing, timeout_seconds=10000, idle_timeout_seconds=600)
    one.table("t", rows=[[1, "a"]])
    for use in (lambda: one.count("t"), lambda: one.rows("select 1"), lambda: one.run("select 1"), lambda: one.cells("select 1"),
                lambda: one.inserted("t", [[2, "b"]]), one.get):
        passing.advance(500)
        use()
    assert seconds(one.get().json["expires_at"]) == seconds(one.document["expires_at"])
    assert seconds(one.get().json["idle_expires_at"]) > seconds(one.document["idle_expires_at"]) + 2000
    passing.advance(601)
    ended(one, "timed_out")
    problem(one.get(), 410, "session_expired")


def test_a_session_whose_statement_runs_is_not_idle(passing):
    one = Session(passing, timeout_seconds=10 ** 5, idle_timeout_seconds=600)
    handle = one.native("select count(*) from range(1000000000000) t(i) where i % 7 = 3", wait=0).json["handle"]
    until(lambda: passing.document(handle).json["status"] == "RUNNING", "the statement to run")
    for _ in range(3):
        passing.advance(500)
        assert one.get().status == 200 and passing.document(handle).json["status"] == "RUNNING"
    passing.cancel(handle)
    until(lambda: passing.document(handle).json["status"] == "CANCELED", "its end")
    passing.advance(500)
    assert one.get().status == 200  # from its end on

    def over():  # the engine stops a little later than the document says
        passing.advance(601)
        return one.get().status == 410
    until(over, "the idle clock")
    assert ended(one, "timed_out")["details"] == {"reason": "idle"}


def test_extend_sets_the_deadline_from_now(passing):
    one = Session(passing, timeout_seconds=1000)
    passing.advance(900)
    assert one.extend(1000).status == 200
    passing.advance(900)
    shown = one.get().json
    assert 1900 <= seconds(shown["expires_at"]) - seconds(one.document["created_at"]) < 2000
    problem(one.extend(604801), 400, "invalid_field")
    problem(one.extend(-1), 400, "invalid_field")
    problem(passing.request("POST", one.path("extend"), {}), 400, "invalid_field")
    problem(passing.request("POST", one.path("extend"), {"timeout_seconds": 1, "x": 1}), 400, "unknown_field")
    assert one.extend(5).status == 200  # also sooner
    passing.advance(6)
    ended(one, "timed_out")
    problem(one.extend(100), 410, "session_expired")


def test_a_close_and_a_deadline_give_one_end(passing):  # J-17
    for _ in range(15):
        one = Session(passing, timeout_seconds=50)
        one.table("t", rows=[[1, "a"], [2, "b"]])
        _, a = in_parallel(lambda: passing.advance(50), one.close)
        assert a.status in (200, 410), a
        until(lambda one=one: len(one.events()) > 1, "the end")
        events = [e["event"] for e in one.events()]
        assert events[0] == "opened" and len(events) == 2 and events[1] in ("closed", "timed_out")
        assert (a.status == 200) == (events[1] == "closed")
        assert one.events()[1]["deleted_row_count"] == 2


# --- close_on_disconnect ---

def connections(client):
    """How many the server holds open, this question's own among them."""
    return int(re.search(r"^mayfly_http_connections_open (\d+)", client.get("/metrics").text, re.M).group(1))


def test_a_session_ends_when_its_reader_leaves(passing):
    one = Session(passing, close_on_disconnect=True)
    one.table("t", rows=[[1, "a"]])
    before = connections(passing)
    with Stream(passing, one.path("events")):
        passing.advance(60)
        assert one.count("t") == 1
    until(lambda: connections(passing) <= before, "the server to see the reader leave")
    passing.advance(1)
    assert one.get().status == 200
    passing.advance(12)
    payload = ended(one, "closed")
    assert payload["details"]["reason"] == "dropped" and payload["deleted_row_count"] == 1
    problem(one.get(), 410, "session_closed")


def test_a_reader_that_comes_back_in_time_keeps_it(passing):
    one = Session(passing, close_on_disconnect=True)
    before = connections(passing)
    for _ in range(3):
        with Stream(passing, one.path("events")):
            passing.advance(20)
        until(lambda: connections(passing) <= before, "the server to see the reader leave")
        passing.advance(1)
    with Stream(passing, one.path("events")), Stream(passing, one.path("events")) as second:
        second.close()
        until(lambda: connections(passing) <= before + 1, "the server to see the second reader leave")
        passing.advance(20)
        assert one.get().status == 200


def test_a_session_that_nobody_ever_held_ends(passing):
    one = Session(passing, close_on_disconnect=True)
    passing.advance(12)
    assert ended(one, "closed")["details"]["reason"] == "dropped"


def test_without_close_on_disconnect_a_reader_may_leave(passing):
    one = Session(passing)
    before = connections(passing)
    with Stream(passing, one.path("events")):
        pass
    until(lambda: connections(passing) <= before, "the server to see the reader leave")
    passing.advance(60)
    assert one.get().status == 200


def test_a_stream_of_a_session_ends_with_it(passing):
    one = Session(passing, close_on_disconnect=True)
    with Stream(passing, one.path("events")) as stream:
        one.closed()
        while stream.next():
            pass


# --- tables ---

GOOD_NAMES = ["a", "A", "_", "_1", "Orders_2", "x" * 24, "select", "table", "__ep", "eph"]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_a_table(session, name):  # J-16
    made = session.table(name, "a int", rows=[[1]])
    assert made == {"name": name, "physical_id": session.physical(name), "table_ref": session.ref(name)}
    assert session.count(name) == 1
    assert session.rows("select a from {table}", table=name) == [[1]]
    assert session.run(f"select a from {session.ref(name)}")["row_count"] == 1
    assert session.tables() == {name: {**made, "row_count": 1}}


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "a.b", "é", "日本", "a\"b", "a'b", "a;b", "a\u0000b", " a", "a ", "a\n", "__eph_", "__eph_x",
                                  "__EPH_x", "*", "a/b", "😀", "é" * 20, "$a", "a%"], ids=repr)
def test_a_bad_name_is_no_table(session, name):
    a = session.create(name, "a int")
    problem(a, 400, "invalid_name" if "\0" not in name else a.json["code"])
    assert session.tables() == {}


@pytest.mark.parametrize("n", [25, 26, 63, 64, 1000, 100000])
def test_a_long_name_is_no_table(session, n):
    assert problem(session.create("x" * n, "a int"), 400, "name_too_long")["max"] == 24
    assert session.tables() == {}


def test_a_name_is_used_once(session):
    session.table("orders", "a int")
    problem(session.create("orders", "b int"), 409, "duplicate_table")
    problem(session.create("ORDERS", "b int"), 409, "duplicate_table")
    session.run("create table by_sql (a int)")
    problem(session.create("by_sql", "b int"), 409, "duplicate_table")
    assert set(session.tables()) == {"orders", "by_sql"}


def test_of_many_creates_one_wins(session):
    answers = in_parallel(*[lambda: session.create("t", "a int")] * 8)
    assert sorted(a.status for a in answers) == [201] + [409] * 7
    assert set(session.tables()) == {"t"}


@pytest.mark.parametrize("body", [
    {"columns": [{"name": "a", "type": "int"}]}, {"name": "t"}, {"name": "t", "columns": []}, {"name": "t", "columns": {}},
    {"name": "t", "columns": [{"name": "a"}]}, {"name": "t", "columns": [{"type": "int"}]}, {"name": "t", "columns": ["a int"]},
    {"name": "t", "columns": [{"name": "a", "type": 1}]}, {"name": "t", "columns": [{"name": 1, "type": "int"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int", "nullable": "no"}]}, {"name": 1, "columns": [{"name": "a", "type": "int"}]},
    {"name": "t", "columns": [{"name": "a", "type": "nosuchtype"}]}, {"name": "t", "columns": [{"name": "a", "type": ""}]},
    {"name": "t", "columns": [{"name": "", "type": "int"}]}, {"name": "t", "columns": [{"name": "a", "type": "int"}, {"name": "a", "type": "text"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int"}, {"name": "A", "type": "text"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int"}], "primary_key": ["b"]}, {"name": "t", "columns": [{"name": "a", "type": "int"}], "primary_key": "a"},
    {"name": "t", "columns": [{"name": "a", "type": "int"}], "primary_key": ["a", "a"]},
    {"name": "t", "columns": [{"name": "a", "type": "int"}], "primary_key": [1]},
    {"name": "t", "columns": [{"name": "a", "type": "int, b int"}]}, {"name": "t", "columns": [{"name": "a", "type": "int) as select 1 --"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int primary key"}]}, {"name": "t", "columns": [{"name": "a", "type": "int default 7"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int default getenv('HOME')"}]}, {"name": "t", "columns": [{"name": "a", "type": "int; drop table x"}]},
    {"name": "t", "columns": [{"name": "a", "type": "int\u0000"}]}, {"name": "t", "columns": [{"name": "a\u0000", "type": "int"}]},
    {"name": "t", "columns": [{"name": "__eph_a", "type": "int"}]},
], ids=lambda b: json.dumps(b)[:70])
def test_a_table_that_cannot_be_is_refused(session, body):
    a = session.client.request("POST", session.path("tables"), body)
    assert 400 <= a.status < 500 and a.type == "application/problem+json", a
    assert session.tables() == {}
    problem(session.client.request("POST", session.path("tables"), {"name": "t", "columns": [], "x": 1}), 400, "unknown_field")


@pytest.mark.parametrize("kind, value, shown", [
    ("INTEGER", 1, 1), ("bigint", 2 ** 60, 2 ** 60), ("HUGEINT", 1, "1"), ("DECIMAL(10,2)", "1.50", "1.50"), ("double", 1.5, 1.5), ("VARCHAR", "é", "é"),
    ("boolean", True, True), ("DATE", "2026-01-02", "2026-01-02"), ("TIMESTAMP", "2026-01-02 03:04:05", None), ("UUID", UNKNOWN, UNKNOWN),
    ("INTEGER[]", [1, 2], [1, 2]), ("STRUCT(a INTEGER, b VARCHAR)", {"a": 1, "b": "x"}, {"a": 1, "b": "x"}), ("DOUBLE PRECISION", 2.0, 2.0),
    ("TIMESTAMP WITH TIME ZONE", "2026-01-02 03:04:05+00", None), ("ENUM('a', 'b')", "b", "b"), ("JSON", {"a": [1]}, None),
], ids=lambda v: str(v)[:30])
def test_columns_have_the_types_of_the_engine(session, kind, value, shown):
    session.table("t", [{"name": "v", "type": kind}], rows=[{"v": value}])
    if shown is None:
        assert session.rows("select v is not null from t") == [[True]]
    else:
        assert session.rows("select v from t") == [[shown]]
    session.inserted("t", [{"v": None}])
    assert session.rows("select count(*) from t where v is null") == [[1]]


def test_column_names_may_be_anything_quoted(session):
    names = ["a b", "select", "é", 'q"q', "a'b", "a;--", "x" * 200]
    session.table("t", [{"name": n, "type": "int"} for n in names], rows=[list(range(7))])
    a = session.query("from t").json
    assert [c["name"] for c in a["columns"]] == names and a["rows"] == [list(range(7))]


def test_not_null_and_primary_keys_are_enforced(session):
    session.table("t", "a int, b int, c text not null", primary_key=["a", "b"])
    assert session.inserted("t", [[1, 1, "x"], [1, 2, "y"]]) == 2
    for rows in ([[1, 1, "z"]], [[2, 2, "p"], [2, 2, "q"]], [[5, 5, "p"], [1, 2, "q"]]):
        problem(session.insert("t", rows), 409, "constraint_violation")
    for rows in ([[3, 3, None]], [[None, 3, "x"]], [{"a": 9, "b": 9}]):
        a = session.insert("t", [[8, 8, "fits"]] + rows)
        assert a.status in (409, 422) and a.json["code"] in ("constraint_violation", "schema_mismatch"), a
    assert session.count("t") == 2
    assert session.refused("insert into t values (1, 1, 'z')")
    assert session.count("t") == 2


# --- rows ---

THREE = [{"a": 1, "b": "x"}, {"a": 2, "b": "é\"\\\n,"}, {"a": 3, "b": None}]
FORMS = {
    "objects": (json.dumps(THREE), "application/json"),
    "arrays": (json.dumps([[r["a"], r["b"]] for r in THREE]), "application/json"),
    "ndjson": ("\n".join(map(json.dumps, THREE)) + "\n", NDJSON),
    "ndjson of arrays": ("\n".join(json.dumps([r["a"], r["b"]]) for r in THREE), NDJSON),
    "ndjson with CRLF and blank lines": ("\r\n\r\n".join(map(json.dumps, THREE)) + "\r\n", NDJSON),
    "csv": ('a,b\r\n1,x\r\n2,"é""\\\n,"\r\n3,\r\n', CSV),
    "csv in another order": ('b,a\nx,1\n"é""\\\n,",2\n,3', CSV),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coding", ["plain", "gzip", "chunked", "chunked gzip"])
def test_rows_come_in_every_form(session, form, coding):
    body, kind = FORMS[form]
    session.table("t")
    headers = {"Content-Encoding": "gzip"} if "gzip" in coding else {}
    body = gzip.compress(body.encode()) if "gzip" in coding else body.encode()
    if "chunked" in coding:
        a = chunked(session, "t", [body[i:i + 7] for i in range(0, len(body), 7)], kind, **headers)
    else:
        a = session.insert("t", body, kind, **headers)
    assert a.status == 200 and a.json == {"inserted": 3}, a
    assert session.rows("select * from t order by a") == [[r["a"], r["b"]] for r in THREE]


def chunked(session, table, pieces, kind, **headers):
    """A body whose length is not said before."""
    with_headers = {"Content-Type": kind, "Transfer-Encoding": "chunked", **session.client.headers, **headers}
    connection = session.client.server.connection()
    try:
        connection.request("POST", session.path("tables", table, "rows"), iter(pieces), with_headers, encode_chunked=True)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_rows_come_as_parquet(session, fresh):
    session.table("t")
    file = session.query("select * from (values (1::int, 'x'), (2, null)) v(a, b)", accept=PARQUET)
    assert file.status == 200 and file.body[:4] == b"PAR1", file
    assert session.inserted("t", file.body, PARQUET) == 2
    assert session.inserted("t", gzip.compress(file.body), PARQUET, **{"Content-Encoding": "gzip"}) == 2
    assert session.rows("select * from t order by a") == [[1, "x"], [1, "x"], [2, None], [2, None]]
    half = file.body[:len(file.body) // 2]
    for bad in (half, file.body[:-4], b"PAR1", b"", b"PAR1" + b"\0" * 100 + b"PAR1", os.urandom(500)):
        a = session.insert("t", bad, PARQUET)
        assert 400 <= a.status < 500, a
    other = session.query("select 'no number' as a, 1 as b", accept=PARQUET).body
    problem(session.insert("t", other, PARQUET), 422, "schema_mismatch")
    assert session.count("t") == 4
    assert fresh.get("/v1/sessions").status == 200


def test_an_empty_unquoted_field_is_null_and_a_quoted_one_is_empty(session):
    session.table("t", "a int, b text, c text")
    assert session.inserted("t", 'a,b,c\n,"",\n1,,x\n', CSV) == 2
    assert session.rows("select a, b, c from t order by a nulls first") == [[None, "", None], [1, None, "x"]]


@pytest.mark.parametrize("body, kind", [("[]", "application/json"), ("", NDJSON), ("\n\n", NDJSON), ("a,b\n", CSV)], ids=repr)
def test_no_rows_are_no_rows(session, body, kind):
    session.table("t")
    assert session.inserted("t", body, kind) == 0
    assert session.count("t") == 0


def test_many_rows_are_streamed(session):
    session.table("t", "a bigint, b text")
    n = 200000
    body = "".join('{"a":%d,"b":"row %d"}\n' % (i, i) for i in range(n)).encode()
    assert chunked(session, "t", [body[i:i + 60000] for i in range(0, len(body), 60000)], NDJSON).json == {"inserted": n}
    assert session.rows("select count(*), sum(a), count(distinct b) from t") == [[n, str(n * (n - 1) // 2), n]]


BAD_ROWS = {
    "text in an int": ('[{"a":1,"b":"x"},{"a":"no","b":"y"}]', "application/json", 2, "a"),
    "NaN in an int": ('[[1,"x"],[2,"y"],["NaN","z"]]', "application/json", 3, "a"),
    "a fraction in an int": ('{"a":1,"b":"x"}\n{"a":1.5,"b":"y"}\n', NDJSON, 2, "a"),
    "too large for an int": ('{"a":1,"b":"x"}\n{"a":99999999999,"b":"y"}\n', NDJSON, 2, "a"),
    "too many in an array": ('[[1,"x"],[2,"y",3]]', "application/json", 2, None),
    "too few in an array": ('[[1,"x"],[2]]', "application/json", 2, None),
    "a field that is no column": ('[{"a":1,"b":"x"},{"a":2,"nosuch":"y"}]', "application/json", 2, "nosuch"),
    "a list in an int": ('[{"a":1},{"a":[2]}]', "application/json", 2, "a"),
    "an object in an int": ('[{"a":1},{"a":{"x":2}}]', "application/json", 2, "a"),
    "csv text in an int": ("a,b\n1,x\nno,y\n", CSV, 2, "a"),
    "csv too many": ("a,b\n1,x\n2,y,z\n", CSV, 2, None),
    "csv too few": ("a,b\n1,x\n2\n", CSV, 2, None),
    "csv NaN": ("a,b\n1,x\nNaN,y\n", CSV, 2, "a"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_does_not_fit_is_named_and_none_is_kept(session, name):  # J-09
    body, kind, row, column = BAD_ROWS[name]
    session.table("t", rows=[[0, "before"]])
    says(problem(session.insert("t", body, kind), 422, "schema_mismatch"), row, *([column] if column else []))
    assert session.count("t") == 1


@pytest.mark.parametrize("body, kind", [
    ("[{", "application/json"), ("[1]", "application/json"), ('["x"]', "application/json"), ("{}", "application/json"), ("null", "application/json"),
    ('[{"a":1}] x', "application/json"), ('[{"a":1},]', "application/json"), ('[{"a":NaN}]', "application/json"), ('[{"a":1}', "application/json"),
    ("", "application/json"), ('{"a":1}\n{"a":', NDJSON), ('{"a":1}\nx\n', NDJSON), ('{"a":1} {"a":2}\n', NDJSON), ("[[1]]\n", NDJSON),
    ("a,nosuch\n1,2\n", CSV), ("a,a\n1,2\n", CSV), ("", CSV), ('a,b\n1,"x\n', CSV), ('a,b\n1,"x"y\n', CSV), (b'[{"a":1,"b":"\xff"}]', "application/json"),
    (b"a,b\n1,\xff\n", CSV), ('[{"a":1,"a":2}]', "application/json"), ("[" * 5000, "application/json"),
], ids=lambda v: repr(v)[:40])
def test_a_body_that_is_none_is_a_4xx_and_no_row_is_kept(session, body, kind):
    session.table("t", rows=[[0, "before"]])
    a = session.insert("t", body, kind)
    assert 400 <= a.status < 500 and a.type == "application/problem+json", a
    assert session.count("t") == 1


@pytest.mark.parametrize("kind, status", [("text/plain", 415), ("application/xml", 415), (None, None), ("x", 415), ("application/json; charset=utf-8", 200)])
def test_the_content_type_chooses_the_form(session, kind, status):
    session.table("t")
    a = session.client.request("POST", session.path("tables", "t", "rows"), b"[]", {"Content-Type": kind})
    assert a.status == status if status else a.status in (200, 415), a
    if a.status == 415:
        problem(a, 415, "unsupported_media_type")


def test_a_gzip_body_that_is_broken_keeps_no_row(session):
    session.table("t")
    whole = gzip.compress(b'{"a":1,"b":"x"}\n' * 50000)
    for body in (whole[:len(whole) // 2], whole[:-4], b"no gzip", whole[:100] + b"\0" * 50 + whole[150:]):
        a = session.insert("t", body, NDJSON, **{"Content-Encoding": "gzip"})
        assert 400 <= a.status < 500, a
    a = session.insert("t", whole, NDJSON, **{"Content-Encoding": "br"})
    assert a.status == 415, a
    assert session.count("t") == 0


def test_a_body_that_stops_half_way_keeps_no_row(session):  # J-10
    session.table("t", rows=[[0, "before"]])
    rows = b'{"a":1,"b":"x"}\n' * 20000
    head = (f"POST {session.path('tables', 't', 'rows')} HTTP/1.1\r\nHost: localhost\r\nX-Mayfly-Tenant: {session.client.headers['X-Mayfly-Tenant']}\r\n"
            f"Content-Type: {NDJSON}\r\n").encode()
    for sent in (head + b"Content-Length: %d\r\n\r\n" % (2 * len(rows)) + rows,
                 head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(rows) + rows + b"\r\n",
                 head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (2 * len(rows)) + rows):
        with session.client.server.socket() as s:
            s.sendall(sent)
        assert session.count("t") == 1
    assert session.inserted("t", [[1, "after"]]) == 1
    assert session.count("t") == 2


def test_rows_for_no_table_are_a_404(session):
    for name in ("nosuch", "__eph_x", "a b", "x" * 100):
        problem(session.insert(name, [[1]]), 404, "unknown_table")
        problem(session.client.get(session.path("tables", name, "count")), 404, "unknown_table")


def test_an_insert_larger_than_the_limit_is_a_413(server):
    one = server(server__max_upload_bytes=100000)
    s = Session(one.client)
    s.table("t")
    row = b'{"a":1,"b":"xxxxxxxxxxxxxxxxxxxx"}\n'
    problem(s.insert("t", row * 10000, NDJSON), 413, "body_too_large")
    problem(s.insert("t", gzip.compress(row * 10000), NDJSON, **{"Content-Encoding": "gzip"}), 413, "body_too_large")
    assert chunked(s, "t", [row * 1000] * 10, NDJSON).status == 413
    assert s.count("t") == 0
    assert s.inserted("t", row * 1000, NDJSON) == 1000


def test_inserts_in_parallel_all_count(session):
    session.table("t", "a int")
    in_parallel(*[lambda i=i: session.inserted("t", [[i * 100 + k] for k in range(100)]) for i in range(8)])
    assert session.rows("select count(*), count(distinct a) from t") == [[800, 800]]


# --- query ---

def test_a_query_answers_in_every_form(session):
    session.table("t", rows=[[1, "x"], [2, None]])
    whole = session.query("select * from t order by a").json
    assert [c["name"] for c in whole["columns"]] == ["a", "b"] and whole["columns"][0]["type"] == "INTEGER"
    assert whole["rows"] == [[1, "x"], [2, None]] and whole["row_count"] == 2
    assert session.query("select * from t order by a", NDJSON).text.splitlines() == ['{"a":1,"b":"x"}', '{"a":2,"b":null}']
    assert session.query("select * from t order by a", CSV).text.split() == ["a,b", "1,x", "2,"]
    assert session.query("select * from t", PARQUET).body[:4] == b"PAR1"
    problem(session.query("select 1", "image/png"), 406, "not_acceptable")


def test_a_template_names_tables(session):
    session.table("orders", "id int", rows=[[1], [2]])
    session.table("items", "id int", rows=[[2], [3]])
    assert session.rows("select {table}.id from {table} join {table:items} using (id)", table="orders") == [[2]]
    assert session.rows("select '{table}', {table:items}.id from {table:items} order by 2 -- {table}") == [["{table}", 2], ["{table}", 3]]
    problem(session.query("select * from {table}"), 400, "invalid_field")
    problem(session.query("select * from {table}", table="nosuch"), 404, "unknown_table")
    problem(session.query("select * from {table:nosuch}"), 404, "unknown_table")
    assert session.query("select * from {table}", table="").status in (400, 404)
    problem(session.query("select * from {table}", table=1), 400, "invalid_field")


def test_logical_names_references_and_the_tenants_tables_join(session, fresh):
    fresh.run("create table people as select 1 as id, 'ann' as name union all select 2, 'bob'")
    session.table("orders", "person int, item text", rows=[[1, "x"], [2, "y"]])
    for name in ("orders", "{table}", session.ref("orders"), "mutable.public.orders", f'"{session.physical("orders")}"', "public.orders"):
        assert session.rows(f"select p.name, o.item from {name} o join people p on p.id = o.person order by 1", table="orders") == \
            [["ann", "x"], ["bob", "y"]]
    assert session.rows("select count(*) from MAYFLY.PUBLIC.people") == [[2]]
    session.run("insert into people select 3, item from orders where person = 1")
    assert fresh.rows("select name from people where id = 3") == [["x"]]


def test_a_sessions_table_hides_the_tenants_of_that_name(session, fresh):
    fresh.run("create table things as select 'tenant' as a")
    session.table("things", "a text", rows=[["session"]])
    assert session.rows("select a from things") == [["session"]]
    assert session.rows("select a from MAYFLY.PUBLIC.things") == [["tenant"]]
    assert fresh.rows("select a from things") == [["tenant"]]


def test_parameters_are_bound(session):
    session.table("t", rows=[[1, "x"], [2, "y"]])
    assert session.rows("select b from t where a = ?", params=[2]) == [["y"]]
    assert session.rows("select b from t where a = $n", params={"n": 1}) == [["x"]]
    assert session.rows("select b from {table} where b = $1", table="t", params=["x'; drop table t --"]) == []
    assert session.count("t") == 2


@pytest.mark.parametrize("sql", ["insert into t values (1, 'x')", "delete from t", "update t set a = 1", "create table u (a int)", "drop table t",
                                 "truncate t", "alter table t rename to u", "create view v as select 1", "explain analyze delete from t",
                                 "set variable x = 1", "begin", "create schema MAYFLY.s", "comment on table t is 'x'",
                                 "merge into t using t u on true when matched then delete", "insert into {table} values (1, 'x')"])
def test_a_query_only_reads(session, sql):
    session.table("t", rows=[[7, "before"]])
    problem(session.query(sql, table="t"), 422, "read_only")
    assert session.rows("select * from t") == [[7, "before"]]
    assert set(session.tables()) == {"t"}


@pytest.mark.parametrize("sql", ["copy t to 'x'", "attach 'x'", "detach x", "pragma version", "install httpfs", "load httpfs", "export database 'x'",
                                 "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "from duckdb_settings()", "from query('select 1')",
                                 "select getenv('HOME')", "from pragma_database_size()", "set memory_limit = '1GB'", "use x", "checkpoint",
                                 "from duckdb_databases()", "from duckdb_logs()"])
def test_the_gate_stands_before_sessions_too(session, sql):
    problem(session.query(sql), 422, "not_allowed")
    assert session.refused(sql)["code"] in ("not_allowed", "read_only")


def test_a_query_that_fails_says_where(session):
    session.table("t")
    body = problem(session.query("select nosuch from t"), 422, "sql_error")
    assert body["position"] == 8 and body["sqlstate"]
    body = problem(session.query(f"select 1, nosuch from {session.ref('t')}"), 422, "sql_error")
    assert body["position"] == 11
    problem(session.query("selec 1"), 422, "sql_error")
    problem(session.query("select 1; select 2"), 422, "sql_error")
    problem(session.query(""), 422, "empty_statement")
    problem(session.client.request("POST", session.path("query"), {}), 400, "invalid_field")
    problem(session.query("select 1", sqll=1), 400, "unknown_field")


# --- every statement of the session ---

def test_statements_of_both_surfaces_run_in_the_session(session):
    session.table("orders", "id int, item text", rows=[[1, "x"]])
    for name in ("orders", session.ref("orders"), "mutable.public.orders"):
        session.run(f"insert into {name} values (2, 'y')")
        session.run(f"update {name} set item = 'z' where id = 2")
        session.run(f"delete from {name} where item = 'z'")
        session.cells(f"insert into {name} values (3, 'y')")
        session.cells(f"delete from {name} where id = 3")
        assert session.cells(f"select item from {name}") == [["x"]]
    document = session.run("select 1")
    assert document["session_id"] == session.id
    listed = session.client.get(f"/v1/statements?session_id={session.id}").json["items"]
    assert document["handle"] in [item["handle"] for item in listed]
    for column in (f'"{session.physical("orders")}".item', f"{session.ref('orders')}.item", "orders.item"):
        assert session.cells(f"select {column} from {session.ref('orders')}") == [["x"]]
    assert session.run(f"describe {session.ref('orders')}")["row_count"] == 2
    session.run(f"comment on table {session.ref('orders')} is 'mine'")
    session.run(f"alter table {session.ref('orders')} add column more int")
    assert session.cells(f"select more from {session.ref('orders')}") == [[None]]


def test_the_header_names_the_session_natively_too(session, fresh):
    session.table("t", "a int", rows=[[1]])
    a = fresh.native("select a from t", headers={"X-Mayfly-Session": session.id})
    assert a.json["status"] == "SUCCEEDED" and a.json["session_id"] == session.id
    problem(fresh.native("select 1", headers={"X-Mayfly-Session": UNKNOWN}), 404, "not_found")
    other = Session(fresh)
    a = fresh.native("select 1", session_id=other.id, headers={"X-Mayfly-Session": session.id})
    assert a.json["session_id"] == other.id  # the field wins


TYPED = [("BLOB[]", "['\\x00\\xFF'::BLOB]"), ("MAP(INTEGER, VARCHAR[])", "MAP {1: ['a', NULL]}"), ("UNION(n INTEGER, s VARCHAR)", "union_value(s := '1')"),
         ("TIMESTAMP", "'0044-03-15 (BC) 01:02:03.5'"), ("TIMESTAMP", "'infinity'"), ("DOUBLE", "'-inf'"), ("DECIMAL(38,10)", "'-0.0000000001'"),
         ("JSON", "'\"text\"'"), ("BIGNUM", "'123456789012345678901234567890123456789012345'"), ("INTERVAL", "INTERVAL '1 month 1 day'"),
         ("ENUM('x y', '')", "''"), ("STRUCT(a BLOB, t TIMESTAMPTZ)", "{'a': '\\x01'::BLOB, 't': '2024-01-01 00:00:00+00'}")]


@pytest.mark.parametrize("accept", [NDJSON, CSV, PARQUET])
@pytest.mark.parametrize("kind, value", TYPED, ids=str)
def test_what_was_exported_can_be_imported(session, kind, value, accept):
    made = [{"name": "id", "type": "INTEGER"}, {"name": "v", "type": kind}]
    assert session.create("a", made).status == 201 and session.create("b", made).status == 201
    session.run(f"insert into a values (1, {value}), (2, NULL)")
    a = session.query("select * from a order by id", accept=accept)
    assert a.status == 200 and session.inserted("b", a.body, accept) == 2
    assert session.rows("select count(*) from a join b on a.id = b.id and a.v is not distinct from b.v and a.v::varchar is not distinct from b.v::varchar") == [[2]]


def test_tables_made_by_sql_belong_to_the_session(session, fresh):
    session.run("create table one as select 1 as a union all select 2")
    session.run("create table mutable.public.two (a int)")
    session.cells("create table THREE as select 1 as a")
    session.run(f"create table {session.ref('four')} (a int primary key)")
    session.run("create table public.five as select 5 as a")
    assert {n.lower(): t["row_count"] for n, t in session.tables().items()} == {"one": 2, "two": 0, "three": 1, "four": 0, "five": 1}
    assert session.tables()["one"] == {"name": "one", "physical_id": session.physical("one"), "table_ref": session.ref("one"), "row_count": 2}
    assert session.count("one") == 2 and session.inserted("two", [[1]]) == 1
    assert fresh.native("select * from one").json["status"] == "FAILED"
    session.run("alter table one rename to uno")
    session.run("drop table two")
    session.run(f"alter table {session.ref('four')} rename to {session.ref('quattro')}")
    assert {n.lower() for n in session.tables()} == {"uno", "three", "quattro", "five"}
    other = session.fork()
    assert {n.lower() for n in other.tables()} == {"uno", "three", "quattro", "five"}
    assert other.closed()["deleted_tables"] == 4
    assert session.closed() | {"session_id": ""} == {"session_id": "", "event": "closed", "deleted_tables": 4, "deleted_row_count": 4}


@pytest.mark.parametrize("sql, code", [
    ('create table "a b" (a int)', "invalid_name"), ("create table abcdefghijklmnopqrstuvwxy (a int)", "name_too_long"),
    ('create table "1a" as select 1', "invalid_name"), ('create or replace table "é" (a int)', "invalid_name"),
    ('alter table t rename to "a b"', "invalid_name"), ("alter table t rename to abcdefghijklmnopqrstuvwxy", "name_too_long"),
    ("create table __eph_x (a int)", "invalid_name"), ("create schema s", "not_allowed"), ("drop schema public cascade", "not_allowed"),
    ("create table main.t2 (a int)", "not_allowed"), ("drop schema mutable.public cascade", "not_allowed"),
    ("create table 'x y' (a int)", "not_allowed"), ("create view 'v' as select 1", "not_allowed"), ("alter table t rename to 'x y'", "not_allowed"),
])
def test_names_made_by_sql_follow_the_same_rule(session, sql, code):
    session.table("t", rows=[[1, "x"]])
    assert session.refused(sql)["code"] == code
    assert set(session.tables()) == {"t"} and session.count("t") == 1


def test_what_names_the_tenants_database_is_the_tenants(session, fresh):
    session.run('create table MAYFLY.PUBLIC."a long name of the tenant\'s own" as select 1 as a')
    assert fresh.rows('select a from "a long name of the tenant\'s own"') == [[1]]
    assert session.tables() == {}
    session.run("create schema MAYFLY.reports")
    session.run("create table MAYFLY.reports.r as select 2 as a")
    assert session.rows("select a from MAYFLY.reports.r") == [[2]]
    session.closed()
    assert fresh.rows("select a from reports.r") == [[2]]


def test_only_what_was_written_elsewhere_survives(session, fresh):  # J-06
    fresh.run("create table receipts (hash text)")
    session.table("raw", "secret text", rows=[["planted-secret"]])
    session.run("insert into receipts select sha256(secret) from raw")
    session.closed()
    rows = fresh.rows("select hash from receipts")
    assert len(rows) == 1 and "planted" not in rows[0][0]


def test_reserved_names_are_refused_everywhere(session):
    session.table("t", rows=[[1, "x"]])
    for sql in ("select 1 as __eph_x", "select * from __eph_x", 'select * from "__EPH_y"', "create view __eph_v as select 1",
                "with __eph_q as (select 1) select 1", f'select * from "__eph_{session.hex}".public.t', "select * from mutable.main.t", "select * from mutable.t",
                "select nextval('__eph_x')"):
        assert session.refused(sql)["code"] == "not_allowed", sql
        assert session.client.native(sql).status == 422, sql
        assert session.submit(sql).status == 422, sql
        problem(session.query(sql), 422, "read_only" if "nextval" in sql else "not_allowed")
    assert session.rows("select '__eph_x', 'mutable.public.\"__eph_y\"'") == [["__eph_x", 'mutable.public."__eph_y"']]


def test_show_tables_shows_the_sessions_and_the_tenants(session, fresh):
    fresh.run("create table shown as select 1 as a")
    fresh.run("create view seen as select 1 as a")
    session.table("mine", "a int")
    for name in ("mine", "shown", "seen"):
        assert [name] in session.rows("show tables")
    assert [r[0] for r in session.client.result(session.run("show tables from mutable.public")["handle"]).json["rows"]] == ["mine"]
    assert ["mine", "TEMPORARY"] in [[r[1], r[4]] for r in session.cells("show tables")]
    assert ["mine"] not in fresh.rows("show tables")


def test_views_and_sequences_of_a_session_end_with_it(session, fresh):
    session.table("t", rows=[[1, "x"]])
    session.run("create view v as select a from t")
    session.run(f"create view w as select a from {session.ref('t')}")
    session.run("create sequence s")
    session.run("insert into t values (nextval('s') + 1, 'y')")
    assert session.rows("select * from v order by 1") == session.rows("select * from w order by 1") == [[1], [2]]
    assert fresh.native("select * from v").json["status"] == "FAILED"
    other = session.fork()
    session.run("delete from t")
    assert other.rows("select * from v order by 1") == other.rows("select * from w order by 1") == [[1], [2]]
    session.closed()
    assert other.rows("select count(*) from w") == [[2]]
    assert fresh.native("select * from v").json["status"] == "FAILED"


# --- statements end with their session ---

def test_handles_end_with_their_session(fresh):
    one = Session(fresh)
    done = one.run("select 1")["handle"]
    old = one.submit("select 1").json["statementHandle"]
    running = fresh.running(one.native(LONG, wait=0).json["handle"])
    outside = fresh.run("select 1")["handle"]
    one.closed()
    for handle in (done, old, running):
        until(lambda handle=handle: fresh.document(handle).status in (404, 410), "the handle to end")
        assert fresh.result(handle).status in (404, 410)
        assert fresh.status(handle).status == 400 and fresh.status(handle).json["code"] in ("000709", "000710")
    assert fresh.document(outside).status == 200
    assert [i["handle"] for i in fresh.get("/v1/statements").json["items"]] == [outside]


def test_a_detached_statement_outlives_its_session(fresh):
    one = Session(fresh)
    one.table("t", rows=[[1, "x"]])
    handle = one.submit("select b from t", headers={"X-Mayfly-Detached": "true"}).json["statementHandle"]
    native = one.native("select a from t", headers={"X-Mayfly-Detached": "true"}).json["handle"]
    other = one.submit("select b from t", headers={"X-Mayfly-Detached": "false"}).json["statementHandle"]
    one.closed()
    assert fresh.status(handle).json["data"] == [["x"]] and fresh.result(handle).json["rows"] == [["x"]]
    assert fresh.result(native).json["rows"] == [[1]]
    assert fresh.document(other).status in (404, 410)


def test_a_timed_out_session_takes_its_statements_along(passing):
    one = Session(passing, timeout_seconds=100)
    running = passing.running(one.native(LONG, wait=0).json["handle"])
    passing.advance(101)
    ended(one, "timed_out")
    until(lambda: passing.document(running).status in (404, 410), "the statement to end")


def test_a_session_has_so_many_live_handles(server):
    one = server(snowflake_api__statement_storage__max_statements_per_session=3)
    s = Session(one.client)
    handles = [s.run("select 1")["handle"] for _ in range(3)]
    problem(s.native("select 1"), 429, "too_many_requests")
    assert s.submit("select 1").status == 429
    assert one.client.native("select 1").status == 200
    assert [one.client.document(h).status for h in handles] == [200] * 3
    one.client.forget(handles[0])
    assert s.native("select 1").status == 200


# --- fork ---

@pytest.mark.parametrize("storage", ["memory", "persistent"])
def test_a_fork_has_the_same_rows_and_its_own_fate(fresh, storage):
    one = Session(fresh, storage=storage, labels={"a": "b"}, timeout_seconds=500)
    one.table("t", "a int, b text not null", rows=[[1, "x"], [2, "y"]], primary_key=["a"])
    one.table("empty", "a int")
    two = one.fork()
    assert two.id != one.id and set(two.document) >= FIELDS and two.document["storage"] == storage
    assert {n: t["row_count"] for n, t in two.tables().items()} == {"t": 2, "empty": 0}
    assert two.tables()["t"]["physical_id"] == two.physical("t")
    problem(two.insert("t", [[1, "again"]]), 409, "constraint_violation")
    assert two.inserted("t", [[3, "z"]]) == 1
    one.run("delete from t")
    assert (one.count("t"), two.count("t")) == (0, 3)
    assert two.rows("select * from {table} order by a", table="t") == [[1, "x"], [2, "y"], [3, "z"]]
    one.closed()
    assert two.count("t") == 3
    assert two.closed()["deleted_row_count"] == 3
    assert [e["event"] for e in two.events()] == ["opened", "closed"]


def test_a_fork_takes_no_fields(fresh):
    one = Session(fresh)
    problem(fresh.request("POST", one.path("fork"), {"storage": "persistent"}), 400, "unknown_field")
    problem(fresh.request("POST", one.path("fork"), "{"), 400, "invalid_json")
    assert fresh.request("POST", one.path("fork"), {}).status == 201


def test_a_fork_of_an_empty_session_is_one(fresh):
    assert Session(fresh).fork().tables() == {}


# --- quotas ---

def quota(answer, *words):
    says(problem(answer, 429, "quota_exceeded"), *words)


def test_tables_rows_and_bytes_of_a_session_have_limits(server):
    one = server(tenants__session_tables=2, tenants__session_rows=10, tenants__session_bytes=10000)
    s = Session(one.client)
    s.table("a", "a int")
    s.table("b", "b text")
    quota(s.create("c", "a int"), 2)
    assert set(s.tables()) == {"a", "b"}
    assert s.inserted("a", [[i] for i in range(8)]) == 8
    quota(s.insert("a", [[i] for i in range(3)]), 10)
    assert s.count("a") == 8
    assert s.inserted("a", [[8], [9]]) == 2
    quota(s.insert("a", [[10]]), 10)
    s.run("delete from a")
    quota(s.insert("b", [["x" * 20000]]), 10000)
    assert s.count("b") == 0
    other = Session(one.client)  # of its own
    assert other.table("a", "a int", rows=[[1]])


def test_limits_hold_for_sql_too(server):
    one = server(tenants__session_tables=2, tenants__session_rows=10, tenants__session_bytes=10000)
    s = Session(one.client)
    s.table("t", rows=[[1, "x"]])
    for sql in ("insert into t select range, 'x' from range(100)", "create table u as select * from range(100)", "update t set b = repeat('x', 100000)",
                "insert into t values (2, repeat('x', 100000))", "create or replace table t as select range as a, 'x' as b from range(100)",
                "merge into t using (select range as k from range(50)) x on t.a = x.k + 1000 when not matched then insert values (x.k, 'y')"):
        assert s.refused(sql)["code"] == "quota_exceeded", sql
        assert s.submit(sql).status == 429, sql
        assert s.rows("select * from t") == [[1, "x"]] and set(s.tables()) == {"t"}
    s.run("create table u (a int)")
    assert s.refused("create table v (a int)")["code"] == "quota_exceeded"
    assert set(s.tables()) == {"t", "u"}
    s.run("drop table u")
    s.run("create table v as select 1 as a")


def test_sessions_and_their_tables_have_limits_a_tenant(server):
    one = server(tenants__max_sessions=3, tenants__ephemeral_tables=3, tenants__ephemeral_rows=10)
    a, b, _ = [Session(one.client) for _ in range(3)]
    quota(one.client.request("POST", "/v1/sessions", {}), 3)
    quota(one.client.request("POST", a.path("fork"), b""), 3)
    assert Session(one.as_tenant("other"))
    for s, name in ((a, "x"), (a, "y"), (b, "x")):
        s.table(name, "a int")
    quota(b.create("y", "a int"), 3)
    assert a.inserted("x", [[i] for i in range(9)]) == 9
    quota(b.insert("x", [[1], [2]]), 10)
    assert b.count("x") == 0
    a.closed()
    assert Session(one.client)
    b.table("y", "a int", rows=[[1], [2]])


# --- who may see what ---

def calls_of(stranger, s, handle):
    """Every call of section 2, and those of statements, on a session that is not the caller's."""
    theirs = Session(stranger, document=s.document)
    return [theirs.get(), theirs.close(), theirs.extend(10), stranger.request("POST", theirs.path("fork"), b""), theirs.create("mine", "a int"),
            theirs.insert("t", [[666, "stolen"]]), stranger.get(theirs.path("tables", "t", "count")), theirs.query("select * from t"),
            theirs.query("select * from {table}", table="t"), stranger.get(theirs.path("events")), theirs.native("select * from t"), theirs.submit("select 1"),
            stranger.document(handle), stranger.result(handle), stranger.forget(handle)]


def shape(answer, *ids):
    """What an answer says beside the ids that were asked for."""
    text = answer.text
    for one in (*ids, answer.headers["X-Request-Id"]):
        text = text.replace(one, "")
    return answer.status, text


def hidden_from(stranger, s, handle):
    unknown = Session(stranger, document={"session_id": UNKNOWN})
    for mine, none in zip(calls_of(stranger, s, handle), calls_of(stranger, unknown, UNKNOWN)):
        assert mine.status == 404, mine
        assert shape(mine, s.id, handle) == shape(none, UNKNOWN)
    assert s.id not in stranger.get("/v1/sessions").text
    assert s.id not in stranger.get("/v1/events").text
    assert s.id not in stranger.get(f"/v1/events?session_id={s.id}").text
    assert stranger.get(f"/v1/statements?session_id={s.id}").json.get("items", []) == []
    for sql in (f"select * from {s.ref('t')}", f"select * from \"{s.physical('t')}\"", f'select * from "__eph_{s.hex}".public.t', "select * from mutable.public.t",
                f"insert into {s.ref('t')} values (1, 'x')", f"drop table {s.ref('t')}"):
        assert stranger.native(sql).status == 422
        assert stranger.submit(sql).status == 422


def test_another_tenant_sees_nothing(fresh, shared):  # J-05
    one = Session(fresh)
    one.table("t", rows=[[1, "secret"]])
    handle = one.run("select * from t")["handle"]
    stranger = Client(shared, tenant=unique("tenant"))
    hidden_from(stranger, one, handle)
    own = Session(stranger)
    for sql in (f"select * from {one.ref('t')}", "select * from t", f"delete from {one.ref('t')}"):
        assert own.refused(sql)
    assert one.rows("select * from t") == [[1, "secret"]]
    assert [e["event"] for e in one.events()] == ["opened"]


def test_a_session_stays_with_its_tenant(fresh, shared):  # J-05: what the caller is bound to later does not matter
    one = Session(fresh)
    one.table("t", rows=[[1, "a"]])
    Client(shared, tenant=unique("tenant")).run("create table t as select 2 as a")
    assert one.rows("select a from t") == [[1]]


def test_principals_see_their_own_sessions_and_admins_see_all(guarded):
    ann, bob, admin, stranger = in_parallel(
        lambda: token(guarded, "acme", "--role", "user", "--principal", "ann"), lambda: token(guarded, "acme", "--role", "user", "--principal", "bob"),
        lambda: token(guarded, "acme", "--role", "admin"), lambda: token(guarded, "umbrella", "--role", "admin"))
    one = Session(ann)
    one.table("t", rows=[[1, "hers"]])
    handle = one.run("select * from t")["handle"]
    hidden_from(bob, one, handle)
    hidden_from(stranger, one, handle)
    assert one.id in [i["session_id"] for i in admin.get("/v1/sessions").json["items"]]
    seen = Session(admin, document=one.document)
    assert seen.rows("select b from t") == [["hers"]] and seen.count("t") == 1
    assert [e["event"] for e in seen.events()] == ["opened"]
    assert seen.closed()["deleted_row_count"] == 1
    problem(one.get(), 410, "session_closed")
    assert bob.get(one.path()).status == 404


def test_a_request_without_a_token_opens_nothing(guarded):
    assert guarded.client.request("POST", "/v1/sessions", {}).status == 401


# --- two sessions of one tenant ---

def test_sessions_of_one_tenant_are_apart(fresh):
    one, two = Session(fresh), Session(fresh)
    one.table("secret_plans", "a int", rows=[[1]])
    two.table("secret_plans", "b text", rows=[["x"], ["y"]])
    assert (one.rows("select * from secret_plans"), two.count("secret_plans")) == ([[1]], 2)
    three = Session(fresh)
    for s in (three, two):
        answers = [s.query(f"select * from {one.ref('secret_plans')}"), s.native(f"select * from {one.ref('secret_plans')}"),
                   s.query(f"select * from mutable.public.\"__eph_{uuid.uuid4().hex}_secret_plans\""),
                   s.native(f'insert into "__eph_{one.hex}".public.secret_plans values (2)'), s.native(f"drop table {one.ref('secret_plans')}")]
        for a in answers:
            assert a.status == 422 and a.json["code"] == "not_allowed", a
        assert answers[0].json["detail"] == answers[2].json["detail"]  # whether it exists or not
    assert one.count("secret_plans") == 1


METADATA = ["select * from duckdb_tables()", "select * from duckdb_columns()", "select * from duckdb_schemas()", "select * from duckdb_views()",
            "select * from duckdb_sequences()", "select * from duckdb_constraints()", "select * from duckdb_indexes()", "select * from duckdb_functions()",
            "select * from duckdb_types()", "select * from duckdb_dependencies()", "select * from duckdb_variables()", "select * from duckdb_prepared_statements()",
            "select * from information_schema.tables", "select * from information_schema.columns", "select * from information_schema.schemata",
            "select * from pg_catalog.pg_class", "select * from pg_catalog.pg_database", "select * from pg_catalog.pg_namespace", "select * from pg_catalog.pg_tables",
            "select * from sqlite_master", "show tables", "show all tables", "show databases", "describe", "select * from mayfly_tables()",
            "select current_schemas(true)", "select current_query()"]


def test_metadata_shows_nothing_of_another_session(fresh):
    one, two = Session(fresh), Session(fresh)
    one.table("hush_hush", "marker_column int", rows=[[1]], primary_key=["marker_column"])
    one.run("create view hush_view as select marker_column from hush_hush")
    one.run("create sequence hush_sequence")
    one.run("create macro hush_macro(x) as x + 1")
    one.run("create type hush_type as enum ('marker_label')")
    for who in (fresh, two):
        for sql in METADATA:
            a = who.native(sql)
            text = a.text if a.status != 200 or a.json["status"] == "FAILED" else fresh.result(a.json["handle"]).text
            for word in ("hush", "marker_", one.hex):
                assert word not in text.replace(sql, ""), (sql, word, text)


@pytest.mark.parametrize("sql", ["select * from hush_hus", "select * from public.hush_hush", "select hush_macr(1)", "select nextval('hush_sequenc')",
                                 "select marker_colum from duckdb_tables()", "select cast('x' as hush_typ)", "drop view hush_vie", "select * from hush_hush",
                                 "alter table hush_hush rename to x", "insert into hush_hush values (1)", "describe hush_hush", "select make_type('hush_type')"])
def test_messages_show_nothing_of_another_session(fresh, sql):
    one, two = Session(fresh), Session(fresh)
    one.table("hush_hush", "marker_column int", rows=[[1]])
    one.run("create macro hush_macro(x) as x + 1")
    one.run("create sequence hush_sequence")
    one.run("create type hush_type as enum ('marker_label')")
    for who in (fresh, two):
        a = who.native(sql)
        assert a.status == 422 or a.json["status"] == "FAILED", a
        text = json.dumps(a.json.get("error") or {k: v for k, v in a.json.items() if k != "sql"})
        for word in ("__eph", one.hex, "Did you mean \\\"hush", "marker_column", "marker_label"):
            assert word not in text, (word, text)


def test_sessions_may_share_within_a_tenant(server):
    one = server(sessions__share_within_tenant="true")
    mine, other = Session(one.client), Session(one.client)
    stranger = Session(one.as_tenant("stranger"))
    mine.table("t", "a int", rows=[[1]])
    other.table("u", "a int", rows=[[1], [2]])
    assert other.rows(f"select count(*) from u join {mine.ref('t')} using (a)") == [[1]]
    other.run(f"insert into {mine.ref('t')} select a + 10 from u")
    assert mine.rows("select a from t order by a") == [[1], [11], [12]]
    assert stranger.refused(f"select * from {mine.ref('t')}")
    assert one.client.native(f"select * from {mine.ref('t')}").status == 422
    assert other.refused("select * from t")
    for sql in (f"drop table {mine.ref('t')}", f"create table {mine.ref('new')} (a int)", f"alter table {mine.ref('t')} add column b int",
                f"create index i on {mine.ref('t')} (a)"):
        assert other.refused(sql)["code"] == "not_allowed"
    assert mine.tables()["t"]["row_count"] == 3
    mine.closed()
    assert other.refused(f"select * from {mine.ref('t')}")


# --- proof of deletion ---

def data_of(server):
    """Every byte below the data folder, by file."""
    for folder, _, files in os.walk(server.data):
        for name in files:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file:
                    yield path, file.read()
            except FileNotFoundError:
                continue


def holding(server, secret):
    wanted = [secret.encode(), secret.encode("utf-16-le")]
    return [path for path, content in data_of(server) if any(w in content for w in wanted)]


@pytest.mark.parametrize("storage", ["memory", "persistent"])
@pytest.mark.parametrize("end", ["close", "deadline"])
def test_after_the_end_nothing_of_it_is_left(server, storage, end):
    one = server(**{"statements__memory_bytes": 1000000, "tenants__memory_bytes": 268435456})
    client = one.client
    s = Session(client, storage=storage, timeout_seconds=1000, labels={"note": "harmless"})
    secret = "planted" + uuid.uuid4().hex
    s.table("t", "a int, b text")
    s.inserted("t", "".join(json.dumps({"a": i, "b": f"{secret}-{i}-" + "x" * 100}) + "\n" for i in range(20000)), NDJSON)
    s.run(f"create table {secret[:20]} as select b from t limit 1")
    s.run(f"update t set b = '{secret}' || a where a % 3 = 0")
    s.run("create view v as select * from t")
    handles = [s.run("select b from t")["handle"] for _ in range(5)]  # larger than memory holds: spooled
    s.submit(f"select b, '{secret}' from t limit 5")
    s.query("select b from t")
    s.refused(f"select * from no_{secret[:12]}")
    s.insert("t", f'[[1, "{secret}"], ["{secret}", "x"]]')
    if end == "close":
        s.closed()
    else:
        client.advance(1001)
        ended(s, "timed_out")
    for handle in handles:
        until(lambda handle=handle: client.document(handle).status in (404, 410), "the handle to end")
    until(lambda: not holding(one, secret), "the secret to go: " + str(holding(one, secret)))
    assert not holding(one, s.hex + "_t")
    assert not [p for p, _ in data_of(one) if "__eph_" in os.path.basename(p)]


def test_a_secret_of_a_persistent_session_is_on_disk_before(server):
    """What the test above looks for is where it looks."""
    one = server()
    s = Session(one.client, storage="persistent")
    secret = "planted" + uuid.uuid4().hex
    s.table("t", "b text")
    s.inserted("t", "".join(json.dumps({"b": secret + str(i)}) + "\n" for i in range(2000)), NDJSON)
    assert holding(one, secret)


# --- what dies ---

def test_a_killed_server_ends_memory_sessions_and_resumes_persistent_ones(killable):  # J-18
    first = killable.start()
    client = first.client
    gone, kept, late = Session(client), Session(client, storage="persistent", labels={"k": "v"}), Session(client, storage="persistent", timeout_seconds=600)
    closed = Session(client, storage="persistent")
    for s in (gone, kept, late, closed):
        s.table("t", "a int, b text", rows=[[1, "x"], [2, "y"]], primary_key=["a"])
    kept.run("insert into t values (3, 'z')")
    closed.closed()
    over = late.extend(1)
    assert over.status == 200, over
    until(lambda: time.time() > seconds(over.json["expires_at"]), "its time to be over")
    second = killable.kill()
    for s in (gone, late):  # at once, not only once the sweeper came
        problem(again(s, second).get(), 410, "session_expired")
    payload = ended(again(gone, second), "timed_out")
    assert payload["details"]["reason"] == "server_restart"
    assert again(gone, second).get().status == 410
    payload = ended(again(late, second), "timed_out")
    kept = again(kept, second)
    shown = kept.get().json
    assert shown["labels"] == {"k": "v"} and shown["expires_at"] == kept.document["expires_at"]
    assert kept.rows("select * from {table} order by a", table="t") == [[1, "x"], [2, "y"], [3, "z"]]
    problem(kept.insert("t", [[1, "again"]]), 409, "constraint_violation")
    assert kept.inserted("t", [[4, "w"]]) == 1
    assert [e["event"] for e in again(closed, second).events()] == ["opened", "closed"]
    problem(again(closed, second).get(), 410, "session_closed")
    assert kept.closed()["deleted_row_count"] == 4
    for s in (gone, late, kept):
        assert [e["event"] for e in again(s, second).events()][0] == "opened"
        assert len(again(s, second).events()) == 2


def test_a_server_killed_at_any_time_keeps_what_it_said(killable):  # J-10, J-18
    server = killable.start()
    kept = Session(server.client, storage="persistent")
    kept.table("t", "a int")
    said, stop = [0], threading.Event()
    for round_number in range(4):
        now = again(kept, server)
        stop.clear()

        def insert(now=now):
            while not stop.is_set():
                try:
                    a = now.insert("t", [[i] for i in range(50)])
                except (OSError, http.client.HTTPException):
                    return
                if a.status == 200:
                    said[0] += 50
                else:
                    return

        enough = said[0] + random.randint(1, 400)
        worker = threading.Thread(target=insert)
        worker.start()
        until(lambda enough=enough: said[0] > enough, "some rows")
        before = server
        server = killable.kill()
        stop.set()
        worker.join()
        assert before.process.returncode == -signal.SIGKILL
        count = again(kept, server).count("t")
        assert count % 50 == 0 and said[0] <= count <= said[0] + 50, (round_number, said, count)
        said[0] = count


def test_a_server_killed_in_a_close_ends_the_session_once(killable):
    server = killable.start()
    client = server.client
    sessions = [Session(client, storage=random.choice(["memory", "persistent"])) for _ in range(12)]
    for s in sessions:
        s.table("t", rows=[[1, "x"]])

    def close(s):
        try:
            return s.close().status
        except (OSError, http.client.HTTPException):
            return None
    closers = [threading.Thread(target=close, args=(s,)) for s in sessions]
    for c in closers[:random.randint(1, 12)]:
        c.start()
    server = killable.kill()
    for c in closers:
        if c.ident:
            c.join()
    for s in [again(s, server) for s in sessions]:
        if s.get().status == 200:
            assert s.close().status in (200, 410)  # it may be ending already
        until(lambda s=s: len(s.events()) > 1, "the end of the session")
        events = [e["event"] for e in s.events()]
        assert len(events) == 2 and events[0] == "opened" and events[1] in ("closed", "timed_out"), events


def test_a_worker_that_dies_takes_memory_sessions_with_it(server):
    one = server()
    gone, kept = Session(one.client), Session(one.client, storage="persistent")
    for s in (gone, kept):
        s.table("t", rows=[[1, "x"], [2, "y"]])
    workers = one.workers()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    payload = ended(gone, "timed_out")
    assert payload["details"]["reason"] == "engine_lost"
    assert gone.get().status == 410 and gone.query("select 1").status == 410
    assert until(lambda: kept.query("select * from t order by a").json.get("rows"), "the worker to come back") == [[1, "x"], [2, "y"]]
    assert kept.closed()["deleted_row_count"] == 2
    assert [e["event"] for e in gone.events()] == ["opened", "timed_out"]
    again_open = Session(one.client)
    again_open.table("t", rows=[[1, "x"]])


def test_a_shutdown_closes_memory_sessions_and_keeps_persistent_ones(killable):
    first = killable.start()
    gone, kept = Session(first.client), Session(first.client, storage="persistent")
    for s in (gone, kept):
        s.table("t", rows=[[1, "x"], [2, "y"]])
    assert first.stop() == 0
    second = killable.start()
    payload = ended(again(gone, second), "closed")
    assert payload["details"]["reason"] == "server_shutdown" and payload["deleted_row_count"] == 2
    problem(again(gone, second).get(), 410, "session_closed")
    assert again(kept, second).rows("select count(*) from t") == [[2]]
    assert [e["event"] for e in again(kept, second).events()] == ["opened"]


# --- many ---

def test_many_sessions_live_together(fresh):
    sessions = [Session(fresh) for _ in range(200)]
    in_parallel(*[lambda part=part: [s.table("t", "a int", rows=[[i]]) for i, s in part]
                  for part in (list(enumerate(sessions))[k::8] for k in range(8))])
    for i in random.sample(range(200), 20):
        assert sessions[i].rows("select a from t") == [[i]]
    in_parallel(*[lambda part=part: [s.closed() for s in part] for part in (sessions[k::8] for k in range(8))])
    assert fresh.get("/v1/sessions").json["items"] == []


def test_a_statement_and_a_close_race_well(fresh):
    for _ in range(10):
        one = Session(fresh)
        one.table("t", rows=[[1, "x"]])
        answers = in_parallel(one.close, lambda: one.native("insert into t values (2, 'y')"), lambda: one.insert("t", [[3, "z"]]),
                              lambda: one.query("select count(*) from t"), lambda: one.create("u", "a int"), lambda: fresh.request("POST", one.path("fork"), b""))
        assert answers[0].status == 200, answers
        for a in answers[1:]:
            assert a.status in (200, 201, 202, 409, 410) or (a.status == 422 and a.json["code"] in ("canceled", "sql_error")), a
        assert [e["event"] for e in one.events()] == ["opened", "closed"]
        if answers[5].status == 201:
            Session(fresh, document=answers[5].json).closed()
        for item in fresh.get("/v1/statements").json["items"]:
            assert item["session_id"] != one.id or item["status"] in ENDED


# --- functions of the client's own ---

HIDING = ["strlen(x) as 0", "sum(x) as 0", "count_star() as 0", "COUNT(x) as 0", '"+"(a, b) as 0', '"Lower"(x) as 1', "mayfly_tables() as table select 1 as name",
          "octet_length(x) as 0", "iff(a, b, c) as 0", '"/"(a, b) as 0', "min(x) as 0"]


@pytest.mark.parametrize("made", HIDING)
def test_no_function_of_a_client_hides_the_engines(session, fresh, made):
    """Else it would answer for the measures of quotas, and for every other principal of the tenant."""
    session.table("t", rows=[[1, "x"]])
    for sql in (f"create macro {made}", f"create or replace function {made}", f"create macro MAYFLY.PUBLIC.{made}", f"create temp macro {made}",
                f"create macro if not exists public.{made}", f"explain analyze create macro {made}"):
        assert "own" in json.dumps(session.refused(sql)), sql
    a = fresh.native(f"create macro {made}")
    assert a.json["status"] == "FAILED" and "own" in a.json["error"]["message"], a
    assert session.rows("select max(a + 1), count(*), lower('A') from t") == [[2, 1, "a"]]
    session.run("create macro mine(x) as x + 1")
    assert session.rows("select mine(a) from t") == [[2]]


def test_a_query_advances_no_sequence(session):
    session.run("create sequence s")
    for sql in ("create view v as select nextval('s') as n", "create macro f() as nextval('s')", "create macro MAYFLY.PUBLIC.f() as table select nextval('s')",
                "create table g (a int, b bigint as (nextval('s')))", "create table g (a double default setseed(0.5))"):
        assert session.refused(sql)["code"] == "not_allowed", sql
    assert session.cells("select nextval('s')") == [["1"]]


def test_sizes_of_many_texts_are_measured(server):
    one = server(tenants__session_bytes=1000000)
    session = Session(one.client)
    session.table("wide", [{"name": f"c{i}", "type": "text"} for i in range(2000)])
    session.run("insert into wide (c0, c1999) values (repeat('x', 1000), repeat('y', 400))")
    a = session.native("insert into wide (c0) values (repeat('x', 1000000))")
    assert a.json["status"] == "FAILED" and a.json["error"]["code"] == "quota_exceeded", a
    assert "1001400" in a.json["error"]["message"], a


def test_slow_uploads_leave_room_for_statements(server):
    one = server(tenants__concurrent_statements=4)
    session = Session(one.client)
    session.table("t", "a int")
    begun = "\r\n".join([f"POST {session.path('tables', 't', 'rows')} HTTP/1.1", "Host: localhost", f"Content-Type: {NDJSON}", "Content-Length: 8", "", '{"a"'])
    slow = [one.socket() for _ in range(12)]
    for s in slow:
        s.sendall(begun.encode())
    until(lambda: one.client.get("/readyz").json["engine"]["queued"] == 10, "two uploads to run, the others to wait")
    assert session.rows("select count(*) from t") == [[0]]
    assert one.client.rows("select 1") == [[1]]
    for s in slow:
        s.sendall(b":1}\n")
    for s in slow:
        assert s.recv(100).startswith(b"HTTP/1.1 200"), s
        s.close()
    assert session.count("t") == 12


@pytest.mark.parametrize("sql", ["select '" + "x" * 5_000_000 + "'", "select null::huge", "select 1 as \"" + "x" * 5_000_000 + '"',
                                 "select repeat('x', 9000000)::int", "select error(repeat('x', 9000000))", "select " + "x" * 5_000_000],
                         ids=["literal", "enum", "alias", "cast", "error", "column"])
def test_what_is_too_long_to_tell_ends_no_other_session(server, sql):
    one = server()
    other, session = Session(one.client), Session(one.client)
    other.table("t", "a int", rows=[[1]])
    session.run("create type huge as enum (select 'a value of this enumeration with a number, ' || i from range(120000) r(i))")
    for a in (session.native(sql), session.submit(sql), session.query(sql)):
        assert a.status in (200, 422) and "engine_lost" not in a.text[-1000:], a.text[-1000:]
    assert other.rows("select a from t") == [[1]]
