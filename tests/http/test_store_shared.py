"""Servers on one Redis: any of them answers for any handle, whoever made it, and whoever died."""
import json
import threading
import time
import uuid

import pytest

from handles import (LONG, PARTS, failed_as, gone, grant, items, keys, known, raw_parts, rows_of, seen, signed, start_long, take_back, through,
                     without_request_ids)
from mayfly import PATIENCE, Client, in_parallel, unique, until
from redis import PREFIX, Fleet
from session import Session, Stream, problem

KINDS = ("redis", "hybrid")


@pytest.fixture(scope="module", params=KINDS)
def trio(request, one_redis):
    """Three servers of one type, for all tests of this file that let them live."""
    one_redis.heal()
    one_redis.flush()
    servers = Fleet(request.param, one_redis)
    servers.trio = [servers.start() for _ in range(3)]
    yield servers
    servers.close()


@pytest.fixture
def three(trio):
    """The same new tenant at each of the three."""
    tenant = unique("tenant")
    return [Client(server, tenant=tenant) for server in trio.trio]


# --- looking ---

def test_submit_on_a_poll_on_b_page_from_c(three):
    a, b, c = three
    handle = a.submit(PARTS, query={"async": "true"}).json["statementHandle"]
    assert b.poll(handle).status == 200
    on_a = seen(a, handle)
    assert on_a[0]["status"] == "SUCCEEDED" and on_a[0]["row_count"] == 20000 and len(on_a[3]) > 1
    assert seen(b, handle) == on_a and seen(c, handle) == on_a
    assert rows_of(c, handle) == rows_of(a, handle)
    wrong = [without_request_ids(client.status(handle, partition=999)) for client in three]
    assert wrong[0] == wrong[1] == wrong[2] and wrong[0][0] == 400


def test_failures_and_changes_are_told_alike(three):
    a = three[0]
    handles = [a.native("select * from nope").json["handle"], a.submit("selec 1").json["statementHandle"],
               a.submit(f"create table {unique('t')}(a int)").json["statementHandle"], a.submit("select 1 as a where false").json["statementHandle"],
               a.submit(LONG, timeout=1).json["statementHandle"]]
    for handle in handles:
        looks = [(seen(client, handle), without_request_ids(client.status(handle))) for client in three]
        assert looks[0] == looks[1] == looks[2]
        documents = [client.document(handle).json for client in three]
        assert documents[0] == documents[1] == documents[2]


def test_a_running_one_is_seen_and_waited_for_elsewhere(three):
    a, b, c = three
    handle = start_long(a)
    assert b.status(b.running(handle)).status == 202
    problem(c.result(handle), 409, "not_finished")
    assert handle in items(b, status="RUNNING")
    waiting, heard = [], []

    def wait():
        waiting.append(b.document(handle, wait=PATIENCE).json)

    def listen():
        with Stream(c, f"/v1/statements/{handle}/events") as stream:
            while (event := stream.next()) is not None:
                heard.append((event["event"], json.loads(event["data"])["status"]))
                if event["event"] == "done":
                    return

    def cancel():
        until(lambda: heard, "the first event")
        a.cancel(handle)
    in_parallel(wait, listen, cancel)
    assert waiting[0]["status"] == "CANCELED" and heard[-1] == ("done", "CANCELED")


def test_lists_are_the_same_everywhere(three):
    a, b, c = three
    made = [client.run(f"select {i}")["handle"] for i in range(3) for client in three]
    made.append(b.native("select * from nope").json["handle"])
    everything = sorted(made, reverse=True)
    middle = a.document(made[4]).json["created_at"]
    for query in ({}, {"limit": 3}, {"status": "FAILED"}, {"status": "SUCCEEDED", "limit": 2}, {"since": middle}, {"until": middle}):
        lists = [items(client, **query) for client in three]
        assert lists[0] == lists[1] == lists[2], query
        if set(query) <= {"limit"}:
            assert lists[0] == everything
    documents = [client.get("/v1/statements?limit=1000").json["items"] for client in three]
    assert documents[0] == documents[1] == documents[2]
    assert c.get("/v1/statements?until=2000-01-01T00:00:00Z").json == {"items": [], "next": None}


# --- ending ---

@pytest.mark.parametrize("how", ["cancel", "forget"])
def test_a_statement_is_ended_from_another_server_while_it_runs(three, how):
    a, b, c = three
    handle = start_long(a)
    if how == "forget":
        assert b.forget(handle).status == 204
        for client in three:
            until(lambda k=client: k.document(handle).status in (404, 410), "the handle to go")
            assert gone(client, handle)
    else:
        assert b.cancel(handle).json["code"] == "000604"
        assert known(c, handle)["status"] == "CANCELED"
        answers = [without_request_ids(client.status(handle)) for client in three]
        assert answers[0] == answers[1] == answers[2] and answers[0][0] == 422
    until(lambda: not items(a, status="RUNNING"), "nothing to run")
    until(lambda: "mayfly_statements{state=\"running\"} 0" in a.get("/metrics").text, "the engine to be let go")


def test_cancels_race_with_ends_and_all_servers_agree(three):
    for _ in range(10):
        handle = three[0].native("select count(*) from range(3000000) t(i) where i % 7 = 3", wait=0).json["handle"]
        in_parallel(*[lambda k=client: k.cancel(handle) for client in three])
        documents = [known(client, handle) for client in three]
        assert documents[0] == documents[1] == documents[2] and documents[0]["status"] in ("SUCCEEDED", "CANCELED")


def test_what_is_forgotten_on_one_is_unknown_on_all(three):
    handle = three[0].run(PARTS)["handle"]
    before = seen(three[1], handle)
    assert seen(three[2], handle) == before
    assert three[2].forget(handle).status == 204
    for client in three:
        until(lambda k=client: k.document(handle).status in (404, 410), "the handle to go")
        assert gone(client, handle) and items(client) == []


# --- idempotency (M-16) ---

def test_a_resend_to_another_server_is_the_first_run(three):
    a, b, c = three
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    first = a.submit("select uuid() as a", query=query)
    for client in three:
        again = client.submit("select uuid() as a", query=query)
        assert without_request_ids(again)[2:] == without_request_ids(first)[2:], again
    running = {"requestId": str(uuid.uuid4()), "retry": "true", "async": "true"}
    handle = b.submit("call system$wait(30)", query=running).json["statementHandle"]
    assert c.submit("call system$wait(30)", query=running).json["statementHandle"] == handle
    a.cancel(handle)


def test_submits_that_race_on_all_servers_run_once(three):
    for _ in range(10):
        query = {"requestId": str(uuid.uuid4()), "retry": "true"}
        answers = in_parallel(*[lambda k=client: k.submit("select uuid() as a", query=query) for client in three * 3])
        assert {a.status for a in answers} == {200}, answers
        assert len({(a.json["statementHandle"], a.json["createdOn"], a.json["data"][0][0]) for a in answers}) == 1
    assert len(items(three[0])) == 10


# --- sessions ---

def test_a_session_takes_its_statements_from_all_servers(three):
    a, b, c = three
    session = Session(a)
    finished, running = session.run("select 1")["handle"], start_long(a, session_id=session.id)
    detached = session.run("select 2", headers={"X-Mayfly-Detached": "true"})["handle"]
    assert sorted(items(b, session_id=session.id)) == sorted(items(a, session_id=session.id))
    assert b.document(finished).json["session_id"] == session.id
    session.closed()
    for client in three:
        for handle in (finished, running):
            until(lambda k=client, h=handle: k.document(h).status in (404, 410), "the session's handles to go")
            assert gone(client, handle)
        assert client.document(detached).json["status"] == "SUCCEEDED"
    assert c.result(detached).json["rows"] == [[2]]


# --- Redis itself ---

def test_all_keys_have_the_prefix_and_a_time_to_live(three, one_redis):
    a, b, _ = three
    session = Session(a)
    kept = [session.run("select 1")["handle"], a.run(PARTS)["handle"], start_long(a), start_long(b)]
    a.submit("select 1", query={"requestId": str(uuid.uuid4()), "retry": "true"})
    a.forget(a.run("select 2")["handle"])
    a.native("select * from nope")
    ttls = one_redis.ttls()
    for_ever = [k for k in ttls if k == PREFIX + "records:names" or k.startswith(PREFIX + "records:record:session")]  # sessions may be unbounded
    ttls = {k: ttl for k, ttl in ttls.items() if k not in for_ever}
    tenant = a.headers["X-Mayfly-Tenant"]
    assert ttls and all(key.startswith(PREFIX) for key in ttls), [k for k in ttls if not k.startswith(PREFIX)]
    assert all(ttl > 0 for ttl in ttls.values()), {k: ttl for k, ttl in ttls.items() if ttl <= 0}
    of_records = {h: ttls[f"{PREFIX}{tenant}:statement:{h}"] for h in kept}
    results = {k: ttl for k, ttl in ttls.items() if k.startswith(f"{PREFIX}{tenant}:result:")}
    assert results and max(results.values()) <= 3660 * 1000
    assert all(0 < of_records[h] <= (3660 + 24 * 3600) * 1000 for h in kept[:2])
    for handle in kept[2:]:
        a.forget(handle)


def test_batches_are_gzip_and_what_the_wire_sends(three, one_redis):
    a = three[0]
    handle = a.submit(PARTS).json["statementHandle"]
    key = f"{PREFIX}{a.headers['X-Mayfly-Tenant']}:result:{handle}:"
    parts = raw_parts(a, handle)
    assert [one_redis.command("GET", f"{key}{i + 1}") for i in range(len(parts))] == parts
    a.forget(handle)
    until(lambda: not one_redis.keys(key + "*"), "the batches to go")


def test_nothing_of_the_result_stays_in_redis_past_its_time(three, one_redis):
    a = three[0]
    handle = a.run("select 'a value that is short-lived' as a", ttl_seconds=1)["handle"]
    tenant = a.headers["X-Mayfly-Tenant"]
    until(lambda: not one_redis.keys(f"{PREFIX}{tenant}:result:*"), "Redis to drop the result")
    until(lambda: all(client.document(handle).status == 410 for client in three), "all servers to know")
    for client in three:
        assert client.status(handle).json["code"] == "000710" and items(client) == []
    key = f"{PREFIX}{tenant}:statement:{handle}"
    until(lambda: not one_redis.command("HEXISTS", key, "sql"), "the text to go")


# --- tenants and grants ---

def test_tenants_never_meet(trio, three):
    a, b, _ = three
    other = [Client(server, tenant=unique("tenant")) for server in trio.trio]
    session = Session(a)
    running = start_long(a)
    handles = [a.run(PARTS)["handle"], session.run("select 1")["handle"], running]
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    mine = a.submit("select 'mine' as a", query=query).json["statementHandle"]
    for client in other:
        for handle in handles:
            problem(client.document(handle), 404, "not_found")
            problem(client.result(handle), 404, "not_found")
            problem(client.forget(handle), 404, "not_found")
            problem(grant(client, handle, "*"), 404, "not_found")
            assert client.status(handle).json["code"] == client.status(handle, partition=1).json["code"] == "000709"
            assert client.cancel(handle).status == 200
            assert client.native("select 1", session_id=session.id).status == 404
        assert items(client) == []
        problem(client.get(f"/v1/statements?session_id={session.id}"), 404, "not_found")
    assert other[1].submit("select 'other' as a", query=query).json["statementHandle"] != mine
    until(lambda: b.document(running).json["status"] == "RUNNING", "it to be known as running")
    b.forget(running)


@pytest.mark.parametrize("kind", KINDS)
def test_grants_hold_on_all_servers_and_after_a_restart(fleet, kind, tmp_path):
    servers = fleet(kind, **keys(tmp_path))
    a, b = servers.start(), servers.start()
    ann, bob, cleo = (lambda s: signed(s, "ann")), (lambda s: signed(s, "bob")), (lambda s: signed(s, "cleo"))
    handle, other = ann(a).run(PARTS)["handle"], ann(a).run("select 2")["handle"]
    for server in (a, b):
        problem(bob(server).document(handle), 404, "not_found")
    assert grant(ann(b), handle, "bob").status == 201
    first = seen(ann(a), handle)
    for server in (a, b):
        until(lambda s=server: bob(s).document(handle).status == 200, "the grant to be known")
        assert seen(bob(server), handle) == first
        problem(cleo(server).document(handle), 404, "not_found")
        problem(bob(server).document(other), 404, "not_found")
        assert bob(server).forget(handle).status == 403 and grant(bob(server), handle, "cleo").status == 403
    servers.kill(a)
    c = servers.again(a)
    assert seen(bob(c), handle) == first
    assert take_back(ann(c), handle, "bob").status == 204
    for server in (b, c):
        until(lambda s=server: bob(s).document(handle).status == 404, "the grant to end")
    assert grant(ann(b), handle, "*").status == 201
    for server in (b, c):
        until(lambda s=server: cleo(s).document(handle).status == 200, "the grant to be known")
        problem(signed(server, "cleo", "rivals").document(handle), 404, "not_found")


# --- a server that goes ---

def test_a_server_that_is_killed_fails_what_it_ran_and_only_that(redis, fleet):
    """Both types at once: it is the lease that takes its time."""
    def one(kind):
        servers = fleet(kind, key_prefix=kind + ":")
        a, b = servers.start(), servers.start()
        session = Session(a.client)
        finished = a.client.run(PARTS)["handle"]
        whole = seen(a.client, finished)
        of_session = session.run("select 1", headers={"X-Mayfly-Detached": "true"})["handle"]
        running = [start_long(a.client), start_long(a.client, session_id=session.id)]
        query = {"requestId": str(uuid.uuid4()), "retry": "true", "async": "true"}
        claimed = a.client.submit(LONG, query=query).json["statementHandle"]
        mine = start_long(b.client)
        servers.kill(a)
        assert seen(b.client, finished) == whole and b.client.document(of_session).status == 200
        for handle in (*running, claimed):
            until(lambda h=handle: b.client.document(h).status != 200 or b.client.document(h).json["completed_at"], "the lease to end")
        failed_as(b.client, running[0], "server_lost")
        failed_as(b.client, claimed, "server_lost")
        assert b.client.submit(LONG, query=query).json["statementHandle"] == claimed
        assert b.client.document(mine).json["status"] == "RUNNING"
        b.client.forget(mine)
        assert {running[0], claimed} <= set(items(b.client, status="FAILED")) and not items(b.client, status="RUNNING")
        again = servers.again(a)
        failed_as(again.client, running[0], "server_lost")
        assert seen(again.client, finished) == whole
        until(lambda: again.client.document(running[1]).status in (404, 410) or b.client.document(running[1]).json.get("completed_at"),
              "the statement of the session that is gone")
    in_parallel(*[lambda k=kind: one(k) for kind in KINDS])


@pytest.mark.parametrize("kind", KINDS)
def test_a_drain_leaves_every_handle_to_the_others(fleet, kind):
    servers = fleet(kind, server__drain_seconds=1)
    a, b = servers.start(), servers.start()
    finished = [a.client.run(PARTS)["handle"]] + [a.client.run(f"select {i}")["handle"] for i in range(50)]
    whole = [seen(a.client, h) for h in finished[:3]]
    running = start_long(a.client)
    assert a.stop() == 0
    assert [seen(b.client, h) for h in finished[:3]] == whole
    assert {b.client.document(h).json["status"] for h in finished} == {"SUCCEEDED"}
    assert b.client.document(running).json["status"] == "CANCELED"
    b.client.forget(finished[0])
    assert gone(b.client, finished[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_others_sweep_what_a_dead_server_made(fleet, redis, kind):
    servers = fleet(kind, cleanup_interval_seconds=1)
    a, b = servers.start(), servers.start()
    began = time.monotonic()
    handle = a.client.run(PARTS, ttl_seconds=4)["handle"]
    servers.kill(a)
    assert b.client.document(handle).status == 200 or time.monotonic() - began > 4
    until(lambda: b.client.document(handle).status == 410, "the result to expire")
    until(lambda: not redis.keys(f"{PREFIX}default:result:*"), "its batches to go")
    assert items(b.client) == []


# --- many at once ---

def test_a_storm_on_all_servers_ends_in_one_truth(three):
    made, bad = [], []
    lock = threading.Lock()

    def one(i):
        for n in range(15):
            a = three[(i + n) % 3].native(f"select {i * 100 + n} as a from range({1 + 3000 * (n % 3)})")
            with lock:
                made.append((a.json["handle"], i * 100 + n))
            look = three[(i + n + 1) % 3]
            rows = look.result(a.json["handle"]).json.get("rows")
            if rows is None or rows[0] != [i * 100 + n] or len(rows) != 1 + 3000 * (n % 3):
                bad.append((a, rows and rows[0]))
            if n % 5 == 4:
                three[(i + n + 2) % 3].forget(a.json["handle"])
                with lock:
                    made.pop([h for h, _ in made].index(a.json["handle"]))
    in_parallel(*[lambda i=i: one(i) for i in range(6)])
    assert not bad, bad[:3]
    left = sorted((h for h, _ in made), reverse=True)
    assert [items(client) for client in three] == [left] * 3
