"""Layers: listed, dropped, built once however many ask, and given up."""
from chain import USERS, Job, instances, layers, nothing_left, planned, post, problem, ran
from mayfly import Client, in_parallel, unique, until
from test_operations import metrics


def lookups(client):
    """Layer lookups by outcome."""
    return {labels: v for (name, labels), v in metrics(client)[1].items() if name == "mayfly_layer_lookups_total"}


def built(client):
    return sum(v for labels, v in lookups(client).items() if "built" in labels)


def test_layers_are_listed(fresh):
    job = ran(fresh, USERS)
    ran(fresh, USERS)
    found = layers(fresh)
    assert job["snapshot"]["layer_id"] in found
    one = found[job["snapshot"]["layer_id"]]
    assert set(one) >= {"layer_id", "parent", "bytes", "created_at", "last_used_at", "hits"} and one["hits"] >= 1 and one["bytes"] > 0
    assert one["parent"] is None or one["parent"] in found
    pages, after = [], ""
    while True:
        a = fresh.get("/v1/layers?limit=1" + after)
        assert a.status == 200 and len(a.json["items"]) <= 1
        pages += [item["layer_id"] for item in a.json["items"]]
        if not a.json["next"]:
            break
        after = "&after=" + a.json["next"]
    assert sorted(pages) == sorted(found)


def test_a_dropped_layer_is_built_again(fresh):
    layer = ran(fresh, USERS)["snapshot"]["layer_id"]
    assert fresh.request("DELETE", "/v1/layers/" + layer).status == 204
    problem(fresh.request("DELETE", "/v1/layers/" + layer), 404, "not_found")
    assert layer not in layers(fresh)
    again = ran(fresh, USERS)["snapshot"]
    assert again["layer_id"] == layer and again["hit"] is False


def test_a_layer_in_use_stays(fresh):
    one = Job(fresh, {**USERS, "head.sql": "CREATE TABLE x (); SELECT pg_sleep(60)"}).at("head_execution")
    layer = one.document["snapshot"]["layer_id"]
    problem(fresh.request("DELETE", "/v1/layers/" + layer), 409, "layer_in_use")
    one.cancel()
    one.ended("canceled")
    until(lambda: fresh.request("DELETE", "/v1/layers/" + layer).status == 204, "the layer to be free")


def test_a_layer_below_others_stays(fresh):
    files = {"a/1.sql": "CREATE TABLE a (x int)", "b/1.sql": "INSERT INTO a VALUES (1)", "z.sql": "TABLE a"}
    ran(fresh, files, "z.sql")
    parents = {item["parent"] for item in layers(fresh).values()} - {None}
    assert parents
    problem(fresh.request("DELETE", "/v1/layers/" + parents.pop()), 409, "layer_in_use")


def test_layers_that_are_none(client):
    for name in ("x", "0" * 64, "../x"):
        problem(client.request("DELETE", "/v1/layers/" + name), 404, "not_found")


def test_a_hundred_jobs_build_a_missing_layer_once(server):
    one = server(tenants__concurrent_jobs=32, runner__concurrent=32, server__pool_threads=32)
    files = {"init/1.sql": "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a", "init/2.sql": "SELECT pg_sleep(0.5)",
             "head.sql": "SELECT count(*) FROM t"}
    before = built(one.client)
    answers = in_parallel(*[lambda: ran(one.client, files) for _ in range(100)])
    assert all(job["rows"] == [[1000]] for job in answers)
    assert sum(not job["snapshot"]["hit"] for job in answers) == 1, "who waited has a hit"
    assert built(one.client) - before == 1
    assert len({job["snapshot"]["layer_id"] for job in answers}) == 1
    seen = instances(one)
    assert one.stop() == 0
    nothing_left(one, seen)


def test_when_the_builder_is_canceled_a_waiter_goes_on(fresh):
    files = {"init/1.sql": "CREATE TABLE t AS SELECT 1 AS a; SELECT pg_sleep(2)", "head.sql": "TABLE t"}
    builder = Job(fresh, files).at("tail_replay")
    waiter = Job(fresh, files)
    until(lambda: waiter.document["status"] == "preparing", "the waiter to wait")
    assert builder.cancel().status == 202
    builder.ended("canceled")
    assert waiter.ended()["rows"] == [[1]]


def test_an_error_of_the_tail_goes_to_all_who_wait(fresh):
    files = {"init/1.sql": "SELECT pg_sleep(0.5); SELECT 1/0", "head.sql": "SELECT 1"}
    for a in in_parallel(*[lambda: post(fresh, files) for _ in range(5)]):
        assert a.status == 200 and a.json["status"] == "failed" and a.json["error"]["sqlstate"] == "22012", a
        assert a.json["error"]["path"] == "init/1.sql"


def test_unused_layers_go_after_their_time(server):
    one = server(runner__layers__ttl_seconds=100)
    job = ran(one.client, USERS, snapshot_ttl=1)
    pinned = ran(one.client, {"init/1.sql": "SELECT 1", "head.sql": "SELECT 1"}, snapshot_ttl=86400)
    one.client.advance(500)
    until(lambda: job["snapshot"]["layer_id"] not in layers(one.client), "the layer to go")
    assert pinned["snapshot"]["layer_id"] in layers(one.client)


def test_a_tenants_bytes_are_bounded(server):
    one = server(tenants__layer_bytes=60000000)

    def files(i):
        return {"init/1.sql": f"CREATE TABLE t AS SELECT repeat('{i}', 500) AS a FROM generate_series(1, 40000)",
                "head.sql": "SELECT count(*) FROM t"}

    for i in range(5):
        assert ran(one.client, files(i), snapshot_ttl=1)["rows"] == [[40000]]
        one.client.advance(90)
    until(lambda: sum(item["bytes"] for item in layers(one.client).values()) <= 60000000, "the layers to be within bounds")
    jobs = [post(one.client, files(i), snapshot_ttl=3600).json for i in range(5, 10)]
    assert {"completed", "failed"} == {job["status"] for job in jobs}, "those that are pinned stay"
    assert {job["error"]["code"] for job in jobs if job["error"]} == {"quota_exceeded"}


def test_warm_and_cold_are_told(fresh):
    ran(fresh, USERS)
    job = ran(fresh, USERS)
    assert job["metrics"]["cache_hit"] is True and job["metrics"]["replay_ms"] in (0, None)
    assert planned(fresh, USERS)["nearest"]["layer_id"] == job["snapshot"]["layer_id"]


def test_metrics_of_the_runner(shared, fresh):
    ran(fresh, USERS)
    samples = metrics(Client(shared))[1]
    names = {name for name, _ in samples}
    assert {"mayfly_layers", "mayfly_layer_bytes", "mayfly_layer_lookups_total"} <= names
    assert any(name.startswith("mayfly_jobs") for name in names) and any(name.startswith("mayfly_instance") for name in names)
