"""Jobs of servers that share a Redis and a storage: asked, canceled and taken over by any of them."""

import pytest

from chain import USERS, Job, layers, post, problem, ran
from mayfly import Client, unique, until

SLOW = {**USERS, "head.sql": "SELECT pg_sleep(60)"}
LATER = {**USERS, "head.sql": "SELECT pg_sleep(8); SELECT 7 AS n"}


@pytest.fixture
def servers(fleet, tmp_path):
    """A fleet on one Redis and one storage."""
    root = tmp_path / "storage"
    root.mkdir()
    return fleet("redis", storage__root=str(root))


@pytest.fixture
def pair(servers):
    tenant = unique("fleet")
    return [Client(servers.start(), tenant=tenant) for _ in range(2)]


def test_a_job_is_seen_and_canceled_from_another_server(pair):
    a, b = pair
    job = Job(a, SLOW).at("head_execution")
    there = job.through(b)
    until(lambda: there.get().status == 200, "the job at b")
    until(lambda: there.document["status"] == "running", "what b knows of it to be renewed")
    assert there.cancel().status in (200, 202)
    until(lambda: job.document["status"] == "canceled", "the end at a")
    until(lambda: there.document["status"] == "canceled", "the end at b")


def test_a_request_id_is_one_job_on_all_servers(pair):
    a, b = pair
    first = ran(a, USERS, request_id="one")
    second = post(b, USERS, request_id="one")
    assert second.status == 200 and second.json["job_id"] == first["job_id"], second
    assert second.json["rows"] == first["rows"] == [[1, "Ada"], [2, "Grace"]]
    problem(post(b, {**USERS, "head.sql": "SELECT 1"}, request_id="one"), 409, "request_id_conflict")


def test_a_dead_servers_job_is_done_by_another(servers, pair):
    a, b = pair
    job = Job(a, LATER).at("head_execution")
    there = job.through(b)
    until(lambda: there.get().status == 200, "the job at b")
    servers.kill(a.server)
    until(lambda: any("taken up" in line["message"] for line in there.lines()), "the job to be taken up")
    done = there.ended()
    assert done["rows"] == [[7]] and done["job_id"] == job.id


def test_without_redis_nothing_is_lost(servers, pair, redis):
    a, b = pair
    running = Job(a, LATER, request_id="kept").at("head_execution")
    redis.kill()
    refused = post(a, USERS, wait=0, request_id="new")
    problem(refused, 503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    redis.start()
    assert running.ended()["rows"] == [[7]]
    until(lambda: post(a, USERS, request_id="new").status == 200, "new jobs")
    again = post(b, LATER, request_id="kept")
    assert again.status == 200 and again.json["job_id"] == running.id, again


def test_each_server_has_layers_of_its_own(servers, pair):
    """Pins and last uses are kept by server: what one drops, the other keeps over a restart."""
    a, b = pair
    for one in pair:
        assert ran(one, USERS, snapshot_ttl=3600)["rows"] == [[1, "Ada"], [2, "Grace"]]
    mine = layers(a)
    assert set(mine) == set(layers(b))
    pinned = {layer_id for layer_id, item in layers(b).items() if item["pinned_until"]}
    assert pinned
    dropped = [layer_id for layer_id in mine if a.request("DELETE", f"/v1/layers/{layer_id}").status in (200, 204)]
    assert pinned & set(dropped)
    servers.kill(b.server)
    again = Client(servers.again(b.server), tenant=b.headers["X-Mayfly-Tenant"])
    assert {layer_id for layer_id, item in layers(again).items() if item["pinned_until"]} == pinned
