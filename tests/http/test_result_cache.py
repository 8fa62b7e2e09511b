"""Results that are given again (snowflake_api.result_cache): when, to whom, and never a stale one."""
import re
import threading

import pytest

from mayfly import Client, unique
from session import Session


def counted(server, outcome):
    text = server.client.get("/metrics").text
    return int(float(re.search(rf'^mayfly_result_cache_total{{outcome="{outcome}"}} ([0-9.e+]+)$', text, re.M).group(1)))


class Cached:
    """A caller who can tell which answers were former results."""

    def __init__(self, server, tenant=None):
        self.server = server
        self.client = Client(server, tenant=tenant or unique("tenant"))

    def hit(self, call, *args, **fields):
        """The answer of a call, and was it a former result?"""
        before = counted(self.server, "hit")
        answer = call(*args, **fields)
        return answer, counted(self.server, "hit") > before

    def again(self, sql, expected, **fields):
        """The rows are these twice, the second time from the cache."""
        for cached in (None, True):
            rows, was = self.hit(self.client.cells, sql, **fields)
            assert rows == expected, rows
            assert cached is None or was, sql


@pytest.fixture
def cached(server):
    return Cached(server(snowflake_api__result_cache="true"))


def test_the_same_select_is_a_new_handle_with_the_former_rows(cached):
    c = cached.client
    c.cells("create table t as select i as a, 'x' || i as b from range(1000) r(i)")
    sql = "select * from t where a < 900 order by a"
    first = c.submit(sql).json
    second, was = cached.hit(c.submit, sql)
    assert was and second.status == 200
    assert second.json["statementHandle"] != first["statementHandle"]
    for key in ("data", "resultSetMetaData", "sqlState"):
        assert second.json[key] == first[key]
    assert c.forget(first["statementHandle"]).status in (200, 204)
    assert c.status(second.json["statementHandle"]).json["data"] == first["data"]
    document = c.document(second.json["statementHandle"]).json
    assert document["status"] == "SUCCEEDED" and document["row_count"] == 900, document
    assert document["expires_at"] > document["completed_at"]


def test_its_own_ttl(cached):
    c = cached.client
    first = c.submit("select 42", headers={"X-Mayfly-Result-TTL": "60"}).json["statementHandle"]
    answer, was = cached.hit(c.submit, "select 42", headers={"X-Mayfly-Result-TTL": "600"})
    assert was
    c.advance(120)
    assert c.document(first).status in (404, 410)
    assert c.status(answer.json["statementHandle"]).json["data"] == [["42"]]


def test_every_change_makes_it_run_again(cached):
    c = cached.client
    c.cells("create table t(a integer)")
    sql = "select count(*), sum(a) from t"
    cached.again(sql, [["0", None]])
    for change, expected in (("insert into t values (1), (2)", [["2", "3"]]), ("update t set a = a + 1", [["2", "5"]]),
                             ("delete from t where a = 2", [["1", "3"]]), ("create or replace table t as select 9 as a", [["1", "9"]]),
                             ("alter table t add column b integer", [["1", "9"]]), ("truncate table t", [["0", None]])):
        assert c.submit(change).status == 200, change
        rows, was = cached.hit(c.cells, sql)
        assert not was and rows == expected, (change, rows)
        cached.again(sql, expected)
    c.run("insert into t values (5, 5)")  # natively
    cached.again(sql, [["1", "5"]])


def test_others_have_results_of_their_own(cached):
    c, sql = cached.client, "select 1 as a"
    assert not cached.hit(c.cells, sql)[1] and cached.hit(c.cells, sql)[1]
    other = Client(cached.server, tenant=unique("tenant"))
    assert not cached.hit(other.cells, sql)[1]
    session = Session(c)
    assert not cached.hit(session.cells, sql)[1] and cached.hit(session.cells, sql)[1]
    assert not cached.hit(Session(c).cells, sql)[1]
    bound = "select ? as a"
    for value in ("1", "2"):
        bindings = {"1": {"type": "FIXED", "value": value}}
        assert not cached.hit(c.cells, bound, bindings)[1]
        rows, was = cached.hit(c.cells, bound, bindings)
        assert was and rows == [[value]]
    assert not cached.hit(c.cells, sql, parameters={"TIMEZONE": "Europe/Paris"})[1]
    assert not cached.hit(c.native, sql)[1] and cached.hit(c.native, sql)[1]


def test_use_cached_result(cached):
    c, sql = cached.client, "select 7"
    cached.again(sql, [["7"]])
    for value in ("false", "FALSE"):
        rows, was = cached.hit(c.cells, sql, parameters={"USE_CACHED_RESULT": value})
        assert rows == [["7"]] and not was
    assert cached.hit(c.cells, sql, parameters={"USE_CACHED_RESULT": "true"})[1]


def test_tables_of_sessions(cached):
    s = Session(cached.client)
    s.table("t", "a int, b text", [{"a": 1, "b": "x"}])
    sql = "select count(*) from t"

    def again(expected):
        rows, was = cached.hit(s.cells, sql)
        assert rows == [[expected]] and not was, rows
        rows, was = cached.hit(s.cells, sql)
        assert rows == [[expected]] and was, rows

    again("1")
    s.inserted("t", [{"a": 2, "b": "y"}])
    again("2")
    assert s.insert("t", [{"a": "no number", "b": "y"}]).status >= 400
    again("2")
    s.run("insert into t values (3, 'z')")
    again("3")
    fork = s.fork()
    assert fork.cells(sql) == [["3"]]
    fork.run("delete from t")
    assert fork.cells(sql) == [["0"]]
    again("3")
    other = Session(cached.client)
    other.table("t", "a int, b text")
    assert other.cells(sql) == [["0"]]
    other.closed()
    again("3")
    s.closed()


def test_what_may_differ_runs_each_time(cached):
    c = cached.client
    for sql in ("create table t as select 1 as a", "create sequence s", "create view wild as select random() as r from t",
                "create view wilder as select * from wild", "create macro late(x) as now()"):
        assert c.submit(sql).status == 200, sql
    for sql in ("select random()", "select current_timestamp", "select uuid_string()", "select s.nextval", "select * from wild",
                "select * from wilder", "select late(a) from t", "select a from t order by random()"):
        for _ in range(2):
            assert not cached.hit(c.submit, sql)[1], sql
    assert c.cells("select * from wild") != c.cells("select * from wild")


def test_readers_beside_writers_see_all_that_was_acknowledged(cached):
    c = cached.client
    c.cells("create table t(a integer)")
    written, stale, done = [0], [], threading.Event()

    def read():
        mine = Client(cached.server, headers=c.headers)
        while not done.is_set():
            least = written[0]
            got = int(mine.cell("select count(*) from t"))
            if got < least:
                stale.append((least, got))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for r in readers:
        r.start()
    for i in range(60):
        assert c.submit("insert into t values (1)").status == 200
        written[0] = i + 1
        if i % 3 == 0:  # they are alone for a moment
            assert c.cell("select count(*) from t") == c.cell("select count(*) from t")
    done.set()
    for r in readers:
        r.join()
    assert not stale
    assert counted(cached.server, "hit") > 0 and counted(cached.server, "miss") > 0


def test_it_is_off_by_default(server):
    cached = Cached(server())
    for _ in range(2):
        assert not cached.hit(cached.client.cells, "select 1")[1]
    assert counted(cached.server, "miss") == 0


def test_functions_of_the_helper_catalog(cached):
    for sql, expected in (("1/3", "0.333333"), ("to_date('2024-01-02')", "19724"), ("dateadd(day, 1, '2024-01-01'::date)", "19724"),
                          ("concat('a', 'b')", "ab"), ("concat('a', 'b', 'c')", "abc"), ("length('a')", "1"), ("split_part('a.b', '.', 2)", "b"),
                          ("regexp_replace('abc', 'b', 'X', 1, 1)", "aXc"), ("to_char(12, '999')", "  12"), ("round(1.25, 1)", "1.3"),
                          ("sha2('abc', 224)", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"), ("uniform(1, 1, 5)", "1"),
                          ("decode(1, 1, 'x')", "x"), ("avg(1)", "1.000000"), ("ceil(1.25, 1)", "1.3"), ("last_day('2024-02-01'::date)", "19782")):
        cached.again(f"select {sql}", [[expected]])
    for sql in ("random()", "uuid_string()", "current_timestamp()", "current_timestamp", "current_date()", "current_time()", "sysdate()", "getdate()",
                "localtimestamp()", "uniform(1, 10, random())", "randstr(5, random())", "dateadd(day, 1, current_date())", "nvl(null, random())"):
        for _ in range(3):
            assert not cached.hit(cached.client.cells, f"select {sql}")[1], sql
