"""Events of servers that share a Redis: each hears the others', once, in order, and no other tenant's."""
import json

import pytest

from handles import start_long
from mayfly import Client, in_parallel, unique, until
from redis import PREFIX
from session import STATEMENTS, TOPIC, Session, Stream, ended, listed

KINDS = ("session",)


@pytest.fixture(params=KINDS)
def pair(fleet, redis, request):
    servers = fleet(request.param, redis.url(), events__mirror="redis")
    return servers.start(), servers.start()


def told(client, topic=STATEMENTS, key="id"):
    return [i["payload"][key] for i in listed(client, topic=topic)]


def test_statements_of_one_server_are_heard_on_the_other(pair, redis):
    a, b = pair
    with Stream(b.client, f"/v1/events?topic={STATEMENTS}") as stream:
        handle = a.client.run("select 'hushed'")["handle"]
        canceled = start_long(a.client)
        a.client.cancel(canceled)
        heard = {}
        while not {handle, canceled} <= set(heard):
            item = json.loads(stream.next()["data"])
            heard[item["payload"]["id"]] = item
    assert heard[handle]["payload"]["event"] == "succeeded" and heard[canceled]["payload"]["event"] == "canceled"
    assert "hushed" not in json.dumps(heard)
    until(lambda: handle in told(b.client), "the event in b's list")
    ours, theirs = ({i["payload"]["id"]: i for i in listed(server.client, topic=STATEMENTS)} for server in pair)
    assert ours[handle] == theirs[handle] and ours[canceled] == theirs[canceled]
    assert told(b.client).count(handle) == 1
    ttls = redis.ttls()
    assert ttls and all(ttl > 0 for ttl in ttls.values()), ttls
    assert all(key.startswith(PREFIX) for key in ttls), list(ttls)


def test_lifecycle_events_of_all_servers_are_in_one_list(pair):
    a, b = pair
    sessions = [Session(server.client) for server in (a, b, a)]
    for session in sessions:
        session.closed()
    for server in pair:
        expected = sorted([one.id for one in sessions] * 2)
        until(lambda s=server: sorted(told(s.client, TOPIC, "session_id")) == expected, "all events")
    assert [ended(session, "closed")["session_id"] for session in sessions] == [one.id for one in sessions]


def test_a_stream_resumes_at_another_place_without_gap_or_duplicate(pair):
    a, b = pair
    Session(a.client).closed()
    with Stream(b.client, f"/v1/events?topic={TOPIC}") as stream:
        made = [Session(server.client) for server in (a, b) * 3]
        first = stream.take(4)
    seen = [json.loads(e["data"])["payload"]["session_id"] for e in first]
    with Stream(b.client, f"/v1/events?topic={TOPIC}", **{"Last-Event-ID": first[-1]["id"]}) as stream:
        while not {s.id for s in made} <= set(seen):
            seen.append(json.loads(stream.next()["data"])["payload"]["session_id"])
    opened = [s for s in seen if s in {m.id for m in made}]
    assert sorted(opened) == sorted(m.id for m in made)


def test_tenants_hear_only_their_own(pair):
    a, b = pair
    mine, other = unique("tenant"), unique("tenant")
    Session(Client(a, tenant=mine)).closed()
    Client(a, tenant=mine).run("select 1")
    until(lambda: told(Client(b, tenant=mine)), "the mirror")
    assert listed(Client(b, tenant=other)) == [] and listed(b.client) == []


def test_what_was_told_while_redis_was_away_follows(fleet, redis):
    servers = fleet("session", redis.url(), events__mirror="redis")
    a, b = servers.start(), servers.start()
    redis.kill()
    session = Session(a.client)
    session.closed()
    assert told(a.client, TOPIC, "session_id").count(session.id) == 2
    redis.start()
    until(lambda: told(b.client, TOPIC, "session_id").count(session.id) == 2, "what is owed")


def test_many_at_once_are_each_heard_once(pair):
    def work(server):
        return [server.client.run("select 1")["handle"] for _ in range(40)]
    made = sorted(sum(in_parallel(*[lambda s=server: work(s) for server in pair * 2]), []))
    for server in pair:
        until(lambda s=server: sorted(told(s.client)) == made, "all events")
