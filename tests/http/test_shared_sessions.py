"""Sessions of servers that share a Redis: who has one, who knows of it, and what becomes of it when its server dies."""
import os
import signal

import pytest

from mayfly import Client, unique, until
from session import TOPIC, UNKNOWN, Session, listed, problem


@pytest.fixture
def tenant():
    return unique("shared")


@pytest.fixture(params=["redis", "hybrid"])
def servers(fleet, request):
    return fleet(request.param)


def client(server, tenant):
    return Client(server, tenant=tenant)


def terminal(server, tenant, session):
    """The terminal events of the session in this server's log."""
    found = [i["payload"] for i in listed(client(server, tenant), topic=TOPIC) if i["payload"]["session_id"] == session.id]
    return [p for p in found if p["event"] in ("closed", "timed_out")]


def test_another_server_tells_where_a_session_lives(servers, tenant):
    a, b = servers.start(), servers.start()
    here, there = client(a, tenant), client(b, tenant)
    session = Session(here)
    session.table(rows=[{"a": 1, "b": "x"}])
    body = problem(there.get(f"/v1/sessions/{session.id}"), 409, "wrong_server")
    assert body["location"] == f"127.0.0.1:{a.port}"
    problem(there.request("POST", f"/v1/sessions/{session.id}/query", {"sql": "select 1"}), 409, "wrong_server")
    problem(there.request("DELETE", f"/v1/sessions/{session.id}"), 409, "wrong_server")
    assert there.submit("select 1", headers={"X-Mayfly-Session": session.id}).status == 409
    problem(there.get(f"/v1/sessions/{UNKNOWN}"), 404, "not_found")
    problem(client(b, unique("other")).get(f"/v1/sessions/{session.id}"), 404, "not_found")
    assert there.get("/v1/sessions").json["items"] == []
    session.closed()
    for one in (here, there):
        problem(one.get(f"/v1/sessions/{session.id}"), 410, "session_closed")


def test_a_server_that_starts_leaves_the_others_sessions_alone(servers, tenant):
    a = servers.start()
    session = Session(client(a, tenant))
    session.table(rows=[{"a": 1, "b": "x"}])
    b = servers.start()
    servers.kill(b)
    servers.again(b)
    assert session.count() == 1
    assert terminal(a, tenant, session) == []


def test_a_server_that_is_killed_and_starts_again_has_its_own(servers, tenant):
    a, b = servers.start(), servers.start()
    memory, kept = Session(client(a, tenant)), Session(client(a, tenant), storage="persistent")
    kept.table(rows=[{"a": 1, "b": "x"}])
    servers.kill(a)
    problem(client(b, tenant).get(f"/v1/sessions/{kept.id}"), 409, "wrong_server")
    a = servers.again(a)
    kept.client = memory.client = client(a, tenant)
    assert kept.count() == 1
    problem(memory.get(), 410, "session_expired")
    until(lambda: terminal(a, tenant, memory), "the terminal event")
    assert [p["details"]["reason"] for p in terminal(a, tenant, memory)] == ["server_restart"]


def test_sessions_of_a_server_that_died_end_once(servers, tenant):
    """A is killed; B is stopped and comes back; C ends their memory sessions, and B drops what it had."""
    a, b, c = servers.start(), servers.start(), servers.start()
    dead = [Session(client(a, tenant)) for _ in range(3)]
    kept = Session(client(a, tenant), storage="persistent")
    away = Session(client(b, tenant))
    away.table(rows=[{"a": 1, "b": "x"}])
    handle = dead[0].run("select 7")["handle"]
    seen = client(c, tenant)
    assert seen.get(f"/v1/statements/{handle}").status == 200
    servers.kill(a)
    os.kill(b.process.pid, signal.SIGSTOP)
    try:
        for session in [*dead, away]:
            until(lambda s=session: seen.get(f"/v1/sessions/{s.id}").status == 410, "the session to end")
    finally:
        os.kill(b.process.pid, signal.SIGCONT)
    for session in [*dead, away]:
        problem(seen.get(f"/v1/sessions/{session.id}"), 410, "session_expired")
        told = until(lambda s=session: terminal(c, tenant, s), "its terminal event")
        assert [(p["event"], p["details"]["reason"]) for p in told] == [("timed_out", "server_lost")], told
    problem(seen.get(f"/v1/sessions/{kept.id}"), 409, "wrong_server")
    until(lambda: seen.get(f"/v1/statements/{handle}").status in (404, 410), "the session's statements to go")
    until(lambda: away.get().status == 410, "b to drop what c has ended")
    assert terminal(b, tenant, away) == []


def test_without_redis_sessions_go_on(servers, tenant, redis):
    a, b = servers.start(), servers.start()
    here = client(a, tenant)
    session, other = Session(here), Session(here)
    session.table(rows=[{"a": 1, "b": "x"}])
    redis.kill()
    a_503 = until(lambda: (lambda r: r if r.status == 503 else None)(here.request("POST", "/v1/sessions", {})), "503")
    problem(a_503, 503, "unavailable")
    assert int(a_503.headers["Retry-After"]) > 0
    problem(session.extend(60), 503, "unavailable")
    problem(client(b, tenant).get(f"/v1/sessions/{session.id}"), 503, "unavailable")
    assert session.inserted("t", [{"a": 2, "b": "y"}]) == 1
    assert session.count() == 2
    problem(other.close(), 503, "unavailable")
    redis.start()
    until(lambda: here.request("POST", "/v1/sessions", {}).status == 201, "new sessions")
    assert session.count() == 2
    until(lambda: terminal(a, tenant, other), "the close that was tried again")
    assert [p["event"] for p in terminal(a, tenant, other)] == ["closed"]
    problem(client(b, tenant).get(f"/v1/sessions/{session.id}"), 409, "wrong_server")
