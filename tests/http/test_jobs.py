"""Jobs in one request: documents, the tail rule, layers hit and missed, results in every format, variables, life."""
import csv
import io
import json

import pytest

from chain import (CSV, DONE, JOB, NDJSON, PARQUET, STAGES, UNKNOWN, USERS, Job, failed, instances, layers, planned, post, problem, ran,
                   rows, tree)
from mayfly import Client, in_parallel, unique, until, uuid_like
from session import listed, seconds
from space import Space

HEX = set("0123456789abcdef")


def test_a_job_answers_in_one_request(fresh):
    job = ran(fresh, USERS, user_id="ada", request_id=unique("r"))
    assert uuid_like(job["job_id"]) and job["type"] == "short" and job["user_id"] == "ada"
    assert job["error"] is None and job["stage"] in STAGES
    assert [c["name"] for c in job["columns"]] == ["id", "name"]
    assert [c["type"] for c in job["columns"]] == ["INTEGER", "VARCHAR"]
    assert job["rows"] == [[1, "Ada"], [2, "Grace"]]
    one = job["results"][0]
    assert len(job["results"]) == 1 and one["command_tag"] == "SELECT 2" and one["row_count"] == 2
    assert one["rows"] == job["rows"] and one["columns"] == job["columns"] and not one.get("truncated") and one["notices"] == []
    assert job["progress"]["stage"] in STAGES and job["progress"]["duration_ms"] >= 0
    assert job["progress"]["steps_total"] == job["progress"]["steps_done"] == 2
    assert job["snapshot"]["hit"] is False and job["snapshot"]["steps_reused"] == 0
    assert len(job["snapshot"]["tail_hash"]) == 64 and set(job["snapshot"]["tail_hash"]) <= HEX
    assert job["snapshot"]["layer_id"] == job["snapshot"]["tail_hash"]
    assert set(job["metrics"]) >= {"latency_ms", "cache_hit", "retries", "boot_ms", "head_ms", "replay_ms"}
    assert job["metrics"]["cache_hit"] is False and job["metrics"]["retries"] == 0
    assert seconds(job["created_at"]) <= seconds(job["started_at"]) <= seconds(job["finished_at"]) < seconds(job["expires_at"])
    assert abs(seconds(job["expires_at"]) - seconds(job["created_at"]) - 86400) < 60
    path = "/v1/jobs/" + job["job_id"]
    assert job["links"] == {"self": path, "logs": path + "/logs", "results": path + "/results", "cancel": path + "/cancel"}
    assert job["logs"] and set(job["logs"][0]) == {"seq", "time", "stage", "level", "message"}
    again = Job(fresh, job_id=job["job_id"]).document
    assert again["rows"] == job["rows"] and again["status"] == "completed"


def test_without_prefer_it_is_accepted_and_goes_on(fresh):
    a = post(fresh, USERS, wait=0)
    assert a.status == 202 and set(a.json) == {"job_id", "status", "links"}
    assert a.json["status"] in ("pending", "preparing", "running", "publishing", *DONE)
    assert a.headers["Location"] == a.json["links"]["self"] == "/v1/jobs/" + a.json["job_id"]
    assert Job(fresh, job_id=a.json["job_id"]).ended()["rows"] == [[1, "Ada"], [2, "Grace"]]


def test_a_wait_that_is_too_short_answers_202(fresh):
    a = post(fresh, {"head.sql": "SELECT pg_sleep(4), 7 AS n"}, wait=1)
    assert a.status == 202 and set(a.json) == {"job_id", "status", "links"} and a.json["status"] in ("preparing", "running")
    assert Job(fresh, job_id=a.json["job_id"]).ended()["rows"][0][1] == 7


def test_a_second_run_hits_the_layer_and_runs_the_head_again(fresh):
    files = {**USERS, "head.sql": "SELECT count(*) AS n, clock_timestamp() AS t FROM users"}
    one, two = ran(fresh, files), ran(fresh, files)
    assert one["job_id"] != two["job_id"] and one["rows"][0][1] != two["rows"][0][1]
    assert [one["snapshot"][k] for k in ("tail_hash", "layer_id")] == [two["snapshot"][k] for k in ("tail_hash", "layer_id")]
    assert [one["snapshot"]["hit"], two["snapshot"]["hit"]] == [False, True]
    assert two["metrics"]["cache_hit"] is True and two["snapshot"]["steps_reused"] == 2


def test_a_change_of_the_last_file_rebuilds_only_that(fresh):
    files = {f"migrations/{i:03}.sql": f"CREATE TABLE t{i} (a int);" for i in range(6)}
    files["z.sql"] = "SELECT count(*) FROM pg_tables WHERE tableowner = current_user"
    one = ran(fresh, files, "z.sql")
    assert one["rows"] == [[6]]
    files["migrations/005.sql"] = "CREATE TABLE other (b text);"
    two = ran(fresh, files, "z.sql")
    assert two["snapshot"]["tail_hash"] != one["snapshot"]["tail_hash"]
    assert two["snapshot"]["hit"] is False and two["snapshot"]["steps_reused"] == 5


def test_branches_share_their_prefix(fresh):
    base = {"init/1.sql": "CREATE TABLE a (x int);", "init/2.sql": "INSERT INTO a VALUES (1);"}
    left = planned(fresh, {**base, "m/3.sql": "INSERT INTO a VALUES (2);", "z.sql": "TABLE a"}, "z.sql")
    right = planned(fresh, {**base, "m/3.sql": "INSERT INTO a VALUES (3);", "z.sql": "TABLE a"}, "z.sql")
    assert [s["hash"] for s in left["steps"]][:2] == [s["hash"] for s in right["steps"]][:2]
    assert left["tail_hash"] != right["tail_hash"]
    assert rows(fresh, {**base, "m/3.sql": "INSERT INTO a VALUES (2);", "z.sql": "TABLE a"}, "z.sql") == [[1], [2]]
    job = ran(fresh, {**base, "m/3.sql": "INSERT INTO a VALUES (3);", "z.sql": "TABLE a"}, "z.sql")
    assert job["rows"] == [[1], [3]] and job["snapshot"]["steps_reused"] == 2


def test_the_hash_is_of_paths_contents_order_and_variables_only(fresh):
    files = {"a.sql": "SELECT :'v'", "b.sql": "SELECT 2", "z.sql": "SELECT 3"}
    base = planned(fresh, files, "z.sql", variables={"v": "1"})["tail_hash"]

    def tail(head="z.sql", variables=None, **changed):
        extra = {k: changed.pop(k) for k in ("chain", "timeout_ms", "user_id", "request_id", "snapshot_ttl") if k in changed}
        return planned(fresh, {**files, **changed.pop("files", {})}, head, variables=variables or {"v": "1"}, **extra)["tail_hash"]

    assert tail() == base
    assert tail(files={"z.sql": "SELECT 4"}) == base
    assert tail(timeout_ms=5, user_id="u", request_id=unique("r"), snapshot_ttl=9) == base
    assert tail(variables={"v": "1", "unused": "x"}) == base
    others = [tail(files={"b.sql": "SELECT 22"}), tail(variables={"v": "2"}), tail(chain=["b.sql", "a.sql", "z.sql"]),
              tail(files={"b2.sql": "SELECT 2"}), tail(head="b.sql")]
    assert base not in others and len(set(others)) == len(others)


def test_the_tail_is_init_then_seed_then_the_rest(fresh):
    made = "CREATE TABLE IF NOT EXISTS o (n serial, who text); INSERT INTO o (who) VALUES ('%s');"
    files = {path: made % path for path in ("a.sql", "init/1.sql", "migrations/2.sql", "migrations/10.sql", "seed/1.sql", "zz.sql")}
    files.update({"test/1.sql": "broken", "bench/1.sql": "broken", "readme.md": "not SQL"})
    files["y.sql"] = "SELECT who FROM o ORDER BY n"
    job = ran(fresh, files, "y.sql")
    order = ["init/1.sql", "seed/1.sql", "a.sql", "migrations/10.sql", "migrations/2.sql"]
    assert [r[0] for r in job["rows"]] == order
    plan = planned(fresh, files, "y.sql")
    assert [s["path"] for s in plan["steps"]] == order
    assert any("zz.sql" in line["message"] for line in Job(fresh, job_id=job["job_id"]).lines()), "the unused file is logged"


def test_a_chain_gives_the_order(fresh):
    files = {"b.sql": "CREATE TABLE t (a int)", "a.sql": "INSERT INTO t VALUES (5)", "ignored.sql": "broken", "h.sql": "TABLE t"}
    assert rows(fresh, files, "h.sql", chain=["b.sql", "a.sql"]) == [[5]]
    assert rows(fresh, files, "h.sql", chain=["b.sql", "a.sql", "h.sql", "ignored.sql"]) == [[5]]


def test_a_head_never_reaches_the_layer(fresh):
    files = {**USERS, "head.sql": "INSERT INTO users VALUES (3, 'Edsger'); SELECT count(*) FROM users;"}
    for _ in range(3):
        assert rows(fresh, files) == [[3]]
    assert rows(fresh, USERS) == [[1, "Ada"], [2, "Grace"]]


def test_each_statement_of_the_head_has_a_result(fresh):
    files = {**USERS, "head.sql": """
        SELECT name FROM users WHERE id = 1;
        UPDATE users SET name = upper(name);
        DO $$ BEGIN RAISE NOTICE 'hello %', 1; RAISE WARNING 'careful'; END $$;
        SELECT name FROM users ORDER BY id;
        CREATE TABLE later ();"""}
    job = ran(fresh, files)
    assert [r["command_tag"] for r in job["results"]] == ["SELECT 1", "UPDATE 2", "DO", "SELECT 2", "CREATE TABLE"]
    assert job["rows"] == [["ADA"], ["GRACE"]] == job["results"][3]["rows"]
    notices = job["results"][2]["notices"]
    assert [n["message"] for n in notices] == ["hello 1", "careful"]
    assert [n["severity"] for n in notices] == ["NOTICE", "WARNING"]
    one = Job(fresh, job_id=job["job_id"])
    assert one.results(0).json["rows"] == [["Ada"]] and one.results(3).json["rows"] == job["rows"]
    assert one.results(1).json == {**one.results(1).json, "rows": [], "row_count": 0, "command_tag": "UPDATE 2"}
    assert one.results().json["rows"] == job["rows"]
    assert [r["command_tag"] for r in one.results().json["results"]] == [r["command_tag"] for r in job["results"]]
    problem(one.results(5), 404, "not_found")


def test_a_head_without_rows(fresh):
    job = ran(fresh, {"head.sql": "CREATE TABLE t (a int)"})
    assert job["rows"] in (None, []) and job["results"][0]["command_tag"] == "CREATE TABLE"
    one = Job(fresh, job_id=job["job_id"])
    assert one.results().json["rows"] == [] and one.results(0, accept=CSV).body == b""
    problem(one.results(0, accept=PARQUET), 406, "not_acceptable")


TYPES = """SELECT true AS b, 7::smallint AS i2, 2147483647 AS i4, 9223372036854775807 AS i8, 1.50::numeric(10,2) AS num,
    0.1::float8 AS f8, 1.5::float4 AS f4, 'NaN'::float8 AS nan, 'Infinity'::float8 AS inf, 'täxt "q"' AS t, NULL::int AS nothing,
    '2024-02-29'::date AS d, '2024-02-29 12:30:45.123456'::timestamp AS ts, '12:30:00'::time AS tm,
    '2024-02-29 12:00:00+02'::timestamptz AS tz, '00000000-0000-4000-8000-000000000000'::uuid AS u,
    '\\xdeadbeef'::bytea AS by, '{"a":[1,2]}'::json AS j, '{"b": null}'::jsonb AS jb, ARRAY[1,NULL,3] AS arr"""


def test_values_have_the_native_form(fresh):
    job = ran(fresh, {"head.sql": TYPES})
    got = {c["name"]: (c["type"], v) for c, v in zip(job["columns"], job["rows"][0])}
    assert got["b"] == ("BOOLEAN", True) and got["i2"] == ("SMALLINT", 7) and got["i4"] == ("INTEGER", 2147483647)
    assert got["i8"] == ("BIGINT", 9223372036854775807) and got["num"] == ("DECIMAL(10,2)", "1.50")
    assert got["f8"] == ("DOUBLE", 0.1) and got["f4"] == ("FLOAT", 1.5)
    assert got["nan"][1] == "NaN" and got["inf"][1] == "Infinity"
    assert got["t"] == ("VARCHAR", 'täxt "q"') and got["nothing"] == ("INTEGER", None)
    assert got["d"] == ("DATE", "2024-02-29") and got["ts"][0] == "TIMESTAMP" and got["ts"][1].startswith("2024-02-29")
    assert got["u"] == ("UUID", "00000000-0000-4000-8000-000000000000") and got["by"] == ("BLOB", "3q2+7w==")
    assert got["tz"][0] == "TIMESTAMP WITH TIME ZONE" and "10:00:00" in got["tz"][1]
    assert got["arr"] == ("INTEGER[]", [1, None, 3])


def test_results_come_in_every_format(fresh):
    files = {"head.sql": "SELECT i AS a, 'x,' || i AS b, NULLIF(i, 2) AS c FROM generate_series(1, 3) i"}
    one = Job(fresh, files)
    one.ended()
    assert one.results().json["rows"] == [[1, "x,1", 1], [2, "x,2", None], [3, "x,3", 3]]
    a = one.results(0, accept=NDJSON)
    assert a.type.startswith(NDJSON) and [json.loads(line) for line in a.text.splitlines()][1] == {"a": 2, "b": "x,2", "c": None}
    a = one.results(accept=CSV)
    assert a.type.startswith(CSV) and list(csv.reader(io.StringIO(a.text)))[:2] == [["a", "b", "c"], ["1", "x,1", "1"]]
    a = one.results(accept=PARQUET)
    assert a.type == PARQUET and a.body[:4] == a.body[-4:] == b"PAR1"
    there = Space(fresh)
    there.table("t", a.body, PARQUET)
    assert there.rows("SELECT * FROM t ORDER BY a") == [[1, "x,1", 1], [2, "x,2", None], [3, "x,3", 3]]
    assert fresh.get(one.path("results") + "?format=csv").type.startswith(CSV)
    problem(one.results(accept="image/png"), 406, "not_acceptable")


def test_a_large_result_is_streamed_in_every_format(fresh):
    n = 60000
    one = Job(fresh, {"head.sql": f"SELECT i, md5(i::text) AS m FROM generate_series(1, {n}) i"})
    one.ended()
    got = one.results().json
    assert got["row_count"] == n and got["rows"][-1][0] == n and len(got["rows"]) == n
    assert got["results"][0]["row_count"] == len(got["results"][0]["rows"]) == n
    assert len(one.results(0, accept=NDJSON).text.splitlines()) == n
    assert len(one.results(0, accept=CSV).text.splitlines()) == n + 1


def test_caps_cut_results_and_say_so(server):
    client = server(runner__result__max_rows=10, runner__result__max_statements=3, runner__result__max_bytes=2000).client
    job = ran(client, {"head.sql": "SELECT generate_series(1, 100) AS a; SELECT repeat('x', 900) FROM generate_series(1, 9);"
                                   "SELECT 1 AS a; SELECT 2 AS a; SELECT 3 AS a;"})
    assert [bool(r.get("truncated")) for r in job["results"]] == [True, True, False]
    assert job["results"][0]["row_count"] == 10 and job["results"][0]["rows"][-1] == [10]
    assert 1 <= job["results"][1]["row_count"] <= 2
    one = Job(client, job_id=job["job_id"])
    assert one.results(0).json["truncated"] is True and len(one.results(0).json["rows"]) == 10
    problem(one.results(3), 404, "not_found")


def test_results_before_the_end_are_a_conflict(fresh):
    one = Job(fresh, {"head.sql": "SELECT pg_sleep(60)"}).at("head_execution")
    problem(one.results(), 409, "not_finished")
    problem(one.results(0), 409, "not_finished")
    assert one.cancel().status == 202
    one.ended("canceled")


def test_variables_in_the_three_forms(fresh):
    files = {"init/1.sql": 'CREATE TABLE :"name" (v text); INSERT INTO :"name" VALUES (:\'text\'), (:num);',
             "head.sql": 'SELECT v, :flag AS f FROM :"name"'}
    values = {"name": "my table", "text": "it's", "num": 42, "flag": True}
    assert rows(fresh, files, variables=values) == [["it's", True], ["42", True]]
    again = ran(fresh, files, variables={**values, "flag": False})
    assert again["snapshot"]["hit"] is True and again["rows"][0][1] is False
    other = ran(fresh, files, variables={**values, "num": 43})
    assert other["snapshot"]["hit"] is False and other["rows"][1][0] == "43"
    assert rows(fresh, {"head.sql": "SELECT :x AS x"}, variables={"x": 1.5}) == [["1.5"]]


def test_the_same_request_id_is_the_same_job(fresh):
    key = unique("request")
    one = ran(fresh, USERS, request_id=key)
    two = ran(fresh, USERS, request_id=key)
    assert one["job_id"] == two["job_id"] and one["request_id"] == key and one["rows"] == two["rows"]
    shuffled = dict(reversed(list(USERS.items())))
    assert ran(fresh, shuffled, request_id=key)["job_id"] == one["job_id"]
    problem(post(fresh, {**USERS, "head.sql": "SELECT 1"}, request_id=key), 409, "request_id_conflict")
    other = ran(Client(fresh.server, tenant=unique("tenant")), USERS, request_id=key)
    assert other["job_id"] != one["job_id"]


def test_timeouts_of_the_head_and_of_the_tail_and_users_cannot_lift_them(fresh):
    text = "SET statement_timeout = 0; DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$"
    ran(fresh, {"head.sql": "SELECT 1"})
    ran(fresh, USERS)
    errors = in_parallel(
        lambda: failed(fresh, {**USERS, "head.sql": "SELECT pg_sleep(60)"}, "timeout", "head_execution", timeout_ms=6000),
        lambda: failed(fresh, {"init/1.sql": "SELECT pg_sleep(60)", "head.sql": "SELECT 1"}, "timeout", "tail_replay", timeout_ms=6000),
        lambda: failed(fresh, {"head.sql": text}, "timeout", "head_execution", timeout_ms=6000))
    assert [error["sqlstate"] for error in errors[:2]] == ["57014"] * 2
    assert ran(fresh, USERS)["snapshot"]["hit"] is True, "the layer of the tail is kept"


def test_cancel_ends_the_instance(fresh, shared):
    one = Job(fresh, {"head.sql": "CREATE TABLE t (a int); SELECT pg_sleep(60)"}).at("head_execution")
    busy = json.loads(fresh.get("/readyz").body)["runner"]["instances_busy"]
    assert busy >= 1 and instances(shared)
    a = one.cancel()
    assert a.status == 202 and a.json["job_id"] == one.id
    job = one.ended("canceled")
    assert job["error"]["code"] == "canceled" and job["finished_at"]
    again = one.cancel()
    assert again.status == 200 and again.json["status"] == "canceled" and again.json["finished_at"] == job["finished_at"]
    until(lambda: json.loads(fresh.get("/readyz").body)["runner"]["instances_busy"] < busy, "the instance to be gone")


def test_cancel_of_what_has_ended_changes_nothing(fresh):
    job = ran(fresh, USERS)
    a = Job(fresh, job_id=job["job_id"]).cancel()
    assert a.status == 200 and a.json["status"] == "completed"


def test_unknown_jobs_and_wrong_verbs(fresh):
    one = Job(fresh, job_id=UNKNOWN)
    for a in (one.get(), one.logs(), one.results(), one.results(0), one.cancel(), one.extend(9), one.delete(),
              one.append({"a.sql": "x"}), one.run(), fresh.get(one.path("logs"), Accept="text/event-stream")):
        problem(a, 404, "not_found")
    a = fresh.get(one.path("cancel"))
    problem(a, 405, "method_not_allowed")
    assert "POST" in a.headers["Allow"]
    problem(fresh.get("/v1/jobs/nonsense"), 404, "not_found")


def test_jobs_are_listed_newest_first(fresh):
    ids = [ran(fresh, {"head.sql": f"SELECT {i}"})["job_id"] for i in range(5)]
    found, after = [], ""
    while True:
        a = fresh.get("/v1/jobs?limit=2" + after)
        assert a.status == 200 and len(a.json["items"]) <= 2
        found += a.json["items"]
        if not a.json["next"]:
            break
        after = "&after=" + a.json["next"]
    assert sorted(j["job_id"] for j in found) == sorted(ids)
    times = [j["created_at"] for j in found]  # those of one millisecond come in any order
    assert times == sorted(times, reverse=True)
    assert all(j["status"] == "completed" and not j.get("rows") for j in found)
    problem(fresh.get("/v1/jobs?limit=0"), 400, "invalid_field")


def test_a_deleted_job_is_gone_with_its_artifacts(fresh):
    one = Job(fresh, USERS)
    one.ended()
    assert one.delete().status == 204
    for a in (one.get(), one.logs(), one.results(), one.delete()):
        assert a.status in (404, 410), a
    assert fresh.get("/v1/jobs").json["items"] == []
    running = Job(fresh, {"head.sql": "SELECT pg_sleep(60)"}).at("head_execution")
    assert running.delete().status == 204
    assert running.get().status in (404, 410)


def test_a_job_expires_and_its_layer_stays_as_pinned(server):
    one = server()
    client = one.client
    job = ran(client, USERS, job_ttl=60, snapshot_ttl=3600)
    handle = Job(client, job_id=job["job_id"])
    assert 59 < seconds(job["expires_at"]) - seconds(job["created_at"]) < 120
    client.advance(120)
    until(lambda: handle.get().status != 200, "the job to expire")
    for a in (handle.get(), handle.logs(), handle.results(), handle.extend(60), handle.append({"a": "b"}), handle.cancel()):
        problem(a, 410, "job_expired")
    assert job["snapshot"]["layer_id"] in layers(client)
    assert ran(client, USERS)["snapshot"]["hit"] is True


def test_extending_within_the_tenants_cap(server):
    client = server(tenants__job_ttl_seconds=7200).client
    one = Job(client, job_id=ran(client, USERS, job_ttl=60)["job_id"])
    a = one.extend(3600)
    assert a.status == 200 and abs(seconds(a.json["expires_at"]) - seconds(a.json["created_at"]) - 3600) < 60
    client.advance(120)
    assert one.get().status == 200
    problem(one.extend(7201), 403, "plan_limit")
    problem(one.extend(0), 400, "invalid_field")
    problem(one.request("extend", {}), 400, "invalid_field")
    problem(post(client, USERS, job_ttl=7201), 403, "plan_limit")


def test_isolation_and_determinism(fresh):
    one = ran(fresh, {**USERS, "head.sql": "SELECT count(*) FROM users"}, isolation="private")
    assert one["rows"] == [[2]]
    told = ran(fresh, {"init/1.sql": "CREATE TABLE r AS SELECT random() AS x", "head.sql": "SELECT count(*) FROM r"}, verify=True)
    same = ran(fresh, {"init/1.sql": "CREATE TABLE r AS SELECT 1 AS x", "head.sql": "SELECT count(*) FROM r"}, verify=True)
    assert told["snapshot"]["deterministic"] == "no" and same["snapshot"]["deterministic"] == "yes"
    unsure = ran(fresh, {"init/1.sql": "CREATE TABLE r AS SELECT random() AS x", "init/2.sql": "SELECT 1", "head.sql": "SELECT 1"})
    assert unsure["snapshot"]["deterministic"] in ("unverified", "no")


@pytest.mark.parametrize("text", [
    "SELECT set_config('transaction_read_only', 'off', false)", "SET TRANSACTION READ WRITE", "SELECT nextval('s')",
    "SELECT lo_create(0)", "SELECT pg_advisory_lock(1)", "WITH x AS (DELETE FROM users RETURNING id) SELECT count(*) FROM x",
    "SELECT * FROM users FOR UPDATE", "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT bump()", "SET ROLE postgres"])
def test_whatever_a_head_does_the_next_sees_the_layer(fresh, text):
    files = {**USERS, "init/2.sql": "CREATE SEQUENCE s; CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS "
                                    "$$ UPDATE users SET name = 'x' RETURNING id $$;"}
    ran_any = post(fresh, {**files, "head.sql": text})
    assert ran_any.status == 200 and ran_any.json["status"] in ("completed", "failed"), ran_any
    assert rows(fresh, {**files, "head.sql": "SELECT (SELECT string_agg(name, ',' ORDER BY id) FROM users), nextval('s'),"
                                             "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"}) == [["Ada,Grace", 1, 0]]


def test_tenants_never_meet(shared):
    one, two = Client(shared, tenant=unique("t")), Client(shared, tenant=unique("t"))
    mine, theirs = ran(one, USERS), ran(two, USERS)
    assert mine["snapshot"]["layer_id"] != theirs["snapshot"]["layer_id"] and theirs["snapshot"]["hit"] is False
    handle = Job(two, job_id=mine["job_id"])
    for a in (handle.get(), handle.logs(), handle.results(), handle.cancel(), handle.extend(5), handle.delete()):
        problem(a, 404, "not_found")
    assert [j["job_id"] for j in two.get("/v1/jobs").json["items"]] == [theirs["job_id"]]
    assert set(layers(one)).isdisjoint(layers(two))
    problem(two.request("DELETE", "/v1/layers/" + mine["snapshot"]["layer_id"]), 404, "not_found")
    assert planned(two, {**USERS, "seed/2.sql": "SELECT 1"})["nearest"]["layer_id"] == theirs["snapshot"]["layer_id"]


def test_a_request_is_correlated(fresh):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    a = post(fresh, USERS, headers={"X-Request-Id": "corr-1", "traceparent": trace})
    assert a.status == 200 and a.headers["X-Request-Id"] == "corr-1"
    a = post(fresh, USERS, telemetry_context={"traceparent": trace, "tracestate": "a=b"})
    assert a.status == 200 and a.json["status"] == "completed"


def test_logs_and_server_log_have_no_user_data(server):
    one = server()
    secret, value = "needle_in_rows_7341", "needle_in_vars_9921"
    files = {"init/1.sql": f"CREATE TABLE t AS SELECT '{secret}' AS a", "head.sql": "SELECT a, :'v' FROM t; SELECT 1/0 FROM t WHERE a = :'v' OR true"}
    job = ran(one.client, files, status="failed", variables={"v": value})
    assert job["error"]["sqlstate"] == "22012"
    lines = json.dumps(Job(one.client, job_id=job["job_id"]).lines())
    for text in (secret, value):
        assert text not in lines and text not in one.stderr()
    until(lambda: job["job_id"] in json.dumps(listed(one.client)), "the job to be audited")
    told = json.dumps(listed(one.client))
    assert secret not in told and value not in told


def test_documents_have_every_member(fresh):
    assert set(fresh.get("/v1/jobs/" + ran(fresh, USERS)["job_id"]).json) >= JOB


def test_the_tree_may_come_by_etag(fresh):
    content = b"CREATE TABLE by_blob (a int)"
    assert fresh.request("PUT", "/v1/blobs/" + tree({"x": content})["x"]["etag"], content).status == 204
    assert rows(fresh, {"init/1.sql": content, "head.sql": "SELECT count(*) FROM by_blob"}) == [[0]]
