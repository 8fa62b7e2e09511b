"""Events of several servers on one Redis: what one writes, the others list and stream, in order, without gap or duplicate."""
import json
import os
import subprocess
import threading

import pytest

from mayfly import BINARY, Client, unique, until

TOPIC = "mayfly.audit.session_lifecycle.v1"


@pytest.fixture
def tenant():
    return unique("mirror")


@pytest.fixture
def servers(fleet, redis):
    """A fleet that tells each other its events, and start(n) of it."""
    made = fleet("session", redis.url(), events__mirror="redis")
    yield made, lambda n: [made.start() for _ in range(n)]
    redis.heal()


def open_some(server, tenant, n):
    client = Client(server, tenant=tenant)
    for _ in range(n):
        a = client.request("POST", "/v1/sessions", {})
        assert a.status == 201, a


def listed(server, tenant):
    """All items of the tenant, page by page."""
    items, after = [], ""
    while after is not None:
        a = Client(server, tenant=tenant).get(f"/v1/events?topic={TOPIC}&limit=100&after={after}")
        assert a.status == 200, a
        items += a.json["items"]
        after = a.json["next"]
    return items


def of_stream(items, stream):
    return [i for i in items if i["stream"] == stream]


def stream_id(server, tenant):
    """The id of the server: the stream of what it writes itself."""
    open_some(server, tenant, 1)
    return listed(server, tenant)[-1]["stream"]


def expect_whole(items, stream, n):
    offsets = [i["offset"] for i in of_stream(items, stream)]
    assert offsets == list(range(n)), offsets


class Stream:
    """GET /v1/events as a live stream, on a thread: items as they come; again() resumes behind the last."""

    def __init__(self, server, tenant):
        self.server, self.tenant = server, tenant
        self.items, self.ids, self.gaps = [], [], []
        self.connection = None
        self.listen()

    def listen(self):
        self.connection = self.server.connection()
        headers = {"Accept": "text/event-stream", "X-Mayfly-Tenant": self.tenant}
        if self.ids:
            headers["Last-Event-ID"] = self.ids[-1]
        self.connection.request("GET", f"/v1/events?topic={TOPIC}", headers=headers)
        answer = self.connection.getresponse()
        assert answer.status == 200
        self.thread = threading.Thread(target=self.read, args=(answer,), daemon=True)
        self.thread.start()

    def read(self, answer):
        event = {}
        try:
            for line in answer:
                line = line.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif "data" in event:
                    self.take(event)
                    event = {}
        except (OSError, ValueError, AttributeError):
            pass

    def take(self, event):
        if event.get("event"):
            self.gaps.append(event["data"])
            return
        self.items.append(json.loads(event["data"]))
        self.ids.append(event["id"])

    def close(self):
        sock = self.connection.sock
        if sock:
            sock.shutdown(2)
        self.connection.close()
        self.thread.join()

    def again(self):
        self.close()
        self.listen()

    def wait(self, stream, n):
        until(lambda: len(of_stream(self.items, stream)) >= n, f"{n} events of {stream}, {len(self.items)} came")


def verified(server):
    return subprocess.run([BINARY, "events", "verify", "--data", os.path.join(server.folder, "data")], capture_output=True, text=True, check=False)


def test_what_one_server_writes_all_list(servers, tenant, redis):
    _, start = servers
    a, b, third = start(3)
    ids = [stream_id(s, tenant) for s in (a, b, third)]
    assert len(set(ids)) == 3
    for one in (a, b, third):
        open_some(one, tenant, 4)
    for one in (a, b, third):
        until(lambda one=one: len(listed(one, tenant)) == 15, "all events of three servers")
        for stream in ids:
            expect_whole(listed(one, tenant), stream, 5)
    lines = [{json.dumps(i) for i in listed(one, tenant)} for one in (a, b, third)]
    assert lines[0] == lines[1] == lines[2]  # byte for byte, hashes and all
    assert all(0 < ttl for ttl in redis.ttls("*events:*").values())


def test_a_stream_has_the_others_events_live(servers, tenant):
    _, start = servers
    a, b = start(2)
    stream = stream_id(a, tenant)
    until(lambda: of_stream(listed(b, tenant), stream), "the first event")
    live = Stream(b, tenant)
    open_some(a, tenant, 1)
    live.wait(stream, 1)
    open_some(a, tenant, 60)
    live.wait(stream, 61)
    open_some(b, tenant, 3)
    open_some(a, tenant, 10)
    live.wait(stream, 71)
    live.again()
    open_some(a, tenant, 9)
    live.wait(stream, 80)
    assert [i["offset"] for i in of_stream(live.items, stream)] == list(range(1, 81))
    until(lambda: len(live.items) == 83, "those of the server itself")
    assert live.gaps == []
    live.close()


def test_tenants_see_their_own_only(servers, tenant):
    _, start = servers
    a, b = start(2)
    other = unique("other")
    open_some(a, tenant, 3)
    open_some(a, other, 2)
    until(lambda: len(listed(b, tenant)) == 3 and len(listed(b, other)) == 2, "events of both")
    assert {i["tenant_id"] for i in listed(b, tenant)} == {tenant}
    assert listed(b, unique("nobody")) == []


def test_kill_restart_and_pause_leave_no_gap(servers, tenant, redis):
    """A is killed and comes back, Redis is restarted empty, and stands still: B's stream has every event once, in order."""
    fleet, start = servers
    a, b = start(2)
    stream = stream_id(a, tenant)
    until(lambda: of_stream(listed(b, tenant), stream), "the first event")
    live = Stream(b, tenant)
    open_some(a, tenant, 20)
    fleet.kill(a)
    a = fleet.again(a)  # its memory sessions end, with events
    n = len(of_stream(listed(a, tenant), stream))
    assert n >= 21
    redis.kill()
    open_some(a, tenant, 15)
    redis.start()
    redis.flush()
    open_some(a, tenant, 5)
    until(lambda: len(of_stream(listed(a, tenant), stream)) >= 21 + 21 + 20, "events of ended sessions")
    live.wait(stream, 21 + 21 + 20 - 1)
    redis.pause()
    open_some(a, tenant, 10)  # nobody waits for Redis
    redis.resume()
    live.wait(stream, 21 + 21 + 30 - 1)
    offsets = [i["offset"] for i in of_stream(live.items, stream)]
    assert offsets == list(range(1, len(offsets) + 1))
    assert live.gaps == []
    live.close()
    items = of_stream(listed(b, tenant), stream)
    assert all(x["hash"] == y["prev_hash"] for x, y in zip(items, items[1:]))


def test_who_was_away_gets_what_it_missed(servers, tenant):
    fleet, start = servers
    a, b = start(2)
    stream = stream_id(a, tenant)
    until(lambda: of_stream(listed(b, tenant), stream), "the first event")
    cursor = Client(b, tenant=tenant).get(f"/v1/events?topic={TOPIC}").json["cursor"]
    b.stop()
    open_some(a, tenant, 30)
    b = fleet.again(b)
    until(lambda: len(of_stream(listed(b, tenant), stream)) == 31, "what it missed")
    page = Client(b, tenant=tenant).get(f"/v1/events?topic={TOPIC}&after={cursor}").json
    assert [i["offset"] for i in of_stream(page["items"], stream)] == list(range(1, 31))
    assert page["lost"] == 0
    found = verified(b)
    assert found.returncode == 0, found
    assert "mirrors of other servers'" in found.stderr and "0 of their events never came" in found.stderr, found


def test_without_redis_at_the_start(servers, tenant, redis):
    fleet, _ = servers
    redis.kill()
    a = fleet.start()  # warns, and goes on
    open_some(a, tenant, 5)
    redis.start()
    b = fleet.start()
    until(lambda: len(listed(b, tenant)) == 5, "what was written without Redis")
    text = Client(a).get("/metrics").text
    assert 'mayfly_event_mirror_items_total{outcome="sent"} 5' in text, text
    assert 'mayfly_event_mirror_items_total{outcome="received"} 5' in Client(b).get("/metrics").text
