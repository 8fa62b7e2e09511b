"""The event log: lists, cursors, filters, live streams, and who may read what (contract, section 2)."""
import base64
import json
import os
import random
import re
import urllib.parse

import pytest

from mayfly import Client, in_parallel, mayfly, unique, until, uuid_like
from session import (ALIAS, NDJSON, STATEMENTS, TOPIC, UNKNOWN, Session, Stream, ended, items_of, listed, problem, seconds,
                     token)

FIELDS = {"topic", "stream", "offset", "time", "tenant_id", "payload", "prev_hash", "hash"}
LIFECYCLE = {"session_id", "tenant_id", "event", "occurred_at", "ephemeral_table_count", "deleted_row_count"}


def opened_and_closed(client, n):
    """n clean sessions; their ids."""
    ids = []
    for _ in range(n):
        s = Session(client)
        s.closed()
        ids.append(s.id)
    return ids


def both(ids):
    return [(i, e) for i in ids for e in ("opened", "closed")]


def told(items):
    return [(i["payload"]["session_id"], i["payload"]["event"]) for i in items]


# --- what is told ---

def test_a_clean_session_is_two_events(fresh):  # J-07
    one = Session(fresh)
    one.table("t", rows=[[1, "x"], [2, "y"]])
    one.table("u", "a int", rows=[[3]])
    one.closed()
    items = listed(fresh, topic=TOPIC)
    assert [i["payload"]["event"] for i in items] == ["opened", "closed"]
    opened, closed = (i["payload"] for i in items)
    assert set(opened) >= LIFECYCLE and set(closed) >= LIFECYCLE
    assert "details" not in opened and "details" not in closed
    assert opened["session_id"] == closed["session_id"] == one.id
    assert opened["tenant_id"] == closed["tenant_id"] == fresh.headers["X-Mayfly-Tenant"]
    assert (opened["ephemeral_table_count"], opened["deleted_row_count"]) == (0, 0)
    assert (closed["ephemeral_table_count"], closed["deleted_row_count"]) == (2, 3)
    assert seconds(one.document["created_at"]) - 1 <= seconds(opened["occurred_at"]) <= seconds(closed["occurred_at"])


def test_an_item_is_an_item(fresh):
    opened_and_closed(fresh, 3)
    items = listed(fresh, topic=TOPIC)
    for i, item in enumerate(items):
        assert set(item) == FIELDS
        assert item["topic"] == TOPIC and item["tenant_id"] == fresh.headers["X-Mayfly-Tenant"] and item["offset"] == i
        assert item["stream"] == items[0]["stream"] and seconds(item["time"]) > 0
        assert len(item["hash"]) == 64 and int(item["hash"], 16) >= 0
        assert i == 0 or item["prev_hash"] == items[i - 1]["hash"]


def test_opened_is_in_the_log_before_the_call_answers(fresh):
    for _ in range(20):
        one = Session(fresh)
        assert told(listed(fresh, topic=TOPIC))[-1] == (one.id, "opened")
        one.closed()
        assert told(listed(fresh, topic=TOPIC))[-1] == (one.id, "closed")


def test_the_founding_name_of_the_topic_works(fresh):
    ids = opened_and_closed(fresh, 2)
    assert told(listed(fresh, topic=ALIAS)) == told(listed(fresh, topic=TOPIC)) == both(ids)


def test_the_prefix_of_topics_is_configured(server):
    one = server(events__topic_prefix="acme.lake")
    ids = opened_and_closed(one.client, 1)
    assert told(listed(one.client, topic="acme.lake.audit.session_lifecycle.v1")) == told(listed(one.client, topic=ALIAS)) == both(ids)
    assert listed(one.client, topic=ALIAS)[0]["topic"] == "acme.lake.audit.session_lifecycle.v1"
    assert one.client.get(f"/v1/events?topic={TOPIC}").status in (400, 404)


def test_statements_are_told_of_without_their_text(fresh):
    session = Session(fresh)
    secret = unique("hush")
    session.table("t", "b text", rows=[[secret]])
    done = session.run(f"select b, '{secret}' from t")["handle"]
    failed = fresh.native(f"select {secret} from nowhere", headers={"X-Request-Id": "of-the-failed"}).json["handle"]

    def found():
        items = {i["payload"]["id"]: i["payload"] for i in listed(fresh, topic=STATEMENTS)}
        return items if done in items and failed in items else None
    items = until(found, "both statements")
    assert items[done]["tenant_id"] == fresh.headers["X-Mayfly-Tenant"] and items[done].get("session_id") == session.id
    assert items[done]["event"] == "succeeded" and items[failed]["event"] == "failed" and items[done]["kind"] == "statement"
    assert items[done]["duration_ms"] >= 0 and items[done]["row_count"] == 1
    assert items[failed]["request_id"] == "of-the-failed" and items[done]["request_id"]
    assert secret not in json.dumps(items)
    assert [i["payload"]["id"] for i in listed(fresh, topic=STATEMENTS, session_id=session.id)].count(done) == 1


def test_statements_need_not_be_told(server):
    one = server(events__statements="false")
    one.client.run("select 1")
    opened_and_closed(one.client, 1)
    assert {i["topic"] for i in listed(one.client)} == {TOPIC}


def test_events_carry_what_correlates_and_no_values(fresh):
    one = Session(fresh, labels={"note": "label-that-is-not-told"})
    one.table("t", rows=[[1, "value-that-is-not-told"]])
    one.closed()
    text = json.dumps(listed(fresh))
    assert "value-that-is-not-told" not in text and one.id in text


# --- lists ---

def test_pages_follow_one_another(fresh):
    ids = opened_and_closed(fresh, 10)
    for limit in (1, 3, 7, 1000):
        items, after = [], None
        while True:
            query = {"topic": TOPIC, "limit": limit, **({"after": after} if after else {})}
            page = fresh.get("/v1/events?" + urllib.parse.urlencode(query)).json
            assert set(page) >= {"items", "next"} and len(page["items"]) <= limit
            items += page["items"]
            after = page["next"]
            if not after or not page["items"]:
                break
        assert told(items) == both(ids)


def test_a_cursor_goes_on_where_it_stood(fresh):
    first = opened_and_closed(fresh, 2)
    page = fresh.get(f"/v1/events?topic={TOPIC}&limit=3").json
    second = opened_and_closed(fresh, 2)
    rest = listed(fresh, topic=TOPIC, after=page["next"])
    assert told(page["items"] + rest) == both(first + second)
    assert [i["offset"] for i in page["items"] + rest] == list(range(8))


def test_filters_let_only_theirs_through(fresh):
    ids = opened_and_closed(fresh, 4)
    fresh.run("select 1")
    assert told(listed(fresh, topic=TOPIC, event="closed")) == [(i, "closed") for i in ids]
    assert told(listed(fresh, session_id=ids[2])) == both(ids[2:3])
    assert told(listed(fresh, session_id=ids[1], event="opened")) == [(ids[1], "opened")]
    assert told(listed(fresh, event="closed", limit=1)) == [(i, "closed") for i in ids]
    assert listed(fresh, session_id=UNKNOWN) == [] and listed(fresh, event="nosuch") == []
    assert {i["topic"] for i in listed(fresh)} >= {TOPIC}


@pytest.mark.parametrize("query", ["topic=nosuch", "topic=", "limit=0", "limit=1001", "limit=x", "after=x", "after=%00", "after=" + "A" * 5000,
                                   "after=" + base64.urlsafe_b64encode(os.urandom(60)).decode(), "after=" + base64.urlsafe_b64encode(b"{}").decode()])
def test_a_question_that_is_none_is_a_400(fresh, query):
    opened_and_closed(fresh, 1)
    a = fresh.get("/v1/events?" + query)
    problem(a, a.status, a.json["code"])
    assert a.status in (400, 404), a


def test_the_log_of_nobody_is_empty(fresh):
    a = fresh.get("/v1/events")
    assert a.status == 200 and a.json["items"] == []
    assert listed(fresh, topic=TOPIC) == []


def test_the_log_is_only_read(fresh):
    assert fresh.request("POST", "/v1/events", {}).status == 405


# --- live ---

def test_a_stream_tells_what_was_and_what_comes(fresh):
    before = opened_and_closed(fresh, 2)
    cursor = fresh.get(f"/v1/events?topic={TOPIC}&limit=1").json["next"]
    with Stream(fresh, "/v1/events?" + urllib.parse.urlencode({"topic": TOPIC, "after": cursor})) as stream:
        past = items_of(stream, 3)
        after = opened_and_closed(fresh, 2)
        new = items_of(stream, 4)
    assert told([i for _, i in past]) == both(before)[1:]
    assert told([i for _, i in new]) == both(after)
    assert all(set(i) == FIELDS for _, i in past + new)


def test_a_stream_is_resumed_without_gap_or_duplicate(fresh):
    ids, seen, cursor = opened_and_closed(fresh, 3), [], None
    headers = {"Last-Event-ID": fresh.get(f"/v1/events?topic={TOPIC}&limit=1").json["next"]}
    seen.append(listed(fresh, topic=TOPIC)[0])
    for _ in range(8):
        n = random.randint(1, 4)
        with Stream(fresh, f"/v1/events?topic={TOPIC}", **headers) as stream:
            while len(ids) * 2 - len(seen) < n:
                ids += opened_and_closed(fresh, 1)
            for cursor, item in items_of(stream, n):
                seen.append(item)
                headers = {"Last-Event-ID": cursor}
    assert told(seen) == both(ids)[:len(seen)]
    assert [i["offset"] for i in seen] == list(range(len(seen)))
    assert told(seen + listed(fresh, topic=TOPIC, after=cursor)) == both(ids)


def test_the_cursors_of_lists_and_streams_are_the_same(fresh):
    ids = opened_and_closed(fresh, 3)
    start = fresh.get(f"/v1/events?topic={TOPIC}&limit=2").json["next"]
    with Stream(fresh, f"/v1/events?topic={TOPIC}", **{"Last-Event-ID": start}) as stream:
        (cursor, item), = items_of(stream, 1)
    assert told([item]) == both(ids)[2:3]
    assert told(listed(fresh, topic=TOPIC, after=cursor)) == both(ids)[3:]


def test_a_stream_is_filtered(fresh):
    one, two = Session(fresh), Session(fresh)
    start = fresh.get("/v1/events").json["next"]
    headers = {"Last-Event-ID": start} if start else {}
    with Stream(fresh, f"/v1/events?topic={TOPIC}&event=closed&session_id={two.id}", **headers) as stream:
        one.closed()
        two.closed()
        (_, item), = items_of(stream, 1)
    assert told([item]) == [(two.id, "closed")]


def test_a_stream_without_a_cursor_tells_what_comes(fresh):
    with Stream(fresh, f"/v1/events?topic={TOPIC}&event=closed") as stream:
        ids = opened_and_closed(fresh, 2)
        assert told([i for _, i in items_of(stream, 2)]) == [(i, "closed") for i in ids]


def test_a_stream_with_a_cursor_that_is_none_is_refused(fresh):
    a = fresh.get("/v1/events", Accept="text/event-stream", **{"Last-Event-ID": "nonsense"})
    problem(a, 400, "invalid_field")


def test_several_readers_see_the_same(fresh):
    streams = [Stream(fresh, f"/v1/events?topic={TOPIC}").__enter__() for _ in range(5)]
    ids = opened_and_closed(fresh, 5)
    for stream in streams:
        assert told([i for _, i in items_of(stream, 10)]) == both(ids)
        stream.close()


def test_many_writers_give_one_chain(fresh):
    with Stream(fresh, f"/v1/events?topic={TOPIC}") as stream:
        in_parallel(*[lambda: opened_and_closed(fresh, 5)] * 6)
        live = [i for _, i in items_of(stream, 60)]
    items = listed(fresh, topic=TOPIC)
    assert items == live
    assert [i["offset"] for i in items] == list(range(60))
    assert all(b["prev_hash"] == a["hash"] for a, b in zip(items, items[1:]))
    for session in {i["payload"]["session_id"] for i in items}:
        assert [e for s, e in told(items) if s == session] == ["opened", "closed"]


def test_random_replays_skip_and_repeat_nothing(fresh):  # J-12
    ids = opened_and_closed(fresh, 32)
    everything = both(ids)
    cursors = [None]
    while len(cursors) <= 64:
        query = {"topic": TOPIC, "limit": 1, **({"after": cursors[-1]} if cursors[-1] else {})}
        cursors.append(fresh.get("/v1/events?" + urllib.parse.urlencode(query)).json["next"])
        if not cursors[-1]:
            break
    for _ in range(24):
        start = random.randrange(1, min(64, len(cursors) - 1))
        n = random.randint(1, 64 - start)
        with Stream(fresh, f"/v1/events?topic={TOPIC}", **{"Last-Event-ID": cursors[start]}) as stream:
            assert told([i for _, i in items_of(stream, n)]) == everything[start:start + n]


def test_a_session_has_a_stream_of_its_own_events(fresh):
    one, other = Session(fresh), Session(fresh)
    with Stream(fresh, one.path("events")) as stream:
        other.closed()
        one.closed()
        events = []
        while (event := stream.next()) is not None:
            events.append(event)
    assert one.id in json.dumps(events) or events == []
    assert other.id not in json.dumps(events)


# --- who may read ---

def test_another_tenants_events_are_nobodys(fresh, shared):
    stranger = Client(shared, tenant=unique("tenant"))
    with Stream(stranger, "/v1/events") as stream:
        ids = opened_and_closed(fresh, 3)
        own = opened_and_closed(stranger, 1)
        assert told([i for _, i in items_of(stream, 2)]) == both(own)
    assert told(listed(stranger, topic=TOPIC)) == both(own)
    assert listed(stranger, session_id=ids[0]) == []
    cursor = fresh.get(f"/v1/events?topic={TOPIC}&limit=2").json["next"]
    a = stranger.get("/v1/events?" + urllib.parse.urlencode({"after": cursor}))
    assert a.status == 400 or all(i["tenant_id"] == stranger.headers["X-Mayfly-Tenant"] for i in a.json["items"])


def test_a_principal_sees_its_own_and_an_admin_all(guarded):
    ann, bob, admin = in_parallel(lambda: token(guarded, "lake", "--role", "user", "--principal", "ann"),
                                  lambda: token(guarded, "lake", "--role", "user", "--principal", "bob"),
                                  lambda: token(guarded, "lake", "--role", "admin"))
    hers, his = opened_and_closed(ann, 2), opened_and_closed(bob, 1)
    assert told(listed(ann, topic=TOPIC)) == both(hers)
    assert told(listed(bob, topic=TOPIC)) == both(his)
    assert told(listed(admin, topic=TOPIC)) == both(hers + his)
    assert listed(bob, session_id=hers[0]) == []
    assert guarded.client.get("/v1/events").status == 401


# --- the log outlives the server ---

def test_the_log_goes_on_after_a_kill(killable):
    server = killable.start()
    client = Client(server)
    ids = opened_and_closed(client, 5)
    cursor = client.get(f"/v1/events?topic={TOPIC}&limit=4").json["next"]
    for _ in range(3):
        server = killable.kill()
        ids += opened_and_closed(server.client, 2)
    items = listed(server.client, topic=TOPIC)
    assert told(items) == both(ids)
    assert [i["offset"] for i in items] == list(range(len(items)))
    assert all(b["prev_hash"] == a["hash"] for a, b in zip(items, items[1:]))
    with Stream(server.client, f"/v1/events?topic={TOPIC}", **{"Last-Event-ID": cursor}) as stream:
        assert told([i for _, i in items_of(stream, len(items) - 4)]) == both(ids)[4:]


def log_files(server):
    found = []
    for folder, _, files in os.walk(server.data):
        found += [os.path.join(folder, f) for f in files if "event" in os.path.join(folder, f)[len(server.data):]]
    return sorted(f for f in found if os.path.getsize(f))


def verify(server):
    return mayfly("events", "verify", "--data", server.data)


def test_tampering_and_a_cut_tail_show(killable):
    server = killable.start()
    ids = opened_and_closed(server.client, 5)
    assert server.stop() == 0
    good = verify(server)
    assert good.returncode == 0, good
    holders = [f for f in log_files(server) if ids[2].encode() in open(f, "rb").read()]
    assert holders, log_files(server)
    path = holders[0]
    with open(path, "rb") as file:
        whole = file.read()
    for broken in (whole.replace(b'"closed"', b'"OPENED"', 1), whole[:len(whole) // 2], whole[whole.index(b"\n") + 1:], whole.rstrip(b"\n").rsplit(b"\n", 1)[0] + b"\n"):
        with open(path, "wb") as file:
            file.write(broken)
        bad = verify(server)
        assert bad.returncode == 1 and bad.stderr + bad.stdout, bad
    with open(path, "wb") as file:
        file.write(whole)
    assert verify(server).returncode == 0
    killable.start()


def test_retention_keeps_the_chain_verifiable(server):
    one = server(events__segment_bytes=65536, events__retention_bytes=131072)
    s = Session(one.client)
    s.closed()
    total = 0
    while len(listed(one.client, topic=TOPIC, session_id=s.id)) == 2:
        in_parallel(*[lambda: opened_and_closed(one.client, 10)] * 4)
        one.client.advance(120)
        total += 40
        assert total < 4000
    items = listed(one.client, topic=TOPIC)
    assert items and items[0]["offset"] > 0 and items[-1]["payload"]["event"] == "closed"
    assert all(b["prev_hash"] == a["hash"] and b["offset"] == a["offset"] + 1 for a, b in zip(items, items[1:]))
    assert one.stop() == 0
    assert verify(one).returncode == 0


# --- the command line ---

def test_events_come_as_json_or_as_a_stream(fresh):
    a = fresh.get("/v1/events", Accept="text/csv")
    assert (a.status, a.json["code"]) == (406, "not_acceptable")
    assert fresh.get("/v1/events", Accept="*/*").type == "application/json"


def test_the_command_line_lists_events(fresh, shared):
    ids = opened_and_closed(fresh, 2)
    done = mayfly("events", "--url", shared.url(), "--tenant", fresh.headers["X-Mayfly-Tenant"])
    assert done.returncode == 0, done.stderr
    assert all(i in done.stdout for i in ids)


def test_the_command_line_runs_a_command_in_a_session(fresh, shared):
    tenant = fresh.headers["X-Mayfly-Tenant"]
    done = mayfly("session", "run", "--url", shared.url(), "--tenant", tenant, "--", "sh", "-c", "env; exit 7")
    assert done.returncode == 7, done
    found = re.findall(r"^MAYFLY_SESSION[A-Z_]*=([0-9a-f-]{36})$", done.stdout, re.M)
    assert found and uuid_like(found[0])
    assert told(listed(fresh, topic=TOPIC)) == both(found[:1])


# --- what a slow reader is told ---

def test_a_reader_that_does_not_read_loses_nothing(fresh):
    stream = Stream(fresh, f"/v1/events?topic={TOPIC}")
    with stream:
        ids = sum(in_parallel(*[lambda: opened_and_closed(fresh, 25)] * 8), [])
        seen = []
        while len(seen) < 2 * len(ids):
            event = stream.next()
            assert event is not None
            if event.get("event") != "gap":
                seen.append(json.loads(event["data"]))
    assert sorted(told(seen)) == sorted(both(ids))
    assert [i["offset"] for i in seen] == list(range(len(seen)))


def test_a_partial_body_makes_no_event(fresh):
    one = Session(fresh)
    one.table("t")
    one.insert("t", '{"a":1}\n{"a":', NDJSON)
    one.closed()
    assert [i["payload"]["deleted_row_count"] for i in listed(fresh, topic=TOPIC)] == [0, 0]


def test_a_deadline_is_an_event_with_its_counts(server):
    one = server()
    s = Session(one.client, timeout_seconds=50)
    s.table("t", rows=[[1, "x"]])
    one.client.advance(51)
    payload = ended(s, "timed_out")
    assert (payload["ephemeral_table_count"], payload["deleted_row_count"]) == (1, 1)
    assert "details" not in payload or payload["details"]
