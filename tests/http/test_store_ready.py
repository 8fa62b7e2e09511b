"""What /readyz and /metrics say of the stores, and how calls are refused without Redis."""
import re

import pytest

from mayfly import until


def store(server):
    a = server.client.get("/readyz")
    return a.status, a.json["status"], a.json["statement_store"]


def metric(server, name):
    return float(re.search(rf"^{name} (\S+)$", server.client.get("/metrics").text, re.M)[1])


def test_a_server_without_redis(fleet):
    server = fleet("session").start()
    assert store(server) == (200, "ok", {"status": "ok", "type": "session", "live": 0, "owed": 0})
    assert metric(server, "mayfly_redis_up") == 0 and metric(server, "mayfly_statement_store_unavailable") == 0


@pytest.mark.parametrize("kind, on_loss, status, word", [
    ("redis", "refuse", 503, "unavailable"), ("hybrid", "refuse", 503, "unavailable"), ("hybrid", "degraded", 200, "degraded")])
def test_redis_goes_and_comes_back(redis, fleet, kind, on_loss, status, word):
    server = fleet(kind, on_loss=on_loss).start()
    version = redis.info("server")["redis_version"].strip()
    code, whole, said = store(server)
    assert (code, whole, said["status"], said["type"], said["owed"]) == (200, "ok", "ok", kind, 0)
    assert said["redis"]["up"] and said["redis"]["version"] == version and said["redis"]["missing"] is None
    handle = server.client.run("select 40 + 2 as a")["handle"]
    assert metric(server, "mayfly_redis_commands_total") > 0 and metric(server, "mayfly_redis_up") == 1
    redis.kill()
    until(lambda: store(server)[1] == word, f"the server to be {word}")
    code, _, said = store(server)
    assert code == status and said["status"] == word and not said["redis"]["up"] and said["redis"]["missing"]
    flags = metric(server, "mayfly_statement_store_degraded"), metric(server, "mayfly_statement_store_unavailable")
    assert flags == ((1, 0) if word == "degraded" else (0, 1)) and metric(server, "mayfly_redis_up") == 0
    if word == "degraded":
        assert server.client.rows("select 7") == [[7]]
        assert metric(server, "mayfly_statements_owed") == store(server)[2]["owed"] > 0
    else:
        refused(server.client)
    assert server.client.result(handle).status == (503 if kind == "redis" else 200)
    redis.start()
    until(lambda: store(server)[1] == "ok" and store(server)[2]["owed"] == 0, "the server to have Redis again")
    assert server.client.result(handle).json["rows"] == [[42]]
    assert server.client.rows("select 8") == [[8]]
    assert metric(server, "mayfly_redis_reconnects_total") > 0 and metric(server, "mayfly_statements_owed") == 0


def refused(client):
    a = client.submit("select 1")
    assert a.status == 503 and a.json["code"] == "390503" and int(a.headers["Retry-After"]) >= 1, a
    a = client.native("select 1")
    assert a.status == 503 and a.json["code"] == "unavailable" and int(a.headers["Retry-After"]) >= 1, a
    a = client.request("POST", "/v1/sessions", {})
    assert a.status == 503 and a.json["code"] == "unavailable" and int(a.headers["Retry-After"]) >= 1, a


def test_every_call_on_a_handle_is_refused_while_redis_is_gone(redis, fleet):
    server = fleet("redis").start()
    client = server.client
    handle = client.run("select 1")["handle"]
    redis.kill()
    until(lambda: store(server)[1] == "unavailable", "the server to miss Redis")
    for a in (client.status(handle), client.status(handle, partition=0), client.cancel(handle)):
        assert a.status == 503 and a.json["code"] == "390503" and a.headers["Retry-After"], a
    for a in (client.document(handle), client.document(handle, wait=1), client.result(handle), client.get("/v1/statements"), client.forget(handle),
              client.get(f"/v1/statements/{handle}/events"), client.request("POST", f"/v1/statements/{handle}/grants", {"principal": "*"}),
              client.request("DELETE", f"/v1/statements/{handle}/grants/x")):
        assert a.status == 503 and a.json["code"] == "unavailable" and a.headers["Retry-After"], a


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson"])
def test_a_result_that_cannot_be_begun_is_an_error_and_no_stream(redis, fleet, accept):
    server = fleet("redis").start()
    server.expected.append(": 500 storage_error")
    client = server.client
    handle = client.run("select md5(i::text) as a from range(20000) t(i)")["handle"]
    assert client.result(handle, accept).status == 200
    assert redis.command("DEL", f"mayfly:statements:default:result:{handle}:0") == 1
    a = client.result(handle, accept)
    assert a.status == 500 and a.json["code"] == "storage_error" and a.type == "application/problem+json", a
    assert client.document(handle).json["status"] == "SUCCEEDED"
