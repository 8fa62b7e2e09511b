"""hybrid: what this server runs stays here as well, and goes on without Redis where that is configured."""
import threading
import uuid

import pytest

from handles import PARTS, UNAVAILABLE, before_all_ends, down, failed_as, gone, items, known, metric, refused_for_now, rows_of, seen, start_long, store, up
from mayfly import PATIENCE, in_parallel, unique, until
from redis import PREFIX

ENDLESS = "select count(*) from range(400000000) t(i) where i % 7 = 3"


@pytest.fixture
def split(fleet, redis, proxy):
    """Two hybrid servers that go on without Redis; the wire of the first can be cut."""
    servers = fleet("hybrid", on_loss="degraded")
    servers.url = proxy.url
    a = servers.start()
    servers.url = redis.url()
    return a, servers.start(), servers


def cut(a, proxy):
    proxy.cut()
    down(a)


def mended(a, proxy):
    proxy.mend()
    up(a)


# --- local first ---

def test_what_ran_here_is_answered_from_here(fleet, redis):
    server = fleet("hybrid").start()
    handle = server.client.run(PARTS)["handle"]
    whole = seen(server.client, handle)
    redis.kill()
    down(server)
    assert seen(server.client, handle) == whole
    refused_for_now(server.client.native("select 1"), server.client.submit("select 1"))
    redis.start()
    up(server)


def test_what_is_not_here_is_looked_for_in_redis(fleet):
    servers = fleet("hybrid")
    a, b = servers.start(), servers.start()
    handle = a.client.run(PARTS)["handle"]
    whole = seen(a.client, handle)
    servers.kill(a)
    assert seen(b.client, handle) == whole
    again = servers.again(a)
    assert seen(again.client, handle) == whole


def test_what_another_server_forgets_is_gone_here_too(fleet):
    servers = fleet("hybrid")
    a, b = servers.start(), servers.start()
    handle = a.client.run(PARTS)["handle"]
    assert b.client.forget(handle).status == 204
    until(lambda: a.client.document(handle).status in (404, 410), "the message")
    assert gone(a.client, handle) and items(a.client) == []


# --- degraded ---

def test_degraded_goes_on_and_says_so(split, proxy):
    a, b, _ = split
    before = a.client.run(PARTS)["handle"]
    assert store(a)[1]["status"] == "ok" and metric(a, "mayfly_statement_store_degraded") == 0
    cut(a, proxy)
    status, entry = store(a)
    assert status == 200 and entry["status"] == "degraded" and a.client.get("/readyz").json["status"] == "degraded"
    assert metric(a, "mayfly_statement_store_degraded") == 1 and metric(a, "mayfly_redis_up") == 0
    made = [a.client.run(PARTS)["handle"], a.client.native("select * from nope").json["handle"], a.client.submit("select 1").json["statementHandle"]]
    canceled = start_long(a.client)
    a.client.cancel(canceled)
    assert known(a.client, canceled)["status"] == "CANCELED"
    assert sorted(items(a.client)) == sorted([before, *made, canceled])
    assert metric(a, "mayfly_statements_owed") >= 4 and store(a)[1]["owed"] >= 4
    whole = [seen(a.client, h) for h in (before, *made, canceled)]
    for handle in made:
        assert gone(b.client, handle)
    mended(a, proxy)
    assert metric(a, "mayfly_statements_owed") == 0 and metric(a, "mayfly_statement_store_degraded") == 0
    assert a.client.get("/readyz").json["status"] == "ok"
    for server in (a, b):
        assert [seen(server.client, h) for h in (before, *made, canceled)] == whole
    assert items(b.client) == items(a.client)


def test_idempotency_holds_on_a_degraded_server_and_afterwards(split, proxy):
    a, b, _ = split
    a.client.run("create table once(a int)")
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    cut(a, proxy)
    answers = in_parallel(*[lambda: a.client.submit("insert into once values (1)", query=query)] * 4)
    assert len({x.json["statementHandle"] for x in answers}) == 1 and {x.status for x in answers} == {200}
    mended(a, proxy)
    for server in (a, b):
        again = server.client.submit("insert into once values (1)", query=query)
        assert again.status == 200 and again.json["statementHandle"] == answers[0].json["statementHandle"], again
    assert a.client.rows("select count(*) from once") == [[1]]


def test_what_was_forgotten_while_degraded_does_not_come_back(split, proxy):
    a, b, _ = split
    before = a.client.run("select 1")["handle"]
    cut(a, proxy)
    meanwhile = a.client.run("select 2")["handle"]
    for handle in (before, meanwhile):
        assert a.client.forget(handle).status == 204
        assert a.client.document(handle).status in (404, 410, UNAVAILABLE)  # Redis might know better
    mended(a, proxy)
    for server in (a, b):
        for handle in (before, meanwhile):
            until(lambda s=server, h=handle: s.client.document(h).status in (404, 410), "the handle to be gone")


def test_what_was_dropped_elsewhere_meanwhile_stays_dropped(split, proxy):
    a, b, _ = split
    finished = a.client.run(PARTS)["handle"]
    running = a.client.running(a.client.native(ENDLESS, wait=0).json["handle"])
    cut(a, proxy)
    assert b.client.forget(finished).status == 204
    assert b.client.forget(running).status in (204, UNAVAILABLE)
    dropped = b.client.document(running).status in (404, 410)
    known(a.client, running) if not dropped else None
    mended(a, proxy)
    for server in (a, b):
        until(lambda s=server: s.client.document(finished).status in (404, 410), "the drop to be known")
        if dropped:
            until(lambda s=server: s.client.document(running).status in (404, 410), "the drop to be known")


def test_a_replay_never_overwrites_a_terminal_state(split, proxy, redis):
    """The lease of a server that is cut off ends: what it ran is FAILED for the others, and stays so whatever it says later."""
    a, b, _ = split
    running = [a.client.running(a.client.native(ENDLESS, wait=0).json["handle"]), start_long(a.client)]
    cut(a, proxy)
    for handle in running:
        until(lambda h=handle: b.client.document(h).json["completed_at"], "the lease to end")
    lost = [failed_as(b.client, h, "server_lost") for h in running]
    a.client.cancel(running[1])
    until(lambda: all(a.client.document(h).json["completed_at"] for h in running), "both to end here")
    told = [a.client.document(h).json for h in running]
    mended(a, proxy)
    assert [b.client.document(h).json for h in running] == lost
    for handle, ours, theirs in zip(running, told, lost):
        failed_as(b.client, handle, "server_lost")
        assert a.client.document(handle).json in (ours, theirs)
    assert redis.command("HGET", f"{PREFIX}default:statement:{running[0]}", "status") == b"FAILED"


def test_a_drain_hands_over_what_is_owed(split, proxy):
    a, b, _ = split
    cut(a, proxy)
    made = [a.client.run(PARTS)["handle"]] + [a.client.run(f"select {i}")["handle"] for i in range(20)]
    whole = [seen(a.client, h) for h in made]
    a.terminate()
    proxy.mend()
    assert a.process.wait(PATIENCE) == 0
    assert [seen(b.client, h) for h in made] == whole


def test_a_drain_without_redis_ends_all_the_same(split, proxy):
    a, _, servers = split
    cut(a, proxy)
    a.client.run("select 1")
    assert a.stop() == 0


def test_a_degraded_server_with_durable_handles_owes_them_after_a_crash(fleet, redis, proxy):
    """Acknowledged means durable: DuckDB has what Redis has not seen yet."""
    servers = fleet("hybrid", on_loss="degraded", snowflake_api__default_session="persistent")
    servers.url = proxy.url
    a = servers.start()
    servers.url = redis.url()
    b = servers.start()
    cut(a, proxy)
    made = [a.client.run(PARTS)["handle"], a.client.run("select 2")["handle"]]
    whole = [seen(a.client, h) for h in made]
    servers.kill(a)
    proxy.mend()
    again = servers.again(a)
    assert [seen(again.client, h) for h in made] == whole
    until(lambda: all(b.client.document(h).status == 200 for h in made), "what is owed to reach Redis")
    assert [seen(b.client, h) for h in made] == whole


def test_many_statements_while_the_wire_flaps_end_in_one_truth(split, proxy):
    a, b, _ = split
    over, made = threading.Event(), []

    def submit(base):
        n = base
        while not over.is_set():
            n += 1
            x = a.client.native(f"select {n} as a")
            assert x.status in (200, 202, UNAVAILABLE), x
            if x.status != UNAVAILABLE:
                made.append((x.json["handle"], n))

    def flap():
        for _ in range(4):
            mark = len(made)
            until(lambda: len(made) > mark + 20, "some statements")
            proxy.cut()
            mark = len(made)
            until(lambda: len(made) > mark + 20, "some statements without Redis")
            proxy.mend()
            until(lambda: store(a)[1]["redis"]["up"], "Redis to be back")
    in_parallel(lambda: before_all_ends(flap, over), lambda: submit(0), lambda: submit(100000))
    up(a)
    assert len({h for h, _ in made}) == len(made)
    for server in (a, b):
        for handle, n in made:
            known(server.client, handle)
            assert rows_of(server.client, handle) == [[str(n)]]
    assert items(a.client) == items(b.client) == sorted((h for h, _ in made), reverse=True)
