"""The life of statements: states, TTLs, caps, spooling, drain, crashed workers."""
import glob
import os
import random
import re
import signal
import subprocess
import time

import pytest

from mayfly import BINARY, PATIENCE, in_parallel, is_alive, mayfly, unique, until

LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"


def spooled(server):
    return [f for f in glob.glob(os.path.join(server.data, "spool", "**"), recursive=True) if os.path.isfile(f)]


def start_long(client):
    return client.running(client.native(LONG, wait=0).json["handle"])


# --- handles and times (M-08, M-11) ---

def test_handles_are_unique_and_in_the_order_of_time(client):
    handles = [client.submit("select 1").json["statementHandle"] for _ in range(50)]
    assert len(set(handles)) == 50
    prefixes = [handle[:13] for handle in handles]  # the millisecond
    assert prefixes == sorted(prefixes)


def test_handles_cannot_be_guessed_from_one_another(client):
    tails = [client.submit("select 1").json["statementHandle"].replace("-", "")[13:] for _ in range(50)]
    for place in range(1, len(tails[0])):
        if place != 3:  # the variant
            assert len({tail[place] for tail in tails}) > 4, f"digit {place} hardly changes"


def test_times_are_ordered_and_created_on_is_in_milliseconds(client):
    before = time.time() * 1000
    a = client.submit("select 1")
    assert before - 1000 <= a.json["createdOn"] <= time.time() * 1000 + 1000
    document = client.document(a.json["statementHandle"]).json
    assert document["created_at"] <= document["started_at"] <= document["completed_at"] < document["expires_at"]


def test_statements_in_parallel_all_succeed_and_whole(client):
    answers = in_parallel(*[lambda i=i: client.rows(f"select i from range({1000 + i}) t(i)") for i in range(6)])
    assert [len(rows) for rows in answers] == [1000 + i for i in range(6)]


# --- TTL (M-09) ---

def test_the_ttl_counts_from_completion(server):
    client = server().client
    handle = start_long(client)
    client.advance(3600 + 60)
    assert client.document(handle).json["status"] == "RUNNING"
    client.cancel(handle)
    ended = until(lambda: client.document(handle).json["completed_at"] and client.document(handle).json, "the cancel")
    assert ended["expires_at"] > ended["completed_at"] and ended["status"] == "CANCELED"
    client.advance(3000)
    assert client.document(handle).status == 200
    client.advance(610)
    assert client.document(handle).status == 410


def test_a_running_statement_is_never_reaped(server):
    client = server(snowflake_api__statement_storage__default_ttl_seconds=1).client
    handle = client.start(LONG, timeout=0)
    client.running(handle)
    for _ in range(5):
        client.advance(60)
        assert client.status(handle).status == 202
    client.cancel(handle)


def test_the_default_ttl_is_an_hour(server):
    client = server().client
    handle = client.submit("select 1").json["statementHandle"]
    client.advance(3000)
    assert client.status(handle).status == 200
    client.advance(610)
    a = client.status(handle)
    assert a.status == 400 and a.json["code"] == "000710" and a.json["sqlState"] == "02000"
    assert handle in a.json["message"] and "expired" in a.json["message"]


def test_reading_a_result_does_not_prolong_it(server):
    client = server(snowflake_api__statement_storage__default_ttl_seconds=1000).client
    handle = client.submit("select 1").json["statementHandle"]
    for _ in range(3):
        client.advance(300)
        assert client.status(handle).status == 200
    client.advance(101)
    assert client.status(handle).json["code"] == "000710"


def test_a_client_chooses_the_ttl_up_to_the_maximum(server):
    client = server(snowflake_api__statement_storage__max_ttl_seconds=7200).client
    short = client.submit("select 1", headers={"X-Mayfly-Result-TTL": "5"}).json["statementHandle"]
    clamped = client.submit("select 1", headers={"X-Mayfly-Result-TTL": "9" * 30}).json["statementHandle"]
    client.advance(6)
    assert client.status(short).json["code"] == "000710"
    client.advance(7100)
    assert client.status(clamped).status == 200
    client.advance(200)
    assert client.status(clamped).json["code"] == "000710"


@pytest.mark.parametrize("ttl", ["0", "-1", "x", "1.5", ""])
def test_a_ttl_that_is_no_number_is_a_400(client, ttl):
    assert client.submit("select 1", headers={"X-Mayfly-Result-TTL": ttl}).status == 400


def test_a_failed_and_a_canceled_statement_expire_too(server):
    client = server().client
    failed = client.submit("selec").json["statementHandle"]
    canceled = client.start(LONG)
    client.cancel(canceled)
    client.poll(canceled)
    client.advance(3700)
    assert client.status(failed).json["code"] == client.status(canceled).json["code"] == "000710"


# --- caps (M-17) ---

def test_a_full_tenant_is_a_429_and_loses_nothing(server):
    one = server(tenants__max_statements=3)
    client = one.client
    handles = [client.submit(f"select {i}").json["statementHandle"] for i in range(3)]
    a = client.submit("select 3")
    assert a.status == 429 and a.json["code"] == "390505" and a.json["message"] == "Too many requests."
    assert int(a.headers["Retry-After"]) >= 1
    b = client.native("select 3")
    assert b.status == 429 and b.json["code"] == "too_many_requests" and b.headers["Retry-After"]
    assert [client.status(h).json["data"] for h in handles] == [[[str(i)]] for i in range(3)]
    assert one.as_tenant("other").submit("select 1").status == 200
    client.forget(handles[0])
    assert client.submit("select 4").status == 200


def test_expired_statements_make_room(server):
    client = server(tenants__max_statements=2).client
    for _ in range(2):
        client.submit("select 1")
    assert client.submit("select 1").status == 429
    client.advance(3700)
    assert client.submit("select 1").status == 200


def test_stored_bytes_are_capped(server):
    client = server(tenants__result_bytes=1048576).client
    wide = "select hash(i)::varchar || hash(i + 1)::varchar || hash(i * 7)::varchar as a from range(40000) t(i)"
    handles = []
    for _ in range(20):
        a = client.submit(wide)
        if a.status == 429:
            break
        handles.append(a.json["statementHandle"])
    assert a.status == 429 and handles
    assert client.status(handles[0]).status == 200
    for handle in handles:
        client.forget(handle)
    assert client.submit("select 1").status == 200


def test_beyond_the_places_statements_wait_and_beyond_the_queue_they_are_refused(server):
    one = server(tenants__concurrent_statements=1, tenants__queued_statements=2)
    client = one.client
    running = start_long(client)
    queued = [client.native("select 1", wait=0) for _ in range(2)]
    assert [a.status for a in queued] == [202, 202]
    assert {client.document(a.json["handle"]).json["status"] for a in queued} == {"SUBMITTED"}
    refused = client.native("select 1", wait=0)
    assert refused.status == 429 and refused.json["code"] == "too_many_requests" and refused.headers["Retry-After"]
    v2 = client.submit("select 1", query={"async": "true"})
    assert v2.status == 429 and v2.json["code"] == "390505"
    assert one.as_tenant("other").submit("select 1").status == 200
    client.cancel(running)
    for a in queued:
        assert client.document(a.json["handle"], wait=PATIENCE).json["status"] == "SUCCEEDED"
    assert client.submit("select 1").status == 200


def test_a_queued_statement_can_be_canceled_and_times_out(server):
    client = server(tenants__concurrent_statements=1).client
    running = start_long(client)
    first, second = (client.native("select 1", wait=0, **f).json["handle"] for f in ({}, {"timeout_seconds": 1}))
    client.cancel(first)
    document = client.document(first, wait=PATIENCE).json
    assert document["status"] == "CANCELED" and document["started_at"] is None
    assert client.document(second, wait=PATIENCE).json["error"]["code"] == "statement_timeout"
    assert client.document(running).json["status"] == "RUNNING"
    client.forget(running)


def test_more_tenants_than_workers_are_a_503(server):
    one = server(engine__max_workers=1)
    handle = start_long(one.as_tenant("a"))
    refused = one.as_tenant("b").native("select 1")
    assert refused.status == 503 and refused.json["code"] == "unavailable" and refused.headers["Retry-After"], refused
    one.as_tenant("a").forget(handle)


# --- sizes (M-15) ---

def test_a_result_over_the_limit_fails_and_nothing_is_kept(server):
    one = server(snowflake_api__statement_storage__max_result_size_mb=1)
    client = one.client
    wide = "select repeat('x', 1000) as a from range({}) t(i)"
    a = client.submit(wide.format(5000))
    assert a.status == 422 and a.json["code"] == "391908", a
    handle = a.json["statementHandle"]
    assert client.status(handle).json["code"] == "391908"
    assert client.status(handle, partition=1).status == 422
    document = client.document(handle).json
    assert document["error"]["code"] == "result_too_large" and document["result_bytes"] == 0 and document["partition_count"] == 0
    b = client.result(client.native(wide.format(5000)).json["handle"])
    assert b.status == 422 and b.json["code"] == "result_too_large"
    assert client.submit(wide.format(900)).status == 200
    assert spooled(one) == []


def test_ten_megabytes_of_rows_come_back_whole(client):
    rows = client.rows("select repeat('x', 1000) || i as a from range(12000) t(i)")
    assert [row[0][1000:] for row in rows] == [str(i) for i in range(12000)]


# --- spooling ---

SPOOLED = "select i as a, 'row ' || i as b from range(30000) t(i)"


def test_results_beyond_the_memory_are_files_and_still_readable(server):
    one = server(statements__memory_bytes=1)
    client = one.client
    handle = client.run(SPOOLED)["handle"]
    until(lambda: spooled(one), "a spooled result")
    rows = [[i, f"row {i}"] for i in range(30000)]
    assert client.result(handle).json["rows"] == rows
    parts = client.document(handle).json["partition_count"]
    cells = [row for i in range(parts) for row in client.status(handle, partition=i).json["data"]]
    assert cells == [[str(i), b] for i, b in rows]
    client.forget(handle)
    until(lambda: not spooled(one), "the files to go")


def test_spooled_results_expire_with_their_files(server):
    one = server(statements__memory_bytes=1)
    client = one.client
    handle = client.submit(SPOOLED).json["statementHandle"]
    until(lambda: spooled(one), "a spooled result")
    assert client.status(handle, partition=1).status == 200
    client.advance(3700)
    until(lambda: not spooled(one), "the files to go")
    assert client.status(handle).json["code"] == "000710"


def test_the_oldest_results_are_spooled_first(server):
    one = server(statements__memory_bytes=400000)
    client = one.client
    handles = [client.submit(SPOOLED).json["statementHandle"] for _ in range(6)]
    until(lambda: spooled(one), "a spooled result")
    for handle in handles:
        assert client.status(handle, partition=1).json["data"]
    metrics = client.get("/metrics").text
    spooled_bytes = int(re.search(r"^mayfly_result_bytes\{[^}]*spooled[^}]*\} (\d+)|^mayfly_result_bytes_spooled (\d+)",
                                  metrics, re.M).group(1) or 0)
    assert spooled_bytes > 0


def test_spooled_files_are_readable_by_the_server_only(server):
    one = server(statements__memory_bytes=1)
    one.client.run(SPOOLED)
    for file in until(lambda: spooled(one), "a spooled result"):
        assert os.stat(file).st_mode & 0o077 == 0
    assert os.stat(os.path.join(one.data, "spool")).st_mode & 0o077 == 0


# --- SIGTERM ---

def test_a_drain_lets_running_statements_finish(server):
    one = server(server__drain_seconds=600)
    client = one.client
    answers = []

    def submit():
        answers.append(client.submit("call system$wait(4)"))

    def drains():
        try:
            return client.get("/readyz").status == 503
        except OSError:
            return True

    def drain():
        until(lambda: client.get("/v1/statements?status=RUNNING").json["items"], "the statement to run")
        one.terminate()
        until(drains, "the drain to begin")
        with pytest.raises(OSError):
            a = client.submit("select 1")  # refused, or answered 503 where a connection was let in
            assert a.status == 503
            raise ConnectionRefusedError
    in_parallel(submit, drain)
    assert answers[0].status == 200 and answers[0].json["data"] == [["waited 4 seconds"]]
    assert one.process.wait(PATIENCE) == 0


def test_while_draining_new_work_is_a_503_and_polling_goes_on(server):
    one = server(server__drain_seconds=600)
    client = one.client
    handle = start_long(client)
    one.terminate()
    until(lambda: client.get("/readyz").status == 503, "the drain to begin")
    a, b = client.submit("select 1"), client.native("select 1")
    assert a.status == b.status == 503 and a.headers["Retry-After"] and b.headers["Retry-After"]
    assert b.json["code"] == "unavailable" and "code" in a.json
    assert client.document(handle).json["status"] == "RUNNING" and client.status(handle).status == 202
    client.cancel(handle)
    assert one.process.wait(PATIENCE) == 0


def test_beyond_the_drain_statements_are_canceled(server):
    one = server(server__drain_seconds=1)
    client = one.client
    answers = []

    def drain():
        until(lambda: client.get("/v1/statements?status=RUNNING").json["items"], "the statement to run")
        one.terminate()

    in_parallel(lambda: answers.append(client.submit(LONG)), drain)
    assert answers[0].status == 422 and answers[0].json["code"] == "000604"
    assert one.process.wait(PATIENCE) == 0


def test_an_idle_server_stops_at_once_whatever_is_connected(server):
    one = server(server__drain_seconds=3600, server__idle_seconds=3600)
    one.client.submit("select 1")
    with one.socket() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        assert one.stop() == 0


def test_a_second_signal_stops_waiting(server):
    one = server(server__drain_seconds=3600)
    start_long(one.client)
    one.terminate()
    until(lambda: one.client.get("/readyz").status == 503, "the drain to begin")
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(PATIENCE) == 0


# --- workers that start with the server ---

def test_the_worker_of_the_default_tenant_starts_with_the_server(server):
    assert len(server().workers()) == 1
    assert server(auth__require_tenant="true").workers() == set()


def test_a_worker_that_nobody_asked_for_gives_its_place_to_another_tenant(server):
    assert server(engine__max_workers=1).as_tenant("a").rows("select 1") == [[1]]


# --- workers that die ---

def test_a_worker_that_dies_fails_its_statements_cleanly_and_only_them(server):
    one = server()
    first, second = one.as_tenant("first"), one.as_tenant("second")
    of_default = one.workers()
    first.run("create table kept(a int)")
    first.run("insert into kept values (42)")
    running = start_long(first)
    doomed = set(one.workers()) - set(of_default)
    finished = first.run("select 7")["handle"]
    other = start_long(second)
    (pid,) = doomed
    os.kill(pid, signal.SIGKILL)
    document = first.document(running, wait=PATIENCE).json
    assert document["status"] == "FAILED" and document["error"]["code"] == "engine_lost", document
    a = first.status(running)
    assert a.status == 422 and a.json["code"] == "000603" and a.json["statementHandle"] == running
    assert first.result(finished).json["rows"] == [[7]]
    assert first.rows("select a from kept") == [[42]]
    assert second.document(other).json["status"] == "RUNNING"
    assert one.workers() and pid not in one.workers()
    second.forget(other)


def test_a_waiting_client_hears_that_the_worker_died(server):
    one = server()
    client = one.client

    def kill():
        until(lambda: client.get("/v1/statements?status=RUNNING").json["items"], "the statement to run")
        for pid in one.workers():
            os.kill(pid, signal.SIGKILL)

    answer, _ = in_parallel(lambda: client.submit(LONG), kill)
    assert answer.status == 422 and answer.json["code"] == "000603"
    assert client.submit("select 1").json["data"] == [["1"]]


def test_an_idle_worker_that_dies_is_not_noticed(server):
    one = server()
    for _ in range(3):
        assert one.client.rows("select 1") == [[1]]
        for pid in one.workers():
            os.kill(pid, signal.SIGKILL)
        until(lambda: one.client.get("/readyz").json["engine"]["workers"] == 0, "the server to notice")
    assert one.client.rows("select 1") == [[1]]


def test_workers_end_with_a_server_that_is_killed(server):
    one = server()
    one.client.run("select 1")
    workers = one.workers()
    assert workers
    one.kill()
    until(lambda: not any(is_alive(pid) for pid in workers), "the workers to end")
    one.process.returncode = 0  # the end that this test wanted


def test_a_worker_waits_for_the_one_of_a_server_that_was_killed(server):
    """It may take a moment to go, and holds the tenant's file until then."""
    one = server()
    one.client.run("create table lasting as select 1 as a")
    pid, = one.workers()
    os.kill(pid, signal.SIGSTOP)  # it goes when it is let go on
    one.kill()
    one.process.returncode = 0  # the end that this test wanted
    again = server({"data": one.folder})
    handle = again.client.native("select a from lasting", wait=0).json["handle"]
    try:
        until(again.workers, "a worker to be started")
        assert again.client.document(handle, wait=1).json["status"] in ("SUBMITTED", "RUNNING")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert again.client.document(handle, wait=PATIENCE).json["status"] == "SUCCEEDED"
    assert again.client.result(handle).json["rows"] == [[1]]
    assert again.stop() == 0


def test_a_tenants_tables_survive_a_restart(server):
    one = server()
    one.client.run("create table lasting(a int)")
    one.client.run("insert into lasting values (1), (2)")
    assert one.stop() == 0
    again = server({"data": one.folder})
    assert again.client.rows("select a from lasting order by a") == [[1], [2]]
    assert again.stop() == 0


def test_an_idle_worker_is_stopped_and_comes_back(server):
    one = server(engine__idle_seconds=60)
    one.client.run("create table lasting as select 1 as a")
    assert one.workers()
    one.client.advance(120)
    until(lambda: not one.workers(), "the worker to be stopped")
    assert one.client.rows("select a from lasting") == [[1]]


# --- canceling (M-07, M-19) and clients that leave ---

def test_cancels_race_with_ends_and_terminal_states_stay(client):
    for i in range(20):
        handle = client.native("select sum(i) from range(300000) t(i)", wait=0).json["handle"]
        if i % 2:
            time.sleep(0.002)
        client.cancel(handle)
        first = client.document(handle, wait=PATIENCE).json
        assert first["status"] in ("SUCCEEDED", "CANCELED")
        client.cancel(handle)
        assert client.document(handle).json == first
        assert client.result(handle).status == (200 if first["status"] == "SUCCEEDED" else 409)


def test_a_statement_goes_on_when_its_client_leaves(client, shared):
    sql = f"select count(*) + {len(unique())} * 0 from range(300000000) t(i) -- {unique('left')}"
    leave(shared, sql)
    item = until(lambda: find(client, sql), "the statement")
    assert client.document(item["handle"], wait=PATIENCE).json["status"] == "SUCCEEDED"


def test_a_statement_is_canceled_with_its_client_where_configured(server):
    one = server(snowflake_api__cancel_on_disconnect="true")
    leave(one, LONG)
    item = until(lambda: find(one.client, LONG), "the statement")
    assert one.client.document(item["handle"], wait=PATIENCE).json["status"] == "CANCELED"
    handle = one.client.start(LONG)
    one.client.running(handle)
    assert one.client.status(handle).status == 202
    one.client.cancel(handle)


def find(client, sql):
    return next((i for i in client.get("/v1/statements").json["items"] if i["sql"] == sql), None)


def leave(server, sql):
    """Submits synchronously and closes the connection while the statement runs."""
    body = b'{"statement": "%s"}' % sql.encode()
    with server.socket() as s:
        s.sendall(b"POST /api/v2/statements HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        until(lambda: find(server.client, sql), "the statement to be known")


# --- the engine's limits ---

def test_a_memory_bomb_fails_alone(server):
    one = server(tenants__memory_bytes=268435456)
    one.client.run("select 1")
    if not one.client.get("/readyz").json["engine"]["sandbox"]["rlimits"]:
        pytest.skip("a sanitizer build: its workers have no RLIMIT_AS")
    other = one.as_tenant("other")
    handle = start_long(other)
    a = one.client.submit("select length(repeat('x', 1500000000)), list_sum(range(200000000))")
    assert a.status == 422, a
    assert one.client.submit("select 1").status == 200
    assert other.document(handle).json["status"] == "RUNNING"
    other.forget(handle)


SPILLING = "select count(distinct hash(i)) from range(4000000) t(i)"


def temp_files(server):
    return glob.glob(os.path.join(server.data, "tenants", "*", "tmp", "*"))


def test_a_large_statement_spills_to_its_tenants_folder_and_leaves_nothing(server):
    one = server(tenants__memory_bytes=67108864)
    handle = one.client.native(SPILLING, wait=0).json["handle"]
    until(lambda: temp_files(one), "a spill")
    assert one.client.document(handle, wait=PATIENCE).json["status"] == "SUCCEEDED"
    assert one.client.result(handle).json["rows"] == [[4000000]]
    until(lambda: not temp_files(one), "the spill to be cleared")


def test_a_spill_over_the_limit_fails_alone(server):
    one = server(tenants__memory_bytes=67108864, tenants__temp_bytes=1000000)
    a = one.client.native(SPILLING)
    assert a.status == 200 and a.json["status"] == "FAILED", a
    b = one.client.submit(SPILLING)
    assert b.status == 422 and b.json["code"] == "000603", b
    assert one.client.rows("select 1") == [[1]]


# --- starting ---

@pytest.mark.parametrize("setting", ["no.such=1", "server.head_seconds=x", "server.head_seconds=0", "auth.mode=foo", "novalue",
                                     "server.listen=", "auth.mode=jwt"])
def test_a_wrong_option_is_refused_at_the_start(setting, tmp_path):
    done = mayfly("serve", "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--set", setting)
    assert done.returncode == 2 and "mayfly: " in done.stderr


def test_a_listener_beyond_loopback_needs_authentication(tmp_path):
    done = mayfly("serve", "--data", str(tmp_path), "--listen", "0.0.0.0:0")
    assert done.returncode == 2 and "loopback" in done.stderr


def test_a_second_server_on_a_data_folder_in_use_is_refused(server):
    one = server(statements__memory_bytes=1)
    handle = one.client.run(SPOOLED)["handle"]
    until(lambda: spooled(one), "a spooled result")
    with subprocess.Popen([BINARY, "serve", "--data", one.data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as second:
        said = second.stdout.readline()  # the banner, or why not
        if "serves on" in said:
            second.terminate()
    assert second.returncode == 2 and "in use" in said
    assert one.client.result(handle).json["row_count"] == 30000


# --- all at once ---

def test_a_storm_of_mixed_calls_leaves_a_healthy_and_empty_server(server):
    one = server(tenants__concurrent_statements=3, tenants__queued_statements=20, statements__memory_bytes=200000)
    statements = ["select 1", "select i, 'row ' || i from range(20000) t(i)", LONG, "select * from nope", "selec",
                  "call system$wait(1)", "create or replace table storm as select 1 as a", "select count(*) from storm"]

    def client(seed):
        chance = random.Random(seed)
        me = one.as_tenant(chance.choice(["a", "b"]))
        handles = []
        for _ in range(40):
            sql, kind = chance.choice(statements), chance.randrange(8)
            if kind < 3:
                a = me.submit(sql, query={"async": "true"}, timeout=chance.choice([1, 60]))
                handles += [a.json["statementHandle"]] if a.status in (200, 202) else []
            elif kind == 3:
                a = me.native(sql, wait=0, timeout_seconds=chance.choice([1, 60]))
                handles += [a.json["handle"]] if a.status == 202 else []
            elif handles:
                handle = chance.choice(handles)
                a = chance.choice([me.status, me.document, me.result, me.cancel, me.forget,
                                   lambda h: me.status(h, partition=1), lambda h: me.result(h, "text/csv")])(handle)
            else:
                a = me.get("/v1/statements?limit=5")
            assert a.status < 500 and a.status != 403, a

    in_parallel(*[lambda seed=seed: client(seed) for seed in range(8)])
    for name in ("a", "b"):
        me = one.as_tenant(name)
        for item in me.get("/v1/statements?limit=1000").json["items"]:
            me.forget(item["handle"])
        assert me.get("/v1/statements").json["items"] == []

    def quiet():
        text = one.client.get("/metrics").text
        return all(line in text for line in ('mayfly_statements{state="running"} 0', 'mayfly_statements{state="queued"} 0',
                                             "mayfly_statements_live 0", 'mayfly_result_bytes{place="memory"} 0',
                                             'mayfly_result_bytes{place="spooled"} 0'))
    until(quiet, "the server to be quiet")
    until(lambda: not spooled(one), "the spool to be empty")
    for name in ("a", "b"):
        assert one.as_tenant(name).rows("select 42") == [[42]]
