"""Redis that is gone, paused, full, slow, wrong, or holds what nobody of us wrote: a clear answer, nothing lost, nobody else's rows."""
import contextlib
import re
import threading
import time
import uuid

import pytest

from handles import PARTS, UNAVAILABLE, before_all_ends, gone, items, known, metric, down, refused_for_now, rows_of, seen, start_long, store, up
from mayfly import Client, free_port, in_parallel, mayfly, unique, until
from redis import PREFIX, Fleet, Listener, Redis
from session import Session, problem

KINDS = ("redis", "hybrid")


# --- gone and back ---

@pytest.mark.parametrize("kind", KINDS)
def test_without_redis_new_statements_are_refused_until_it_is_back(fleet, redis, kind):
    server = fleet(kind, timeout_ms=600000).start()  # more than a client waits: who is told is told at once
    client = server.client
    handles = [client.run(PARTS)["handle"], client.run("select 1")["handle"]]
    whole = [seen(client, h) for h in handles]
    redis.kill()
    down(server)
    assert store(server)[0] == UNAVAILABLE and store(server)[1]["status"] == "unavailable"
    assert metric(server, "mayfly_statement_store_unavailable") == 1 and metric(server, "mayfly_redis_up") == 0
    for _ in range(20):
        refused_for_now(client.native("select 1"), client.submit("select 1"))
    assert client.get("/healthz").status == 200
    if kind == "hybrid":
        assert [seen(client, h) for h in handles] == whole
    else:
        refused_for_now(client.document(handles[0]), client.status(handles[0]))
        refused_for_now(client.get("/v1/statements"), client.status(handles[0], partition=1))
    redis.start()
    up(server)
    assert [seen(client, h) for h in handles] == whole
    assert client.run("select 2")["status"] == "SUCCEEDED" and len(items(client)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_that_ends_without_redis_is_told_when_it_is_back(fleet, redis, proxy, kind):
    servers = fleet(kind)
    servers.url = proxy.url
    a = servers.start()
    servers.url = redis.url()
    b = servers.start()
    name = unique("t")
    a.client.run(f"create table {name}(a int)")
    handle = a.client.native(f"insert into {name} select 1 from range(300000000) t(i) having count(*) > 0 and sum(i % 7) > 0", wait=0).json["handle"]
    b.client.running(handle)
    proxy.cut()
    down(a)
    document = a.client.document(handle)
    assert document.status == UNAVAILABLE or document.json["status"] == "RUNNING"
    assert b.client.document(handle).json["status"] == "RUNNING"
    proxy.mend()
    up(a)
    assert known(b.client, handle)["status"] == "SUCCEEDED" and known(a.client, handle)["status"] == "SUCCEEDED"
    assert seen(a.client, handle) == seen(b.client, handle)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_acknowledged_is_lost_while_redis_comes_and_goes(fleet, redis, kind):
    """A statement that was answered 200 is there on every server afterwards; one that was refused did not run."""
    servers = fleet(kind)
    a, b = servers.start(), servers.start()
    a.client.run("create table ran(a int)")
    over, ended, refused = threading.Event(), {}, []

    def submit(base):
        n = base
        while not over.is_set():
            n += 1
            answer = a.client.submit(f"insert into ran values ({n})")
            assert answer.status in (200, 202, UNAVAILABLE), answer
            if answer.status == UNAVAILABLE:
                refused.append(n)
                time.sleep(0.01)
            else:
                ended[n] = answer.json["statementHandle"]

    def trouble():
        for _ in range(3):
            mark = len(ended)
            until(lambda: len(ended) > mark + 20, "some statements")
            redis.kill()  # who is answered now waits until its end can be told
            down(a)
            for n in range(200000 + mark, 200005 + mark):
                assert a.client.submit(f"insert into ran values ({n})").status == UNAVAILABLE
                refused.append(n)
            redis.start()
            up(a)
    in_parallel(lambda: before_all_ends(trouble, over), lambda: submit(0), lambda: submit(100000))
    up(b)
    for handle in ended.values():
        assert known(b.client, handle)["status"] == "SUCCEEDED"
    ran = {row[0] for row in a.client.rows("select a from ran")}
    assert set(ended) <= ran and refused and ran.isdisjoint(refused)


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_redis_is_as_good_as_gone_and_nothing_hangs(fleet, redis, kind):
    server = fleet(kind).start()
    client = server.client
    handle = client.run(PARTS)["handle"]
    whole = seen(client, handle)
    redis.pause()
    answers = in_parallel(*[lambda: client.native("select 1")] * 8, *[lambda: client.submit("select 1")] * 8)
    assert {a.status for a in answers} == {UNAVAILABLE}, answers
    refused_for_now(client.native("select 1"), client.submit("select 1"))
    assert client.get("/healthz").status == 200 and client.get("/metrics").status == 200
    redis.resume()
    up(server)
    assert seen(client, handle) == whole and client.run("select 1")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_redis_refuses_new_statements_and_keeps_what_it_has(fleet, redis, kind):
    servers = fleet(kind)
    a, b = servers.start(), servers.start()
    handles = [a.client.run(PARTS)["handle"] for _ in range(3)]
    whole = [seen(a.client, h) for h in handles]
    running = a.client.running(a.client.native("select i, md5(i::varchar) as m from range(100000) t(i) where (select count(*) from range(100000000) s(j) where j % 7 = 3) > 0",
                                               wait=0).json["handle"])
    redis.full()
    refused_for_now(a.client.native("select 1"), a.client.submit("select 1"))
    assert [seen(b.client, h) for h in handles] == whole
    redis.roomy()
    assert known(b.client, running)["status"] == "SUCCEEDED"
    assert rows_of(b.client, running) == rows_of(a.client, running) and a.client.run("select 1")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_redis_is_slow_and_nothing_else(fleet, proxy, kind):
    servers = fleet(kind, url=proxy.url)
    a, b = servers.start(), servers.start()
    proxy.delay = 0.05
    handle = a.client.run(PARTS)["handle"]
    assert seen(b.client, handle) == seen(a.client, handle)
    answers = in_parallel(*[lambda: a.client.native("select 1")] * 12)
    assert {x.json["status"] for x in answers} == {"SUCCEEDED"}
    running = start_long(a.client)
    b.client.cancel(running)
    assert known(b.client, running)["status"] == known(a.client, running)["status"] == "CANCELED"
    proxy.delay = 0


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_are_lost_are_not_done_twice(fleet, redis, proxy, kind):
    server = fleet(kind, url=proxy.url).start()
    client = server.client
    client.run("create table once(a int)")
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    proxy.lose_answers = True
    assert client.submit("insert into once values (1)", query=query).status == UNAVAILABLE
    proxy.lose_answers = False
    up(server)

    def resent():
        a = client.submit("insert into once values (1)", query=query)
        assert a.status in (200, 202, UNAVAILABLE), a
        return a if a.status == 200 else None
    first = until(resent, "the resend to be taken")
    assert resent().json["statementHandle"] == first.json["statementHandle"]
    assert client.rows("select count(*) from once") == [[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_redis_that_forgot_everything_costs_its_handles_and_no_more(fleet, redis, kind):
    servers = fleet(kind)
    a, b = servers.start(), servers.start()
    handle, running = a.client.run("select 1")["handle"], start_long(a.client)
    redis.flush()
    until(lambda: b.client.document(running).status == 200, "Redis to be told again of what runs")  # within a renewal
    assert a.client.document(running).json["status"] == "RUNNING"
    if kind == "hybrid":  # this one has it still
        until(lambda: b.client.document(handle).status == 200, "Redis to be told again of what has ended")
        assert rows_of(b.client, handle) == [["1"]]
    else:
        assert gone(a.client, handle) and gone(b.client, handle)
    assert b.client.cancel(running).status == 200
    assert known(b.client, running)["status"] == known(a.client, running)["status"] == "CANCELED"
    assert a.client.run("select 2")["status"] == "SUCCEEDED" and a.client.get("/healthz").status == 200


# --- start ---

class Impostor(Listener):
    """Answers every command with the same, but an INFO, where it knows one."""

    def __init__(self, answer, info=None):
        self.answer_of = {b"INFO": info or answer}
        self.answer = answer
        super().__init__(self.talk)

    def talk(self, taken):
        while asked := taken.recv(1 << 16):
            for word in re.findall(rb"\*[0-9]+\r\n\$[0-9]+\r\n([A-Za-z]+)\r\n", asked):
                taken.sendall(self.answer_of.get(word.upper(), self.answer))


OLD = b"# Server\r\nredis_version:3.2.1\r\nredis_mode:standalone\r\n"


def refusal(kind, url, folder, *more):
    """What `serve` says when it does not start."""
    done = mayfly("serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(folder / "data"),
                  "--set", f"snowflake_api.statement_storage.type={kind}", "--set", f"snowflake_api.statement_storage.redis.url={url}",
                  "--set", "snowflake_api.statement_storage.redis.timeout_ms=500", *more)
    assert done.returncode not in (0, None) and done.returncode > 0, done
    assert done.stderr.strip() and len(done.stderr.strip().splitlines()) <= 3, done
    return done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "redis://", "127.0.0.1:6379", "redis://127.0.0.1:x", "redis://127.0.0.1:99999", "redis://127.0.0.1/x",
                                 "unix:", "redis://127.0.0.1:0", "redis://user:top-secret@127.0.0.1:y", "x" * 5000])
def test_a_wrong_url_is_refused_at_start(kind, url, tmp_path):
    said = refusal(kind, url, tmp_path)
    assert "redis" in said.lower() and "url" in said.lower() and "top-secret" not in said, said


@pytest.mark.parametrize("kind", KINDS)
def test_a_redis_that_is_not_there_is_told_at_start(kind, tmp_path):
    said = refusal(kind, f"redis://:top-secret@127.0.0.1:{free_port()}", tmp_path)
    assert "Redis" in said and "top-secret" not in said, said


def test_a_wrong_password_is_refused_at_start(tmp_path):
    guarded = Redis(password="right")
    try:
        for secret in ("", ":top-secret@", "user:top-secret@"):
            said = refusal("redis", f"redis://{secret}127.0.0.1:{guarded.port}", tmp_path)
            assert "top-secret" not in said and re.search("password|AUTH|auth", said), said
    finally:
        guarded.drop()


def test_a_password_and_a_database_of_the_url_are_used(fleet):
    guarded = Redis(password="p@ss")
    try:
        servers = fleet("redis", url=f"redis://:p%40ss@127.0.0.1:{guarded.port}/3")
        client = servers.start().client
        assert client.run("select 1")["status"] == "SUCCEEDED"
        with contextlib.closing(guarded.connection()) as redis:
            assert redis.command("DBSIZE") == 0
            redis.command("SELECT", 3)
            assert redis.command("DBSIZE") > 0
        servers.close()
        servers.made.clear()
    finally:
        guarded.drop()


def test_a_redis_that_is_too_old_is_refused_at_start(tmp_path):
    old = Impostor(b"+PONG\r\n", info=b"$%d\r\n%s\r\n" % (len(OLD), OLD))
    try:
        for kind in KINDS:
            assert re.search(r"Redis 3\b", refusal(kind, f"redis://127.0.0.1:{old.port}", tmp_path))
    finally:
        old.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"-ERR unknown command\r\n", bytes(range(256)) * 4, b"",
                                    b"$99999999999999\r\n", b"*1\r\n" * 10000, b"+OK\r\n", b":1\r\n"],
                         ids=["http", "error", "noise", "nothing", "length", "depth", "ok to all", "number"])
def test_something_that_is_no_redis_is_refused_at_start(answer, tmp_path):
    other = Impostor(answer)
    try:
        assert "Redis" in refusal("redis", f"redis://127.0.0.1:{other.port}", tmp_path)
    finally:
        other.close()


# --- what nobody of us wrote ---

@pytest.fixture(scope="module")
def damaged_pair(one_redis):
    """Two servers whose Redis is written to behind their backs."""
    one_redis.heal()
    servers = Fleet("redis", one_redis, key_prefix="damaged:")
    for server in (servers.start(), servers.start()):
        server.expected.append(": 500 storage_error")
    yield servers.made
    servers.close()


@pytest.fixture
def pair(damaged_pair):
    """The same new tenant at both."""
    tenant = unique("tenant")
    return [Client(server, tenant=tenant) for server in damaged_pair]


def key_of(client, handle, what="statement"):
    return f"damaged:{client.headers['X-Mayfly-Tenant']}:{what}:{handle}"


def damaged(client, handle):
    """A clear error on that handle alone, in the form of each surface."""
    for a in (client.document(handle), client.result(handle)):
        assert a.status in (404, 410, 500, 503) and a.json["code"] in ("not_found", "storage_error", "result_expired", "unavailable"), a
    a = client.status(handle)
    assert a.status in (400, 422, 500, 503) and re.fullmatch("[0-9]{6}", a.json["code"]), a
    assert client.native("select 1").json["status"] == "SUCCEEDED"
    assert client.get("/v1/statements").status == 200


@pytest.mark.parametrize("write", [
    ("SET", "a text"), ("RPUSH", "a", "b"), ("SADD", "a"), ("ZADD", "1", "a"), ("HSET", "status", "x"), ("HSET", "a", "b"),
    ("HSET", "status", "SUCCEEDED", "created_at", "never", "sql", "x", "result_metadata", "{"),
], ids=lambda w: " ".join(w)[:20])
def test_a_key_of_another_type_is_an_error_of_that_handle_alone(pair, one_redis, write):
    a, b = pair
    handle, other = a.run(PARTS)["handle"], a.run("select 2")["handle"]
    whole = seen(b, other)
    key = key_of(a, handle)
    assert one_redis.command("DEL", key) == 1
    one_redis.command(write[0], key, *write[1:])
    for client in pair:
        damaged(client, handle)
        assert client.cancel(handle).status in (200, 422, 500, 503) and client.forget(handle).status in (204, 404, 410, 500, 503)
        assert seen(client, other) == whole and other in items(client)


@pytest.mark.parametrize("field, value", [("status", "FINISHED"), ("status", ""), ("result_metadata", "not json"), ("result_metadata", "[]"),
                                          ("created_at", "x"), ("created_at", "-1"), ("completed_at", "99999999999999999999"),
                                          ("result_metadata", "{" * 100000), ("owner", ""), ("session_id", "\x00\xff"), ("sql", "\xff\xfe")])
def test_a_field_that_was_tampered_with_is_no_crash(pair, one_redis, field, value):
    a, b = pair
    handle, other = a.run(PARTS)["handle"], a.run("select 2")["handle"]
    one_redis.command("HSET", key_of(a, handle), field, value)
    for client in (b, a):
        for answer in (client.document(handle), client.status(handle), client.status(handle, partition=1), client.result(handle),
                       client.get("/v1/statements")):
            assert answer.status in (200, 202, 400, 404, 409, 410, 422, 500, 503), answer
        assert client.result(other).json["rows"] == [[2]]


def cut_short(client, path):
    """What had begun well when it broke: its chunks are whole, and none is the last."""
    with client.server.socket() as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/csv\r\nConnection: close\r\nX-Mayfly-Tenant: {client.headers['X-Mayfly-Tenant']}\r\n\r\n".encode())
        got = b""
        with contextlib.suppress(OSError):
            while piece := s.recv(1 << 16):
                got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    if b" 500 " in head.splitlines()[0]:
        return True
    assert b"Transfer-Encoding: chunked" in head, head
    while body:
        size, _, body = body.partition(b"\r\n")
        assert re.fullmatch(b"[0-9a-f]+", size) and int(size, 16) > 0, size[:100]
        body = body[int(size, 16) + 2:]
    return True


@pytest.mark.parametrize("how", ["gone", "another's", "text", "empty", "list", "cut"])
def test_a_missing_or_foreign_batch_is_an_error_of_that_handle_alone(pair, one_redis, how):
    a, b = pair
    handle, other = a.run(PARTS)["handle"], a.run(PARTS.replace("row", "ROW"))["handle"]
    whole = seen(b, other)
    key, foreign = (key_of(a, h, "result") + ":1" for h in (handle, other))
    stored = one_redis.command("GET", key)
    one_redis.command("DEL", key)
    if how == "another's":
        one_redis.command("SET", key, one_redis.command("GET", f"{foreign[:-1]}2"), "PX", 60000)
    elif how == "list":
        one_redis.command("RPUSH", key, "x")
    elif how != "gone":
        one_redis.command("SET", key, {"text": b"not gzip", "empty": b"", "cut": stored[:len(stored) // 2]}[how], "PX", 60000)
    for client in pair:
        assert client.status(handle).status == 200
        page = client.status(handle, partition=1)
        assert page.status in (422, 500) and "code" in page.json and "ROW" not in page.text, page
        assert cut_short(client, f"/v1/statements/{handle}/result")
        assert seen(client, other) == whole
    one_redis.command("DEL", key)


def test_sets_of_another_type_break_nothing_else(fleet, redis):
    servers = fleet("redis")
    a, b = servers.start(), servers.start()
    session = Session(a.client)
    handle = session.run("select 1")["handle"]
    for key, kind in ((k, redis.command("TYPE", k)) for k in redis.keys(f"{PREFIX}default:*")):
        if kind in (b"set", b"zset"):
            redis.command("DEL", key)
            redis.command("SET", key, "x")
    for server in (a, b):
        server.expected.append(": 500 storage_error")
        assert server.client.document(handle).status in (200, 404, 500)
        assert server.client.get("/v1/statements").status in (200, 500, 503)
        assert server.client.native("select 1").status in (200, 202, 500, 503) and server.client.get("/healthz").status == 200
        assert server.as_tenant("other").run("select 1")["status"] == "SUCCEEDED"
