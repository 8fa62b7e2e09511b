"""Statement handles in DuckDB tables of the session: what was acknowledged is there after kill -9, to the byte."""
import contextlib
import glob
import os
import re
import shutil
import signal
import threading
import uuid

import pytest

from handles import LONG, MIXED, PARTS, before_all_ends, failed_as, gone, grant, items, keys, known, rows_of, seen, signed, start_long, without_request_ids
from mayfly import Client, Server, in_parallel, unique, until
from redis import storage_settings
from session import Session, problem

PERSISTENT = {"snowflake_api__default_session": "persistent"}


def files(server, pattern="*"):
    return sorted(glob.glob(os.path.join(server.data, "statements", pattern)))


@pytest.fixture
def durable(killable):
    """start(…) and kill(…) of a server whose plain handles are durable."""
    class Durable:
        @staticmethod
        def start(**more):
            return killable.start(**{**PERSISTENT, **more})

        @staticmethod
        def kill(**more):
            return killable.kill(**{**PERSISTENT, **more})
    return Durable


# --- M-18 ---

def test_plain_handles_survive_kill_9_without_any_header(durable):
    a = durable.start()
    handles = [a.client.submit(sql).json["statementHandle"] for sql in (PARTS, MIXED, "selec 1", "create table t(a int)", "select 1 as a where false")]
    handles += [a.client.run(PARTS)["handle"], a.client.native("select * from nope").json["handle"]]
    nulls = a.client.submit("select null as a", query={"nullable": "false"}).json["statementHandle"]
    canceled = start_long(a.client)
    a.client.cancel(canceled)
    known(a.client, canceled)
    handles += [nulls, canceled]
    running = [start_long(a.client), a.client.start(LONG)]
    before = [(seen(a.client, h), without_request_ids(a.client.status(h))) for h in handles]
    listed = items(a.client)
    b = durable.kill()
    assert [(seen(b.client, h), without_request_ids(b.client.status(h))) for h in handles] == before
    for handle in running:
        failed_as(b.client, handle, "server_restarted")
    assert items(b.client) == listed and not items(b.client, status="RUNNING")
    c = durable.kill()
    assert [(seen(c.client, h), without_request_ids(c.client.status(h))) for h in handles] == before
    failed_as(c.client, running[0], "server_restarted")
    c.client.forget(handles[0])
    d = durable.kill()
    assert gone(d.client, handles[0]) and len(items(d.client)) == len(listed) - 1


def test_handles_of_a_persistent_session_survive_and_those_of_a_memory_session_do_not(killable):
    a = killable.start()
    kept, lost = Session(a.client, storage="persistent"), Session(a.client)
    handle, of_memory, plain = kept.run(PARTS)["handle"], lost.run("select 1")["handle"], a.client.run("select 2")["handle"]
    detached = kept.run("select 3", headers={"X-Mayfly-Detached": "true"})["handle"]
    running = start_long(a.client, session_id=kept.id)
    before = [seen(a.client, h) for h in (handle, detached)]
    b = killable.kill()
    assert [seen(b.client, h) for h in (handle, detached)] == before
    failed_as(b.client, running, "server_restarted")
    for one in (of_memory, plain):
        assert gone(b.client, one)
    session = Session(b.client, document=kept.document)
    assert session.get().status == 200 and set(items(b.client, session_id=kept.id)) >= {handle, running}
    assert session.run("select 4")["session_id"] == kept.id
    session.closed()
    for one in (handle, running):
        until(lambda h=one: b.client.document(h).status in (404, 410), "the session's handles to go")
        assert gone(b.client, one)
    assert seen(b.client, detached) == before[1]
    until(lambda: not files(b, f"*{kept.id}*"), "the session's file to go")
    c = killable.kill()
    assert gone(c.client, handle) and seen(c.client, detached) == before[1]


def test_a_session_that_ended_while_the_server_was_down_takes_its_handles(killable):
    a = killable.start()
    session = Session(a.client, storage="persistent")
    handle = session.run("select 1")["handle"]
    assert session.extend(2).status == 200
    b = killable.kill()
    b.client.advance(5)
    until(lambda: b.client.document(handle).status in (404, 410), "the handle to go")
    until(lambda: not files(b, f"*{session.id}*"), "the file to go")


def test_every_acknowledged_handle_is_there_after_a_crash_in_full_flight(durable):
    """Killed while eight clients submit: what was answered 200 answers the same, nothing is half there."""
    a = durable.start()
    answered, over = {}, threading.Event()

    def submit(base):
        n = base
        while not over.is_set():
            n += 1
            with contextlib.suppress(OSError, ValueError):
                x = a.client.submit(f"select {n} as a from range({1 + 2000 * (n % 2)})")
                if x.status == 200:
                    answered[x.json["statementHandle"]] = without_request_ids(x)

    def kill():
        until(lambda: len(answered) > 150, "some statements")
        a.workers()
        a.process.send_signal(signal.SIGKILL)
        a.process.wait()
    in_parallel(lambda: before_all_ends(kill, over), *[lambda base=i * 100000: submit(base) for i in range(8)])
    b = durable.kill()
    for handle, before in answered.items():
        assert without_request_ids(b.client.status(handle)) == before
    for handle in set(items(b.client)) - set(answered):
        document = b.client.document(handle).json
        assert document["status"] == "SUCCEEDED" or document["error"]["code"] == "server_restarted", document
    assert not items(b.client, status="RUNNING") and not items(b.client, status="SUBMITTED")


def test_a_resend_after_a_crash_is_the_first_run(durable):
    a = durable.start()
    a.client.run("create table once(a int)")
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    first = a.client.submit("insert into once values (1)", query=query)
    started = {"requestId": str(uuid.uuid4()), "retry": "true", "async": "true"}
    running = a.client.running(a.client.submit(LONG, query=started).json["statementHandle"])
    b = durable.kill()
    again = b.client.submit("insert into once values (1)", query=query)
    assert again.status == 200
    for key in ("statementHandle", "createdOn", "data", "stats"):
        assert again.json[key] == first.json[key]
    assert b.client.rows("select count(*) from once") == [[1]]
    lost = b.client.submit(LONG, query=started)
    assert lost.json["statementHandle"] == running and (lost.status == 422 or b.client.poll(running).status == 422)


def test_grants_survive(durable, tmp_path):
    more = keys(tmp_path)
    a = durable.start(**more)
    handle = signed(a, "ann").run(PARTS)["handle"]
    assert grant(signed(a, "ann"), handle, "bob").status == 201
    whole = seen(signed(a, "ann"), handle)
    b = durable.kill(**more)
    assert seen(signed(b, "bob"), handle) == whole == seen(signed(b, "ann"), handle)
    problem(signed(b, "cleo").document(handle), 404, "not_found")
    problem(signed(b, "bob", "rivals").document(handle), 404, "not_found")


def test_times_to_live_go_on_after_a_restart(durable):
    a = durable.start()
    handle, short = a.client.run("select 1")["handle"], a.client.run("select 2", ttl_seconds=60)["handle"]
    document = a.client.document(handle).json
    b = durable.kill()
    assert b.client.document(handle).json == document
    b.client.advance(61)
    problem(b.client.document(short), 410, "result_expired")
    assert b.client.status(short).json["code"] == "000710" and items(b.client) == [handle]
    b.client.advance(3600)
    problem(b.client.document(handle), 410, "result_expired")
    assert items(b.client) == []


@pytest.mark.parametrize("megabytes", [9.9, 10.0, 30])
def test_large_results_survive_and_do_not_stay_in_memory(durable, megabytes):
    a = durable.start(statements__memory_bytes=1 << 20)
    rows = int(megabytes * 1024 * 1024 / 1000)
    handle = a.client.run(f"select lpad(i::varchar, 8, '0') || repeat(md5(i::varchar), 31)[:988] as a from range({rows}) t(i)")["handle"]
    got = rows_of(a.client, handle)
    assert len(got) == rows and got[-1][0][:8] == f"{rows - 1:08}"
    assert not [f for f in glob.glob(os.path.join(a.data, "spool", "**"), recursive=True) if os.path.isfile(f)]
    assert int(re.search(r"^mayfly_result_bytes\{[^}]*memory[^}]*\} (\d+)", a.client.get("/metrics").text, re.M).group(1)) <= 2 << 20
    b = durable.kill()
    assert rows_of(b.client, handle) == got


def test_files_are_the_servers_alone(durable):
    a = durable.start()
    a.client.run("select 1")
    for file in until(lambda: files(a), "a file"):
        assert os.stat(file).st_mode & 0o077 == 0
    assert os.stat(os.path.join(a.data, "statements")).st_mode & 0o066 == 0


def test_an_ordinary_stop_keeps_handles_too(durable):
    a = durable.start(server__drain_seconds=1)
    handle = a.client.run(PARTS)["handle"]
    running = start_long(a.client)
    whole = seen(a.client, handle)
    assert a.stop() == 0
    b = durable.start()
    assert seen(b.client, handle) == whole and b.client.document(running).json["status"] == "CANCELED"


# --- files that are damaged, or somebody else's ---

def tenant_file(server, tenant):
    found = files(server, tenant + ".db")
    assert len(found) == 1, files(server)
    return found[0]


@pytest.mark.parametrize("how", ["noise", "empty", "cut", "flipped", "sqlite", "folder", "no wal", "bad wal"])
def test_a_damaged_file_costs_its_own_handles_and_no_more(durable, how):
    a = durable.start()
    bad, good = Client(a, tenant="bad"), Client(a, tenant="good")
    lost, kept = bad.run(PARTS)["handle"], good.run(PARTS)["handle"]
    whole = seen(good, kept)
    path = tenant_file(a, "bad")
    a.workers()
    a.kill()
    damage(path, how)
    b = durable.start()
    b.expected += ["the file bad.db of the statement store"]
    good, bad = Client(b, tenant="good"), Client(b, tenant="bad")
    assert seen(good, kept) == whole
    look = bad.document(lost)
    assert look.status in (200, 404, 410, 500, 503), look
    if look.status == 200:
        assert bad.status(lost).status in (200, 500), bad.status(lost)
    assert good.run("select 1")["status"] == "SUCCEEDED" and b.client.get("/healthz").status == 200
    assert bad.native("select 1").status in (200, 500, 503)


def damage(path, how):
    wal = path + ".wal"
    if how == "folder":
        os.unlink(path)
        os.mkdir(path)
    elif how == "no wal":
        if os.path.exists(wal):
            os.unlink(wal)
    elif how == "bad wal":
        with open(wal, "wb") as f:
            f.write(os.urandom(5000))
    else:
        with open(path, "rb") as f:
            was = f.read()
        now = {"noise": os.urandom(len(was) or 4096), "empty": b"", "cut": was[:len(was) // 2], "sqlite": b"SQLite format 3\0" + bytes(4080),
               "flipped": was[:4096] + bytes(255 - b for b in was[4096:12288]) + was[12288:]}[how]
        with open(path, "wb") as f:
            f.write(now)
        if os.path.exists(wal):
            os.unlink(wal)


def test_another_tenants_file_shows_nothing_of_it(durable):
    """Somebody copied a file over another: it says whose it is, and is refused."""
    a = durable.start()
    mine, theirs = Client(a, tenant="mine"), Client(a, tenant="theirs")
    handle = theirs.run("select 'a secret of theirs' as a")["handle"]
    mine.run("select 1")
    source, target = tenant_file(a, "theirs"), tenant_file(a, "mine")
    a.workers()
    a.kill()
    for end in ("", ".wal"):
        if os.path.exists(source + end):
            shutil.copy(source + end, target + end)
        elif os.path.exists(target + end):
            os.unlink(target + end)
    b = durable.start()
    b.expected += ["cannot be read", "another name"]
    mine, theirs = Client(b, tenant="mine"), Client(b, tenant="theirs")
    assert gone(mine, handle) and items(mine) == []
    refused = mine.native("select 1")
    assert refused.status == 500 and "mine.db" in refused.json["detail"], refused
    assert theirs.result(handle).json["rows"] == [["a secret of theirs"]]


def test_strange_names_in_the_folder_are_left_alone(durable):
    a = durable.start()
    handle = a.client.run("select 1")["handle"]
    a.workers()
    a.kill()
    strange = [os.path.join(a.data, "statements", name) for name in ("README", "x.db.bak", "UPPER.db", "..db", "a.b.c.db", "-.db", "é.db")]
    for path in strange:
        with open(path, "wb") as f:
            f.write(b"not a database")
    b = durable.start()
    b.expected += ["in the folder of the statement store is none of it"]
    assert b.client.result(handle).json["rows"] == [[1]] and b.client.run("select 2")["status"] == "SUCCEEDED"
    assert os.path.exists(strange[0])


def test_a_server_without_durable_handles_leaves_them_for_one_that_has_them(killable):
    a = killable.start(**PERSISTENT)
    handle = a.client.run(PARTS)["handle"]
    whole = seen(a.client, handle)
    b = killable.kill()
    b.client.run("select 1")
    c = killable.kill(**PERSISTENT)
    assert seen(c.client, handle) == whole


@pytest.fixture
def both(one_redis):
    one_redis.heal()
    one_redis.flush()
    return one_redis


def test_hybrid_reads_its_own_after_a_crash_without_redis_knowing(both, durable):
    """The handles of persistent sessions are here and in Redis; when Redis lost them they are here."""
    more = {"snowflake_api__statement_storage__type": "hybrid", "snowflake_api__statement_storage__redis__url": both.url()}
    a = durable.start(**more)
    handle, running = a.client.run(PARTS)["handle"], start_long(a.client)
    whole = seen(a.client, handle)
    b = durable.kill(**more)
    assert seen(b.client, handle) == whole
    until(lambda: b.client.document(running).json["completed_at"], "what ran to have failed")
    assert b.client.document(running).json["error"]["code"] in ("server_restarted", "server_lost")


def test_a_session_that_ends_takes_its_statements_at_once_also_after_a_restart(fleet):
    servers = fleet("session")
    server = servers.start()
    sessions = [server.client.request("POST", "/v1/sessions", {"storage": "persistent"}).json["session_id"] for _ in range(6)]
    handles = [server.client.run("select 1", session_id=s)["handle"] for s in sessions]
    servers.kill(server)
    client = servers.again(server).client
    for session, handle in zip(sessions, handles):
        assert client.document(handle).status == 200
        assert client.request("DELETE", f"/v1/sessions/{session}").status == 200
        assert client.document(handle).status == 404
