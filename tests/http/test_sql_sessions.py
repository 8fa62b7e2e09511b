"""SQL sessions: a pin on one snapshot of a view, its rows by page, count and stream."""
import contextlib
import csv
import io
import json
import os
import socket
import urllib.parse

import pytest

from mayfly import PATIENCE, Client, in_parallel, unique, until, uuid_like
from session import UNKNOWN, listed, seconds, token
from space import CSV, DOCUMENT, JSON, NDJSON, PARQUET, Space, SqlSession, files_below, problem


@pytest.fixture
def space(fresh):
    s = Space(fresh)
    s.table("items", [{"id": i, "updated_at": "2024-01-01", "name": f"n{i:03}"} for i in range(100)])
    return s


# --- the document (U-01) ---

def test_the_document(space):
    entry = space.saved("SELECT id, name FROM items", order_by=["name DESC"])
    a = space.open(sql="SELECT id, name FROM items")
    assert a.status == 201, a
    d = a.json
    assert a.headers["Location"] == space.path("sql-sessions", d["id"])
    assert list(d) == ["id", "space_id", "sql_id", "sql", "status", "created_at", "expires_at", "error", "view", "pagination", "count"]
    assert uuid_like(d["id"]) and d["space_id"] == space.name and d["sql_id"] == entry["id"] and d["sql"] == entry["sql"]
    assert d["status"] == "ready" and d["error"] is None
    assert seconds(d["expires_at"]) - seconds(d["created_at"]) == 600
    assert d["view"] == {"sql_id": entry["id"], "snapshot_id": entry["view"]["snapshot_id"],
                         "snapshot_at": entry["view"]["snapshot_at"], "schema_version": 1}
    assert d["pagination"] == {"strategy": "offset", "order_by": ["name DESC", "$position"], "default_limit": 50, "max_limit": 1000}
    assert d["count"] == {"mode": "on_demand", "cached_at": None, "value": None}
    s = SqlSession(space, d)
    assert s.get().json == d
    assert s.rows(0, 2) == [[99, "n099"], [98, "n098"]]
    assert s.count() == 100
    counted = s.get().json
    assert counted["count"]["value"] == 100 and seconds(counted["count"]["cached_at"]) >= seconds(d["created_at"])
    assert {k: v for k, v in counted.items() if k != "count"} == {k: v for k, v in d.items() if k != "count"}


def test_nothing_private_is_sent(server):
    one = server()
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    s = space.opened(sql="SELECT a FROM t")
    stored = os.path.join(one.data, "storage", "spaces", space.name, "sql_sessions", s.id, "meta.json")
    with open(stored, encoding="utf-8") as f:
        document = json.load(f)
    assert DOCUMENT <= set(document) and all(k in DOCUMENT or k.startswith("_") for k in document), sorted(document)
    assert set(s.get().json) == DOCUMENT
    assert "rows" not in json.dumps(document).replace("arrow", "") or "a" not in document


@pytest.mark.parametrize("body,status,code", [
    ({}, 400, "invalid_field"), ({"sql": "SELECT 1 AS a", "sql_id": UNKNOWN}, 400, "invalid_field"),
    ({"sql_id": UNKNOWN}, 404, "not_found"), ({"sql": 1}, 400, "invalid_field"), ({"sql": "SELECT 1 AS a", "x": 1}, 400, "unknown_field"),
    ({"sql": "SELECT 1 AS a", "refresh": "often"}, 400, "invalid_field"), ({"sql": "SELECT 1 AS a", "ttl_seconds": 0}, 400, "invalid_field"),
    ({"sql": "SELECT 1 AS a", "ttl_seconds": 3601}, 400, "invalid_field"), ({"sql": "SELECT 1 AS a", "ttl_seconds": "x"}, 400, "invalid_field"),
    ({"sql": "SELECT 1 AS a", "variables": {"x": 1}}, 400, "invalid_field"), ({"sql": "SELECT {{x}} AS a"}, 422, "sql_invalid"),
    ({"sql": "SELECT 1 AS a", "order_by": [""]}, 400, "invalid_field"), ({"sql": "DELETE FROM items"}, 422, "sql_invalid"),
])
def test_asks_that_are_refused(space, body, status, code):
    a = space.client.request("POST", space.path("sql-sessions"), body)
    assert a.json["code"] == "not_allowed" or problem(a, status, code)
    assert a.status == status, a


def test_unknown_sessions(space):
    for bad in (UNKNOWN, "x", "..", "a/b", "$"):
        s = SqlSession(space, {"id": bad})
        for a in (s.get(), s.page(), space.client.get(s.path("count")), s.stream(), s.close()):
            assert a.status in ((404,) if bad == UNKNOWN else (400, 404)) and a.type == "application/problem+json", (bad, a)
    s = space.opened(sql="SELECT 1 AS a")
    assert space.client.get(s.path("nothing")).status == 404
    assert space.client.get(space.path("sql-sessions")).status == 405


@pytest.mark.parametrize("bad", ["../../x", "..", "a/b", "", "%2e%2e", "x" * 300, "\u0000", "view_x"])
def test_ids_in_bodies_and_cursors(space, bad):
    a = space.open(sql_id=bad)
    assert a.status in (400, 404) and a.type == "application/problem+json", a
    for listed in ("tables", "sql"):
        a = space.client.get(space.path(listed, after=bad))
        assert a.status in (200, 400), a
    a = space.client.get("/v1/spaces?" + urllib.parse.urlencode({"after": bad}))
    assert a.status in (200, 400), a


# --- pages (U-18) ---

def test_pages_partition_the_rows(space):
    space.table("same", [{"id": i, "updated_at": "2024-01-01"} for i in range(1000)])
    for order in (None, ["updated_at"], ["updated_at DESC"]):
        s = space.opened(sql="SELECT id, updated_at FROM same", **({"order_by": order} if order else {}))
        assert s.document["pagination"]["order_by"][-1] == "$position"
        seen, offset = [], 0
        while True:
            page = s.rows(offset, 7)
            seen += [r[0] for r in page]
            offset += 7
            if len(page) < 7:
                break
        assert len(seen) == 1000 and sorted(seen) == list(range(1000)), order
        assert s.count() == 1000


def test_orders(space):
    down = space.opened(sql="SELECT id FROM items", order_by=["id DESC"])
    assert [r[0] for r in down.rows(0, 3)] == [99, 98, 97]
    assert [r[0] for r in down.rows(97, 3)] == [2, 1, 0]
    entry = space.saved("SELECT id, id % 3 AS m FROM items", order_by=["m", "id DESC"])
    s = space.opened(sql_id=entry["id"])
    assert s.rows(0, 2) == [[99, 0], [96, 0]] and s.document["pagination"]["order_by"] == ["m", "id DESC", "$position"]
    own = space.opened(sql_id=entry["id"], order_by=["id"])
    assert own.rows(0, 2) == [[0, 0], [1, 1]]
    kept = space.opened(sql="SELECT id FROM items ORDER BY id DESC LIMIT 5")
    assert kept.all() == [[99], [98], [97], [96], [95]]


def test_limits_and_offsets(space):
    s = space.opened(sql="SELECT id FROM items ORDER BY id")
    a = s.page()
    assert a.json["limit"] == 50 and a.json["offset"] == 0 and a.json["row_count"] == 50
    assert list(a.json) == ["columns", "rows", "row_count", "offset", "limit"]
    assert a.json["columns"] == [{"name": "id", "type": "BIGINT", "nullable": True}]
    assert s.rows(99, 1000) == [[99]]
    for past in (100, 101, 10**15):
        assert s.rows(past, 10) == []
    body = problem(s.page(limit=1001), 400, "limit_too_large")
    assert body["max_limit"] == 1000
    for query in ({"limit": 0}, {"limit": -1}, {"offset": -1}, {"offset": "x"}, {"limit": "1.5"}, {"limit": ""}, {"offset": "9" * 30}):
        problem(s.page(**query), 400, "invalid_field")


def test_formats(fresh, space):
    sql = "SELECT id, 'a\"b,c' AS t, NULL::INTEGER AS n, [1,2] AS l FROM items WHERE id < 3 ORDER BY id"
    s = space.opened(sql=sql)
    assert s.page(offset=1).json["rows"] == [[1, 'a"b,c', None, [1, 2]], [2, 'a"b,c', None, [1, 2]]]
    a = s.page(NDJSON, offset=1)
    assert a.status == 200 and a.type == NDJSON
    assert [json.loads(x) for x in a.text.splitlines()] == [{"id": i, "t": 'a"b,c', "n": None, "l": [1, 2]} for i in (1, 2)]
    a = s.page(CSV, limit=2)
    assert a.type.startswith(CSV)
    assert list(csv.reader(io.StringIO(a.text, newline=""))) == [["id", "t", "n", "l"], ["0", 'a"b,c', "", "[1,2]"], ["1", 'a"b,c', "", "[1,2]"]]
    a = s.page(PARQUET)
    assert a.status == 200 and a.type == PARQUET and a.body[:4] == a.body[-4:] == b"PAR1"
    assert space.table("back", a.body, PARQUET)["row_count"] == 3
    assert space.rows("SELECT * FROM back ORDER BY id") == s.all()
    assert s.page("*/*", format="csv").type.startswith(CSV)
    problem(s.page("image/png"), 406, "not_acceptable")
    assert s.page(CSV, offset=500).text == "id,t,n,l\r\n"
    assert s.page(NDJSON, offset=500).text == ""
    gz = s.client.request("GET", s.path("rows"), headers={"Accept-Encoding": "gzip", "Accept": CSV})
    assert gz.status == 200 and gz.text.startswith("id,")


def test_types_of_pages(fresh, space):
    sql = """SELECT -1::TINYINT AS a, 18446744073709551615::UBIGINT AS b, 170141183460469231731687303715884105727::HUGEINT / 10 AS c,
      'NaN'::DOUBLE AS d, '-inf'::FLOAT AS e, -0.5::DECIMAL(3,1) AS f, DATE '0001-01-01' AS g, TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS h,
      INTERVAL 3 MONTH AS i, 'a'::ENUM('a','b') AS j, '{"k":1}'::JSON AS k, [{'x': NULL}] AS l, MAP {'a': [1]} AS m,
      '101'::BIT AS n, NULL AS o, [1,2,3]::INTEGER[3] AS p, TIMETZ '01:00:00+02' AS q"""
    rows = space.rows(sql)
    assert len(rows) == 1 and rows[0][0] == -1 and rows[0][1] == "18446744073709551615" and rows[0][3:6] == ["NaN", "-Infinity", "-0.5"]
    assert rows[0][6] == "0001-01-01" and rows[0][7].startswith("2024-01-01T00:00:00.123456") and rows[0][11] == [{"x": None}]
    assert rows[0][14] is None and rows[0][15] == [1, 2, 3]


# --- the stream (U-13) ---

def test_the_stream(space):
    s = space.opened(sql="SELECT id, name FROM items ORDER BY id")
    a = s.stream()
    assert a.status == 200 and a.type == NDJSON
    assert [json.loads(x) for x in a.text.splitlines()] == [{"id": i, "name": f"n{i:03}"} for i in range(100)]
    empty = space.opened(sql="SELECT id FROM items WHERE id < 0").stream()
    assert empty.status == 200 and empty.type == NDJSON and empty.body == b""
    problem(s.stream(Accept=CSV), 406, "not_acceptable")
    head = s.client.request("HEAD", s.path("stream"))
    assert head.status == 200 and head.body == b""


def test_a_large_stream(space):
    s = space.opened(sql="SELECT i, repeat('x', 50) AS t FROM range(200000) r(i) ORDER BY i")
    a = s.stream()
    lines = a.text.splitlines()
    assert len(lines) == 200000 and json.loads(lines[-1])["i"] == 199999 and json.loads(lines[123456])["i"] == 123456


def test_a_reader_that_leaves(space):
    s = space.opened(sql="SELECT i, repeat('x', 100) AS t FROM range(300000) r(i)")
    for _ in range(3):
        connection = space.client.server.connection()
        connection.request("GET", s.path("stream"), headers=space.client.headers)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read(1000)
        connection.close()
    assert s.count() == 300000


def test_a_stream_that_fails_is_broken_off(server):
    """The session ends in the middle: the client sees that the body is not whole."""
    one = server()
    space = Space(one.client)
    s = space.opened(sql="SELECT i, repeat('x', 200) AS t FROM range(400000) r(i)")
    with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(f"GET {s.path('stream')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        body = sock.recv(4096)
        assert b" 200 " in body
        assert s.close().status == 204
        while True:
            piece = sock.recv(1 << 20)
            if not piece:
                break
            body = body[-16:] + piece
        assert not body.endswith(b"\r\n0\r\n\r\n")


# --- the pin (U-17) ---

def test_pages_stay_as_at_open(space):
    entry = space.saved("SELECT id FROM items", order_by=["id"])
    s = space.opened(sql_id=entry["id"])
    before = s.all(30)
    space.table("items", [{"id": 5, "updated_at": "2024-02-02", "name": "new"}], mode="append")
    assert s.all(30) == before and s.count() == 100
    changed = space.updated(entry, sql="SELECT name FROM items")
    assert s.all(30) == before and s.count() == 100 and len(s.stream().text.splitlines()) == 100
    t = space.opened(sql_id=entry["id"])
    assert t.document["view"]["schema_version"] == 2 and t.count() == 101
    assert t.document["sql"] == changed["sql"] and s.get().json["sql"] == entry["sql"]
    space.table("items", [{"id": 1, "updated_at": "2024-02-02", "name": "only"}])
    space.refreshed(entry["id"])
    assert s.all(30) == before and t.count() == 101
    assert space.delete("tables", "items").status == 204
    assert s.all(30) == before
    assert space.delete("sql", entry["id"]).status == 204
    for a in (s.get(), s.page(), space.client.get(s.path("count")), s.stream(), t.page()):
        problem(a, 410, "view_deleted")


def test_refresh_modes(space):
    entry = space.saved("SELECT count(*) AS n FROM items")
    first = entry["view"]["snapshot_id"]
    assert space.opened(sql_id=entry["id"], refresh="auto").document["view"]["snapshot_id"] == first
    forced = space.opened(sql_id=entry["id"], refresh="force").document["view"]["snapshot_id"]
    assert forced > first
    space.table("items", [{"id": 1, "updated_at": "2024-02-02", "name": "y"}], mode="append")
    never = space.opened(sql_id=entry["id"], refresh="never")
    assert never.document["view"]["snapshot_id"] == forced and never.all() == [[100]]
    auto = space.opened(sql_id=entry["id"])
    assert auto.document["view"]["snapshot_id"] > forced and auto.all() == [[101]]
    assert space.opened(sql_id=entry["id"]).document["view"]["snapshot_id"] == auto.document["view"]["snapshot_id"]
    assert never.all() == [[100]]


def test_a_text_of_ones_own(server):
    one = server()
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    s = space.opened(sql="SELECT a + 1 AS b FROM t")
    assert s.all() == [[2]] and space.client.get(space.path("sql")).json["items"] == []
    again = space.opened(sql="SELECT a + 1 AS b FROM t")
    views = os.path.join(one.data, "storage", "spaces", space.name, "materialized_views")
    assert files_below(views)
    assert s.close().status == 204 and again.close().status == 204
    problem(s.get(), 404, "not_found")
    problem(s.close(), 404, "not_found")

    def collected():
        one.client.advance(3600 * 4)
        return not files_below(views)
    until(collected, "the view of nobody's text to be collected")


# --- expiry (U-20) ---

def test_expiry_on_access(killable):
    one = killable.start(spaces__sweep_seconds=86400)
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    s, t, u, v = (space.opened(sql="SELECT a FROM t", ttl_seconds=n) for n in (600, 600, 600, 3600))
    one = killable.kill(spaces__sweep_seconds=86400)  # it does not look after sessions that it has not opened
    s, t, u, v = (x.through(one.client) for x in (s, t, u, v))
    one.client.advance(400)
    assert s.all() == [[1]]
    one.client.advance(201)
    problem(s.page(), 410, "session_expired")
    problem(s.get(), 404, "not_found")
    problem(t.stream(), 410, "session_expired")
    problem(u.get(), 410, "session_expired")
    problem(u.get(), 404, "not_found")
    stored = os.path.join(one.data, "storage", "spaces", space.name, "sql_sessions")
    assert not [f for f in files_below(stored) if s.id in f and f.endswith("meta.json")]
    assert v.all() == [[1]]


def test_expiry_by_the_sweep(server):
    one = server(spaces__sweep_seconds=1)
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    s = space.opened(sql="SELECT a FROM t", ttl_seconds=600)
    stored = os.path.join(one.data, "storage", "spaces", space.name, "sql_sessions", s.id, "meta.json")
    assert os.path.exists(stored)
    one.client.advance(604)
    until(lambda: not os.path.exists(stored), "the sweep")
    problem(s.get(), 404, "not_found")


def test_a_pinned_snapshot_outlives_refreshes(server):
    """A session of an hour reads near its end what was there when it was opened, however often the view was refreshed."""
    one = server(spaces__sweep_seconds=1)
    space = Space(one.client)
    space.table("t", [{"a": i} for i in range(50)])
    entry = space.saved("SELECT a FROM t", order_by=["a"])
    one.client.advance(3 * 86400)  # old, but the latest
    s = space.opened(sql_id=entry["id"], ttl_seconds=3600)
    before = s.all()
    for minute in range(0, 59, 10):
        space.table("t", [{"a": -minute}], mode="append")
        space.refreshed(entry["id"])
        one.client.advance(600 if minute < 50 else 400)
        assert s.all() == before
    assert s.count() == 50
    one.client.advance(201)
    assert s.page().status in (404, 410)  # the sweep may have been there
    one.client.advance(86400)
    data = os.path.join(one.data, "storage", "spaces", space.name, "materialized_views", entry["id"], "data")

    def one_left():
        one.client.advance(7200)
        return len(files_below(data)) == 1
    until(one_left, "old snapshots to go")
    assert space.opened(sql_id=entry["id"], refresh="never").count() == 56


# --- who (principals and tenants) ---

def test_sessions_belong_to_their_principal(guarded):
    tenant = unique("tenant")
    admin = token(guarded, tenant, "--role", "admin")
    one, two = token(guarded, tenant, "--principal", "one"), token(guarded, tenant, "--principal", "two")
    space = Space(one)
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a FROM t")
    s = space.opened(sql_id=entry["id"])
    theirs = s.through(two)
    for a in (theirs.get(), theirs.page(), theirs.client.get(theirs.path("count")), theirs.stream(), theirs.close()):
        problem(a, 404, "not_found")
    assert space.through(two).opened(sql_id=entry["id"]).all() == [[1]]  # the space is the tenant's
    assert s.through(admin).all() == [[1]] and s.all() == [[1]]
    assert s.through(admin).close().status == 204
    problem(s.get(), 404, "not_found")
    other = token(guarded, unique("tenant"))
    problem(other.get(space.path()), 404, "not_found")
    assert Client(guarded).get(space.path()).status == 401
    assert Client(guarded).get(s.path("stream")).status == 401


def test_two_tenants(shared):
    one, two = (Space(Client(shared, tenant=unique("tenant")), "same") for _ in range(2))
    s = one.opened(sql="SELECT 1 AS a")
    theirs = s.through(two.client)
    for a in (theirs.get(), theirs.page(), theirs.stream(), theirs.close()):
        problem(a, 404, "not_found")
    assert s.all() == [[1]]


# --- many at once ---

def test_sessions_at_once(space):
    entry = space.saved("SELECT id FROM items", order_by=["id"])
    sessions = in_parallel(*[lambda: space.opened(sql_id=entry["id"]) for _ in range(12)])
    assert len({s.id for s in sessions}) == 12
    assert len({s.document["view"]["snapshot_id"] for s in sessions}) == 1
    pages = in_parallel(*[lambda s=s: s.rows(40, 5) for s in sessions])
    assert pages == [[[40], [41], [42], [43], [44]]] * 12


def test_later_when_preferred(space):
    a = space.open(headers={"Prefer": "respond-async"}, sql="SELECT sum(a.range * b.range) AS s FROM range(4000) a, range(4000) b")
    assert a.status in (201, 202) and a.headers["Preference-Applied"] == "respond-async", a
    s = SqlSession(space, a.json)
    assert a.headers["Location"] == s.path()
    if a.status == 202:
        assert a.json["status"] == "running" and a.json["error"] is None
        early = s.page()
        assert early.status in (200, 409), early
    until(lambda: s.get().json["status"] == "ready", "the session to be ready")
    assert s.count() == 1 and set(s.get().json) == DOCUMENT


def test_later_and_failed(space):
    a = space.open(headers={"Prefer": "respond-async"}, sql="SELECT CAST(name AS INTEGER) AS a FROM items")
    assert a.status == 202, a
    s = SqlSession(space, a.json)
    until(lambda: s.get().json["status"] == "failed", "the session to fail")
    assert "n0" in s.get().json["error"]
    assert 400 <= s.page().status < 500 and 400 <= s.stream().status < 500


# --- a store that was damaged ---

def test_files_that_are_damaged(server):
    one = server()
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a FROM t")
    folder = os.path.join(one.data, "storage", "spaces", space.name, "tables", "t", "metadata")
    for name in [n for n in os.listdir(folder) if n.endswith(".avro")]:
        with open(os.path.join(folder, name), "r+b") as f:
            f.truncate(20)
    a = space.refresh(entry["id"])
    problem(a, 422, "corrupt_table")
    assert space.get_sql(entry["id"]).json["view"]["snapshot_id"] == entry["view"]["snapshot_id"]
    for name in [n for n in os.listdir(folder) if n.endswith(".json")]:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write("{\"format-version\": 2}")
    problem(space.get_table("t"), 422, "corrupt_table")
    assert space.opened(sql_id=entry["id"], refresh="never").all() == [[1]]
    assert space.table("u", [{"a": 2}])["row_count"] == 1


def test_a_session_document_that_is_damaged(server):
    one = server()
    space = Space(one.client)
    s = space.opened(sql="SELECT 1 AS a")
    path = os.path.join(one.data, "storage", "spaces", space.name, "sql_sessions", s.id, "meta.json")
    for text in ("", "{", "[]", "{}", "{\"id\":1}", "\x00" * 100):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        for a in (s.get(), s.page(), s.stream()):
            assert 400 <= a.status < 500 and a.type == "application/problem+json", (text, a)
    with contextlib.suppress(OSError):
        os.remove(path)
    problem(s.get(), 404, "not_found")


# --- the event log ---

def test_what_happened_is_on_the_log(fresh):
    space = Space(fresh)
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a AS secret_name FROM t")
    space.refreshed(entry["id"])
    changed = space.updated(entry, sql="SELECT a FROM t")
    assert space.update(changed, sql="SELECT CAST('x' AS INTEGER) AS a").status == 422
    s = space.opened(sql_id=entry["id"])
    assert s.close().status == 204
    assert space.delete("sql", entry["id"]).status == 204
    assert space.delete("tables", "t").status == 204
    assert space.delete().status == 204
    expected = [("space", "created"), ("table", "written"), ("view", "created"), ("view", "refreshed"), ("view", "updated"), ("view", "failed"),
                ("sql_session", "opened"), ("sql_session", "closed"), ("view", "deleted"), ("table", "deleted"), ("space", "deleted")]

    def told():
        events = [i["payload"] for i in listed(fresh, topic="mayfly.audit.view.v1")]
        return events if len(events) >= len(expected) else None
    events = until(told, "the events")
    assert [(e["kind"], e["event"]) for e in events] == expected
    assert all(e["space_id"] == space.name and e["request_id"] and seconds(e["occurred_at"]) for e in events)
    assert [e["outcome"] for e in events] == ["failed" if e["event"] == "failed" else "succeeded" for e in events]
    assert "secret_name" not in json.dumps(events)
