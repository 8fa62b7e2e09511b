"""Jobs built in parts, their logs by polling and live, and what outlives the server."""
import json
import os

import pytest

from chain import DONE, STAGES, USERS, Job, Stream, blob, etag, instances, problem, ran, token
from mayfly import PATIENCE, Client, in_parallel, unique, until

SLOW = {"init/1.sql": "CREATE TABLE t AS SELECT 1 AS a", "head.sql": "SELECT pg_sleep(60)"}


def test_a_job_in_parts(fresh):
    one = Job(fresh)
    job = one.document
    assert job["status"] == "pending" and job["type"] == "long" and job["started_at"] is None and job["finished_at"] is None
    a = one.append({"init/1.sql": USERS["init/001_users.sql"]}, part="1")
    assert a.status == 200 and a.json == {"parts": 1, "files": 1, "bytes": len(USERS["init/001_users.sql"])}
    assert one.append({"init/1.sql": USERS["init/001_users.sql"]}, part="1").json == a.json, "the same part again is harmless"
    problem(one.append({"init/1.sql": "other"}, part="1"), 409, "part_conflict")
    assert one.append({"seed/1.sql": "broken"}, part="2").json["files"] == 2
    assert one.append({"seed/1.sql": USERS["seed/001_users.sql"]}).json["files"] == 2, "a path sent again is replaced"
    assert one.append({"head.sql": USERS["head.sql"]}).json["parts"] == 4
    a = one.run()
    assert a.status == 200 and a.json["rows"] == [[1, "Ada"], [2, "Grace"]] and a.json["type"] == "long"
    problem(one.append({"x.sql": "SELECT 1"}), 409, "job_already_started")
    problem(one.run(), 409, "job_already_started")


def test_run_says_how(fresh):
    one = Job(fresh)
    one.append({"a.sql": "CREATE TABLE t (v text)", "b.sql": "INSERT INTO t VALUES (:'v')", "z.sql": "TABLE t"})
    problem(one.request("run"), 400, "invalid_field")
    problem(one.run("nope.sql"), 422, "head_not_found")
    problem(one.run("z.sql", timeout_ms=0), 400, "invalid_field")
    assert one.document["status"] == "pending"
    a = one.run("z.sql", variables={"v": "x"}, chain=["a.sql", "b.sql"], timeout_ms=30000, wait=0)
    assert a.status == 202 and set(a.json) == {"job_id", "status", "links"}
    assert one.ended()["rows"] == [["x"]]


def test_chains_of_parts(fresh):
    one = Job(fresh)
    assert one.append({"b.sql": "CREATE TABLE t (a int)"}, chain=["b.sql"]).status == 200
    assert one.append({"a.sql": "INSERT INTO t VALUES (1)", "h.sql": "TABLE t"}, chain=["a.sql"]).status == 200
    assert one.run("h.sql").json["rows"] == [[1]]


def test_missing_contents_at_run(fresh):
    content = b"CREATE TABLE t (a int) -- " + unique().encode()
    one = Job(fresh)
    a = one.append({"init/1.sql": content, "head.sql": "SELECT count(*) FROM t"})
    assert a.status in (200, 422), a
    told = problem(one.run() if a.status == 200 else a, 422, "missing_blobs")
    assert [etag(content)] in told.values()
    assert blob(fresh, content).status == 204
    if a.status != 200:
        assert one.append({"init/1.sql": content, "head.sql": "SELECT count(*) FROM t"}).status == 200
    assert one.run().json["rows"] == [[0]]


def test_a_pending_job_is_canceled_at_once(fresh):
    one = Job(fresh)
    assert one.cancel().status in (200, 202)
    assert one.document["status"] == "canceled"
    problem(one.run(), 409, "job_already_started")


def test_a_pending_job_expires(server):
    client = server().client
    one = Job(client, job_ttl=30)
    client.advance(40)
    until(lambda: one.get().status == 410, "the job to expire")
    problem(one.append({"a.sql": "x"}), 410, "job_expired")
    problem(one.run(), 410, "job_expired")


# --- logs ---

def test_log_lines_by_polling(fresh):
    one = Job(fresh, USERS)
    one.ended()
    lines = one.lines()
    assert [line["seq"] for line in lines] == list(range(lines[0]["seq"], lines[0]["seq"] + len(lines)))
    assert all(set(line) == {"seq", "time", "stage", "level", "message"} for line in lines)
    assert all(line["stage"] in STAGES and line["level"] in ("info", "notice", "warn", "error") for line in lines)
    assert "tail_replay" in {line["stage"] for line in lines} and "head_execution" in {line["stage"] for line in lines}
    middle = lines[len(lines) // 2]["seq"]
    a = one.logs(middle)
    assert [line["seq"] for line in a.json["items"]] == [line["seq"] for line in lines if line["seq"] > middle]
    assert a.json["next"] == lines[-1]["seq"]
    assert one.logs(a.json["next"]).json == {"items": [], "next": a.json["next"]}
    assert len(fresh.get(one.path("logs") + "?limit=1").json["items"]) == 1
    for query in ("after=x", "after=-1", "limit=0"):
        problem(fresh.get(one.path("logs") + "?" + query), 400, "invalid_field")


def test_a_long_poll_waits_for_a_line(fresh):
    one = Job(fresh)
    last = one.logs().json["next"]
    answer, _ = in_parallel(lambda: one.logs(last, wait=3600), lambda: one.append({"head.sql": "SELECT 1"}) and one.run(wait=0))
    assert answer.status == 200 and answer.json["items"]
    one.ended()
    assert one.logs(one.lines()[-1]["seq"], wait=3600).json["items"] == [], "an ended job is not waited for: no client waits so long"


def test_a_live_log_ends_with_the_job(fresh):
    one = Job(fresh, {**USERS, "head.sql": "SELECT pg_sleep(0.5)"})
    events = []
    with Stream(fresh, one.path("logs")) as stream:
        while (event := stream.next()) is not None:
            events.append(event)
    assert [e["event"] for e in events] == ["log"] * (len(events) - 1) + ["done"]
    lines = [json.loads(e["data"]) for e in events[:-1]]
    assert [int(e["id"]) for e in events[:-1]] == [line["seq"] for line in lines] == [line["seq"] for line in one.lines()]
    done = json.loads(events[-1]["data"])
    assert done["job_id"] == one.id and done["status"] in DONE and "id" not in events[-1]


def test_a_live_log_resumes(fresh):
    one = Job(fresh, {**USERS, "head.sql": "SELECT pg_sleep(60)"}).at("head_execution")
    with Stream(fresh, one.path("logs")) as stream:
        first = stream.take(2)
    one.cancel()
    one.ended("canceled")
    rest = []
    with Stream(fresh, one.path("logs"), **{"Last-Event-ID": first[-1]["id"]}) as stream:
        while (event := stream.next()) is not None:
            rest.append(event)
    seen = [int(e["id"]) for e in first + rest[:-1]]
    assert seen == [line["seq"] for line in one.lines()] and rest[-1]["event"] == "done"
    problem(fresh.get(one.path("logs"), Accept="text/event-stream", **{"Last-Event-ID": "x"}), 400, "invalid_field")


def test_a_reader_that_leaves_does_no_harm(fresh):
    one = Job(fresh, SLOW).at("head_execution")
    for _ in range(3):
        with Stream(fresh, one.path("logs")) as stream:
            stream.take(1)
    assert one.document["status"] == "running"
    assert one.cancel().status == 202
    one.ended("canceled")


# --- what outlives a server ---

def test_jobs_that_ended_are_there_after_a_kill(killable):
    one = killable.start()
    done = ran(one.client, USERS)
    failed = ran(one.client, {"head.sql": "SELECT 1/0"}, status="failed")
    pending = Job(one.client, request_id="assembled")
    pending.append({"head.sql": "SELECT 5"}, part="a")
    two = killable.kill()
    again = Job(two.client, job_id=done["job_id"])
    assert {k: v for k, v in again.document.items() if k != "logs"} == {k: v for k, v in done.items() if k != "logs"}
    assert again.lines() and again.results(0).json["rows"] == [[1, "Ada"], [2, "Grace"]]
    assert Job(two.client, job_id=failed["job_id"]).document["error"] == failed["error"]
    assert [j["job_id"] for j in two.client.get("/v1/jobs").json["items"]] == [pending.id, failed["job_id"], done["job_id"]]
    late = Job(two.client, job_id=pending.id)
    assert late.append({"head.sql": "SELECT 5"}, part="a").json["parts"] == 1
    assert late.run().json["rows"] == [[5]]
    assert ran(two.client, USERS)["snapshot"]["hit"] is True, "the layer is there"


def test_a_kill_in_the_middle_of_a_run(killable):
    one = killable.start()
    job = Job(one.client, {"init/1.sql": "CREATE TABLE t AS SELECT 1 AS a", "head.sql": "SELECT pg_sleep(3), a FROM t"}).at("head_execution")
    left = instances(one)
    assert left
    two = killable.kill()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left), "the instances to go with their server")
    late = Job(two.client, job_id=job.id)
    until(lambda: late.document["status"] in DONE, "the job to end")
    job = late.document
    if job["status"] == "completed":
        assert job["metrics"]["retries"] == 1 and job["rows"][0][1] == 1
    else:
        assert job["status"] == "failed" and job["error"]["code"] and job["error"]["message"]


def test_kills_in_the_middle_of_a_build_leave_no_torn_layer(killable):
    files = {**{f"m/{i:02}.sql": f"CREATE TABLE t{i} AS SELECT generate_series(1, 20000) AS a" for i in range(12)},
             "z.sql": "SELECT (SELECT count(*) FROM t0), (SELECT count(*) FROM t11)"}
    one = killable.start(runner__layers__replay_ms=0)
    for steps in (1, 4, 8):
        job = Job(one.client, files, "z.sql")
        until(lambda job=job, n=steps: job.document["progress"]["steps_done"] >= n, f"{steps} steps")
        one = killable.kill(runner__layers__replay_ms=0)
    assert ran(one.client, files, "z.sql")["rows"] == [[20000, 20000]]


def test_a_request_id_survives_a_kill(killable):
    one = killable.start()
    a = Job(one.client, USERS, request_id="once")
    a.ended()
    two = killable.kill()
    assert Job(two.client, USERS, request_id="once").id == a.id


def test_a_shutdown_drains_and_leaves_nothing(server):
    one = server(server__drain_seconds=1)
    Job(one.client, SLOW).at("head_execution")
    seen = instances(one)
    assert seen and one.stop() == 0
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in seen), "the instances to end")


def test_draining_refuses_new_jobs(server):
    one = server(server__drain_seconds=600)
    running = Job(one.client, {"head.sql": "SELECT pg_sleep(6)"}).at("head_execution")
    one.terminate()
    until(lambda: one.client.get("/readyz").status == 503, "the server to drain")
    problem(one.client.request("POST", "/v1/jobs", {}), 503, "unavailable")
    assert running.get(wait=PATIENCE).json["status"] == "completed"


# --- who may see one ---

def test_jobs_are_their_principals_and_the_admins(guarded):
    tenant = unique("t")
    ada, bob, boss = token(guarded, tenant), token(guarded, tenant), token(guarded, tenant, "--role", "admin")
    stranger = token(guarded, unique("t"), "--role", "admin")
    job = ran(ada, USERS)
    for other in (bob, stranger):
        handle = Job(other, job_id=job["job_id"])
        for a in (handle.get(), handle.logs(), handle.results(), handle.cancel(), handle.extend(9), handle.delete()):
            problem(a, 404, "not_found")
        assert other.get("/v1/jobs").json["items"] == []
    assert Job(boss, job_id=job["job_id"]).document["rows"] == job["rows"]
    assert [j["job_id"] for j in boss.get("/v1/jobs").json["items"]] == [job["job_id"]]
    assert ran(bob, USERS)["snapshot"]["hit"] is True, "layers are the tenant's"
    nobody = Client(guarded)
    for a in (nobody.get("/v1/jobs"), nobody.get("/v1/jobs/" + job["job_id"] + "/logs"), nobody.get("/v1/layers"),
              nobody.request("POST", "/v1/plan", {}), nobody.request("PUT", "/v1/blobs/" + etag(b"x"), b"x")):
        problem(a, 401, "unauthenticated")


@pytest.mark.parametrize("parts", [1, 40])
def test_many_parts(fresh, parts):
    one = Job(fresh)
    for i in range(parts):
        assert one.append({f"init/{i:03}.sql": f"CREATE TABLE t{i} (a int)"}, part=str(i)).json["parts"] == i + 1
    one.append({"head.sql": "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'"})
    assert one.run().json["rows"] == [[parts]]
