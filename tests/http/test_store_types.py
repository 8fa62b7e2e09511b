"""What holds for statement handles whichever way they are stored: one server of each type, the same questions, the same answers."""
import contextlib
import threading
import uuid

import pytest

from handles import LONG, MIXED, PARTS, before_all_ends, gone, items, known, raw_parts, rows_of, seen, start_long, without_request_ids
from mayfly import Client, Server, in_parallel, unique, until
from redis import storage_settings
from session import STATEMENTS, Session, listed, problem

KINDS = {  # name: type, statements without a session, storage of sessions
    "memory": ("session", "memory", "memory"),
    "duckdb": ("session", "persistent", "persistent"),
    "redis": ("redis", "memory", "memory"),
    "hybrid": ("hybrid", "memory", "memory"),
    "hybrid with duckdb": ("hybrid", "persistent", "persistent"),
}


def settings(kind, url, **more):
    of, default_session, _ = KINDS[kind]
    return storage_settings(of, url, snowflake_api__default_session=default_session, **more)


def url_of(kind, request):
    return None if KINDS[kind][0] == "session" else request.getfixturevalue("one_redis").url()


@pytest.fixture(scope="module", params=KINDS)
def one(request):
    """A server of each type, for all tests of this file that need no settings of their own."""
    cap = 200 if "duckdb" in request.param else 1000  # the default; on a disk that many would take long
    server = Server(settings(request.param, url_of(request.param, request), redis__key_prefix="types:", max_statements_per_session=cap))
    server.cap = cap
    server.session_storage = KINDS[request.param][2]
    yield server
    server.check_end()


@pytest.fixture(params=KINDS)
def own(request):
    """own(key=value, …): a server of each type with settings of its own."""
    with contextlib.ExitStack() as ends:

        def make(**more):
            server = Server(settings(request.param, url_of(request.param, request), redis__key_prefix=unique("own") + ":", **more))
            server.session_storage = KINDS[request.param][2]
            ends.callback(server.check_end)
            return server

        yield make


@pytest.fixture(scope="module")
def prober(one):
    """A tenant with a statement, and its session with another, for attempts that change nothing."""
    client = Client(one, tenant=unique("tenant"))
    client.handle = client.run("select 'kept'")["handle"]
    client.session = opened(client)
    client.session.run("select 1")
    return client


@pytest.fixture
def caller(one):
    return Client(one, tenant=unique("tenant"))


def opened(client, **fields):
    return Session(client, storage=client.server.session_storage, **fields)


# --- results are the same, to the byte ---

@pytest.mark.parametrize("sql", [PARTS, MIXED, "select 1 as a where false"], ids=["many partitions", "many types", "no rows"])
def test_partitions_have_the_bytes_that_any_other_type_sends(shared, caller, sql):
    reference = Client(shared, tenant=unique("tenant"))
    ours, theirs = caller.submit(sql), reference.submit(sql)
    for key in ("resultSetMetaData", "data", "code", "message", "sqlState"):
        assert ours.json[key] == theirs.json[key]
    ours, theirs = ours.json["statementHandle"], theirs.json["statementHandle"]
    assert raw_parts(caller, ours) == raw_parts(reference, theirs)
    for accept in ("application/json", "application/x-ndjson", "text/csv"):
        assert caller.result(ours, accept).body == reference.result(theirs, accept).body
    assert seen(caller, ours) == seen(caller, ours)


def test_parquet_comes_from_what_is_stored(caller):
    handle = caller.run("select i as a from range(1000) t(i)")["handle"]
    a = caller.result(handle, "application/vnd.apache.parquet")
    assert a.status == 200 and a.body[:4] == a.body[-4:] == b"PAR1"


def test_outcomes_are_told_on_both_surfaces(caller):
    failed = caller.native("select * from nope").json["handle"]
    assert caller.document(failed).json["error"]["code"] and caller.status(failed).status == 422
    assert caller.result(failed).json["code"] == caller.document(failed).json["error"]["code"]
    changed = caller.submit(f"create table {unique('t')}(a int)")
    assert without_request_ids(caller.status(changed.json["statementHandle"])) == without_request_ids(changed)
    nulls = caller.submit("select null as a", query={"nullable": "false"})
    assert nulls.json["data"] == caller.status(nulls.json["statementHandle"]).json["data"] == [["null"]]
    timed_out = caller.submit(LONG, timeout=1)
    assert timed_out.status == 408 and caller.status(timed_out.json["statementHandle"]).status == 408
    assert caller.document(timed_out.json["statementHandle"]).json["error"]["code"] == "statement_timeout"


def test_a_cancel_is_final(caller):
    handle = start_long(caller)
    assert caller.result(handle).json["code"] == "not_finished"
    assert caller.cancel(handle).json["code"] == "000604"
    assert known(caller, handle)["status"] == "CANCELED"
    assert caller.cancel(handle).status == 200
    a = caller.status(handle)
    assert a.status == 422 and a.json["code"] == "000604" and a.json["sqlState"] == "57014"
    finished = caller.run("select 1")["handle"]
    before = seen(caller, finished)
    assert caller.cancel(finished).status == 200 and seen(caller, finished) == before


def test_what_is_forgotten_is_unknown(caller):
    finished, running = caller.run("select 1")["handle"], start_long(caller)
    for handle in (finished, running):
        assert caller.forget(handle).status == 204
        assert gone(caller, handle)
        assert caller.forget(handle).status in (404, 410)
    assert items(caller) == []


# --- sizes (M-15) ---

def wide(megabytes):
    """Rows of 1,000 bytes of row text that compress a little; as much as this of them."""
    rows = int(megabytes * 1024 * 1024 / 1000)
    return f"select lpad(i::varchar, 8, '0') || repeat(md5(i::varchar), 31)[:988] as a from range({rows}) t(i)", rows


@pytest.mark.parametrize("megabytes", [9.9, 10.0])
def test_a_result_of_ten_megabytes_comes_back_whole(caller, megabytes):
    sql, rows = wide(megabytes)
    document = caller.run(sql)
    assert abs(document["result_bytes"] - megabytes * 1024 * 1024) < 2000 and document["row_count"] == rows
    got = rows_of(caller, document["handle"])
    assert len(got) == rows and all(row[0][:8] == f"{i:08}" and len(row[0]) == 996 for i, row in enumerate(got))
    assert caller.forget(document["handle"]).status == 204


def test_a_result_over_a_hundred_megabytes_fails_and_nothing_is_kept(caller):
    handle = caller.native(wide(100.1)[0]).json["handle"]
    document = known(caller, handle)
    assert document["status"] == "FAILED" and document["error"]["code"] == "result_too_large", document
    assert document["result_bytes"] == document["partition_count"] == 0
    assert caller.status(handle).json["code"] == "391908" and caller.status(handle).status == 422
    assert caller.result(handle).json["code"] == "result_too_large"


def test_a_partition_closes_at_the_batch_size(own):
    client = own(result_batch_size=100).client
    handle = client.run("select i as a from range(1050) t(i)")["handle"]
    info = client.status(handle).json["resultSetMetaData"]["partitionInfo"]
    assert [p["rowCount"] for p in info] == [100] * 10 + [50]
    assert rows_of(client, handle) == [[str(i)] for i in range(1050)]


# --- times to live (M-09) ---

def test_handles_expire_by_their_own_time_to_live(own):
    client = own(max_ttl_seconds=7200).client
    handles = {
        "default": client.run("select 1")["handle"],
        "header": client.submit("select 1", headers={"X-Mayfly-Result-TTL": "500"}).json["statementHandle"],
        "native": client.run("select 1", ttl_seconds=500)["handle"],
        "clamped": client.submit("select 1", headers={"X-Mayfly-Result-TTL": "999999"}).json["statementHandle"],
        "native most": client.run("select 1", ttl_seconds=7200)["handle"],
        "failed": client.native("select * from nope").json["handle"],
    }

    problem(client.native("select 1", ttl_seconds=7201), 400, "invalid_field")

    def here():
        return {name for name, handle in handles.items() if client.document(handle).status == 200}
    assert here() == set(handles)
    client.advance(501)
    assert here() == set(handles) - {"header", "native"}
    client.advance(3600)
    assert here() == {"clamped", "native most"}
    client.advance(3600)
    assert here() == set()
    for handle in handles.values():
        problem(client.document(handle), 410, "result_expired")
        problem(client.result(handle), 410, "result_expired")
        a = client.status(handle)
        assert a.status == 400 and a.json["code"] == "000710" and a.json["sqlState"] == "02000", a
    assert items(client) == []
    client.advance(25 * 3600)
    until(lambda: {client.document(handle).status for handle in handles.values()} == {404}, "the handles to be unknown")
    assert {client.status(handle).json["code"] for handle in handles.values()} == {"000709"}


def test_a_running_statement_is_never_swept(own):
    client = own(default_ttl_seconds=600, cleanup_interval_seconds=1).client
    handle = start_long(client)
    for _ in range(5):
        client.advance(3600)
        assert client.document(handle).json["status"] == "RUNNING"
    client.cancel(handle)
    assert known(client, handle)["status"] == "CANCELED"


def test_readers_race_the_sweeper_and_see_all_or_nothing(own):
    client = own(cleanup_interval_seconds=1).client
    handles = [client.run(PARTS, ttl_seconds=60)["handle"] for _ in range(4)]
    whole = raw_parts(client, handles[0])
    over, bad, reads = threading.Event(), [], []

    def read(handle):
        while not over.is_set():
            for i in range(1, len(whole) + 1):
                a = client.status(handle, partition=i)
                reads.append(a.status)
                if not (a.status == 200 and a.raw == whole[i - 1] or a.status == 400 and a.json["code"] == "000710"):
                    bad.append(a)

    def turn():
        until(lambda: len(reads) > 200, "some reads")
        client.advance(61)
        mark = len(reads)
        until(lambda: len(reads) > mark + 100, "some reads after the end")
    in_parallel(lambda: before_all_ends(turn, over), *[lambda h=h: read(h) for h in handles])
    assert not bad, bad[:3]
    assert reads.count(200) and reads.count(400)


# --- caps (M-17) ---

def test_the_1001st_statement_of_a_session_is_refused_and_none_is_lost(one, caller):
    session = opened(caller)
    made = in_parallel(*[lambda: [session.native("select 1").json["handle"] for _ in range(one.cap // 8)]] * 8)
    handles = [handle for some in made for handle in some]
    assert len(set(handles)) == one.cap
    refused = session.native("select 1")
    problem(refused, 429, "too_many_requests")
    on_v2 = session.submit("select 1")
    assert on_v2.status == 429 and on_v2.json["code"] == "390505"
    assert int(refused.headers["Retry-After"]) >= 1 and int(on_v2.headers["Retry-After"]) >= 1
    assert sorted(items(caller, session_id=session.id)) == sorted(handles)
    assert caller.run("select 1")["status"] == "SUCCEEDED"  # of no session
    assert opened(caller).run("select 1")["status"] == "SUCCEEDED"
    caller.forget(handles[0])
    last = session.run("select 1")["handle"]
    assert session.native("select 1").status == 429
    assert sorted(items(caller, session_id=session.id)) == sorted(handles[1:] + [last])
    session.closed()
    until(lambda: not items(caller, session_id=session.id), "the session's handles to go")


def test_a_full_tenant_is_refused_and_none_is_lost(own):
    server = own(tenants__max_statements=3)
    client = server.client
    handles = [client.submit(f"select {i}").json["statementHandle"] for i in range(3)]
    assert client.submit("select 3").status == 429 and client.native("select 3").status == 429
    assert [client.status(h).json["data"] for h in handles] == [[[str(i)]] for i in range(3)]
    assert server.as_tenant("other").submit("select 1").status == 200
    client.advance(3700)
    assert client.submit("select 4").status == 200


# --- sessions (M-14) ---

def test_a_sessions_statements_go_with_it_while_they_run(caller):
    session = opened(caller)
    finished = session.run("select 1")["handle"]
    running = [start_long(caller, session_id=session.id) for _ in range(2)]
    of_nobody, detached = caller.run("select 2")["handle"], session.run("select 3", headers={"X-Mayfly-Detached": "true"})["handle"]
    before = seen(caller, detached)
    session.closed()
    for handle in (finished, *running):
        until(lambda h=handle: caller.document(h).status in (404, 410), "the handles of a closed session to go")
        assert gone(caller, handle)
    assert caller.document(of_nobody).status == 200 and seen(caller, detached) == before
    assert set(items(caller)) == {of_nobody, detached}


def test_a_session_that_closes_while_it_is_submitted_to_leaves_nothing(caller):
    session = opened(caller)
    answers = []

    def submit():
        for _ in range(200):
            a = session.native("select 1")
            answers.append(a)
            if a.status in (404, 410):
                return

    def close():
        until(lambda: len(answers) > 20, "some statements")
        session.closed()
    in_parallel(close, submit, submit)
    assert {a.status for a in answers} <= {200, 202, 404, 410}, [a for a in answers if a.status not in (200, 202, 404, 410)][:3]
    until(lambda: not items(caller), "all handles of the session to go")


def test_a_session_past_its_deadline_takes_its_statements(own):
    client = own().client
    session = opened(client, timeout_seconds=60)
    handle, kept = session.run("select 1")["handle"], client.run("select 2")["handle"]
    client.advance(61)
    until(lambda: client.document(handle).status in (404, 410), "the handle to go")
    assert client.document(kept).status == 200


# --- idempotency (M-16) ---

def test_a_resend_is_the_first_run(caller):
    name, query = unique("once"), {"requestId": str(uuid.uuid4()), "retry": "true"}
    caller.cells(f"create table {name}(a int)")
    answers = [caller.submit(f"insert into {name} values (1)", query=query) for _ in range(2)]
    answers += in_parallel(*[lambda: caller.submit(f"insert into {name} values (1)", query=query)] * 6)
    assert {a.status for a in answers} == {200} and len({a.json["statementHandle"] for a in answers}) == 1
    assert len({a.json["createdOn"] for a in answers}) == 1
    assert caller.cell(f"select count(*) from {name}") == "1"


def test_racing_submits_of_one_request_run_once(caller):
    for _ in range(5):
        name, query = unique("race"), {"requestId": str(uuid.uuid4()), "retry": "true"}
        caller.cells(f"create table {name}(a int)")
        answers = in_parallel(*[lambda: caller.submit(f"insert into {name} values (1)", query=query)] * 8)
        assert {a.status for a in answers} == {200} and len({a.json["statementHandle"] for a in answers}) == 1, answers
        assert caller.cell(f"select count(*) from {name}") == "1"


# --- history (M-20) ---

def test_lists_have_filters(caller):
    session = opened(caller)
    old = [caller.run(f"select {i}")["handle"] for i in range(3)]
    in_session = [session.run("select 1")["handle"], session.native("select * from nope").json["handle"]]
    canceled = start_long(caller)
    running = start_long(caller)
    caller.cancel(canceled)
    known(caller, canceled)
    everything = sorted([*old, *in_session, canceled, running], reverse=True)
    assert items(caller) == everything and items(caller, limit=2) == everything
    assert items(caller, status="CANCELED") == [canceled] and items(caller, status="running") == [running]
    assert items(caller, status="FAILED") == in_session[1:]
    assert items(caller, session_id=session.id) == sorted(in_session, reverse=True)
    assert items(caller, session_id=session.id, status="SUCCEEDED") == in_session[:1]
    middle = caller.document(in_session[0]).json["created_at"]
    since, before = items(caller, since=middle), items(caller, until=middle)
    assert {*in_session[1:], canceled, running} <= set(since) and not set(old[:2]) & set(since)
    assert old[0] in before and running not in before
    assert items(caller, until="2000-01-01T00:00:00Z") == []
    caller.forget(running)


def test_every_end_is_told_on_the_audit_topic_without_literals(caller):
    secret = unique("hush")
    done = caller.run(f"select '{secret}'")["handle"]
    failed = caller.native(f"select '{secret}' from nowhere").json["handle"]
    canceled = start_long(caller)
    caller.cancel(canceled)
    known(caller, canceled)

    def told():
        found = {i["payload"]["id"]: i["payload"] for i in listed(caller, topic=STATEMENTS)}
        return found if {done, failed, canceled} <= set(found) else None
    found = until(told, "the audit events")
    assert {name: found[h]["event"] for name, h in (("done", done), ("failed", failed), ("canceled", canceled))} == {
        "done": "succeeded", "failed": "failed", "canceled": "canceled"}
    assert found[canceled]["duration_ms"] >= 0 and secret not in str(found)
    assert [i["payload"]["id"] for i in listed(caller, topic=STATEMENTS)].count(canceled) == 1


def test_the_text_is_told_where_it_is_configured(own):
    client = own(obs__log_sql="true").client
    handle = client.run("select 'a literal that is told'")["handle"]

    def told():
        return [i["payload"] for i in listed(client, topic=STATEMENTS) if i["payload"]["id"] == handle]
    assert "a literal that is told" in str(until(told, "the audit event"))


# --- tenants, and SQL that looks for the store ---

def test_another_tenant_sees_nothing(one, caller):
    other = Client(one, tenant=unique("tenant"))
    session = opened(caller)
    handles = [caller.run(PARTS)["handle"], session.run("select 1")["handle"], start_long(caller)]
    for handle in handles:
        problem(other.document(handle), 404, "not_found")
        problem(other.result(handle), 404, "not_found")
        problem(other.forget(handle), 404, "not_found")
        for i in (0, 1):
            assert other.status(handle, partition=i).json["code"] == "000709"
        assert other.cancel(handle).status == 200
    assert items(other) == []
    problem(other.get(f"/v1/statements?session_id={session.id}"), 404, "not_found")
    assert caller.document(handles[2]).json["status"] == "RUNNING"
    caller.forget(handles[2])


@pytest.mark.parametrize("sql", [
    "select * from statements", "select * from statement_results", "select * from main.statements", "select * from duckdb.main.statements",
    "select database_name, path from duckdb_databases() where path like '%statements%' or database_name like '%statement%'",
    "select table_name from duckdb_tables() where table_name in ('statements', 'statement_results')",
    "select table_name from information_schema.tables where table_name in ('statements', 'statement_results')",
    "select * from duckdb_columns() where table_name = 'statement_results'", "select * from sqlite_master where name = 'statements'",
])
def test_sql_cannot_find_the_stores_tables(prober, sql):
    for native in (prober.native, prober.session.native):
        a = native(sql)
        if a.status == 200 and a.json["status"] == "SUCCEEDED":
            assert prober.result(a.json["handle"]).json["rows"] == [], a
        else:
            assert a.status == 422 or a.json["status"] == "FAILED", a


@pytest.mark.parametrize("sql", [
    "attach '{data}/statements/{tenant}.db' as s", "attach '{data}/statements/{tenant}.db' as s (read_only)",
    "select * from read_blob('{data}/statements/*')", "select * from read_text('{data}/statements/{tenant}.db')",
    "select * from glob('{data}/statements/*')", "select * from '{data}/statements/{tenant}.db'", "use statements",
    "copy (select 1) to '{data}/statements/{tenant}.db'", "select * from query('select * from statements')", "detach statements",
])
def test_sql_cannot_reach_the_stores_files(one, prober, sql):
    before = seen(prober, prober.handle)
    text = sql.format(data=one.data, tenant=prober.headers["X-Mayfly-Tenant"])
    for native in (prober.native, prober.session.native):
        a = native(text)
        assert a.status == 422 or a.json["status"] == "FAILED", a
    assert seen(prober, prober.handle) == before


def test_tables_named_like_the_stores_are_the_callers_own(caller):
    session = opened(caller)
    for run in (caller.run, session.run):
        run("create table statements as select 'mine' as handle")
        run("create table statement_results as select 1 as batch_number")
        run("delete from statements")
    assert len(items(caller)) == 6 and caller.rows("select * from statements") == []
