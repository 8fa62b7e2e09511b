"""POST /v1/plan: what a job would find, without running anything."""
from chain import USERS, Job, failed, layers, plan, planned, problem, ran
from mayfly import unique

CHAIN = {"init/1.sql": "CREATE TABLE a (x int)", "init/2.sql": "INSERT INTO a VALUES (1)", "m/1.sql": "INSERT INTO a VALUES (2)",
         "z.sql": "TABLE a"}


def test_a_plan_of_nothing_known(fresh):
    p = planned(fresh, CHAIN, "z.sql")
    assert set(p) >= {"tail_hash", "steps", "nearest", "first_difference"}
    assert [s["path"] for s in p["steps"]] == ["init/1.sql", "init/2.sql", "m/1.sql"]
    assert all(set(s) >= {"path", "hash", "hit"} and len(s["hash"]) == 64 and s["hit"] is False for s in p["steps"])
    assert p["tail_hash"] == p["steps"][-1]["hash"] and len({s["hash"] for s in p["steps"]}) == 3
    assert p["nearest"] is None


def test_a_plan_runs_nothing(fresh):
    planned(fresh, {**CHAIN, "init/1.sql": "broken broken"}, "z.sql", request_id=unique("r"), webhooks=[{"url": "http://127.0.0.1:1/"}])
    assert fresh.get("/v1/jobs").json["items"] == [] and layers(fresh) == {}


def test_a_plan_sees_what_jobs_built(fresh):
    job = ran(fresh, CHAIN, "z.sql")
    p = planned(fresh, CHAIN, "z.sql")
    assert p["tail_hash"] == job["snapshot"]["tail_hash"] == p["nearest"]["layer_id"] and p["first_difference"] is None
    assert p["steps"][-1]["hit"] is True and p["steps"][1]["hit"] is True, "the end of a folder and the tail's are layers"
    changed = planned(fresh, {**CHAIN, "m/1.sql": "INSERT INTO a VALUES (3)"}, "z.sql")
    assert [s["hash"] for s in changed["steps"]][:2] == [s["hash"] for s in p["steps"]][:2]
    assert [s["hit"] for s in changed["steps"]][1:] == [True, False] and changed["nearest"]["layer_id"] == p["steps"][1]["hash"]
    assert changed["first_difference"]["path"] == "m/1.sql" and changed["first_difference"]["reason"] == "content_changed"
    assert ran(fresh, {**CHAIN, "m/1.sql": "INSERT INTO a VALUES (3)"}, "z.sql")["snapshot"]["steps_reused"] == 2


def test_hashes_are_the_same_every_time_and_on_every_server(fresh, server):
    one = planned(fresh, CHAIN, "z.sql")
    assert planned(fresh, CHAIN, "z.sql") == one
    other = server().as_tenant(fresh.headers["X-Mayfly-Tenant"])
    assert planned(other, CHAIN, "z.sql")["tail_hash"] == one["tail_hash"]


def test_fields_join_to_no_other_tree(fresh):
    one = planned(fresh, {"ab.sql": "SELECT 1", "z.sql": "SELECT 1"}, "z.sql")["tail_hash"]
    two = planned(fresh, {"a.sql": "b.sqlSELECT 1", "z.sql": "SELECT 1"}, "z.sql")["tail_hash"]
    three = planned(fresh, {"a.sql": "SELECT 1", "b.sql": "SELECT 1", "z.sql": "SELECT 1"}, "z.sql")["tail_hash"]
    assert len({one, two, three}) == 3


def test_a_plan_without_a_tail(fresh):
    p = planned(fresh, {"z.sql": "SELECT 1"}, "z.sql")
    assert p["steps"] == [] and len(p["tail_hash"]) == 64


def test_includes_count_wherever_they_are(fresh):
    files = {"init/1.sql": "\\ir lib/a.txt\nSELECT 1", "init/lib/a.txt": "\\i lib/b.txt", "lib/b.txt": "SELECT 2", "z.sql": "SELECT 3"}
    base = planned(fresh, files, "z.sql")["tail_hash"]
    assert planned(fresh, {**files, "lib/b.txt": "SELECT 22"}, "z.sql")["tail_hash"] != base
    assert planned(fresh, {**files, "unused.txt": "x"}, "z.sql")["tail_hash"] == base
    spelled = planned(fresh, {**files, "init/1.sql": "\\i init/lib/a.txt\nSELECT 1"}, "z.sql")["tail_hash"]
    assert spelled == base, "an include spelled in another way is the same"


def test_a_missing_variable_and_one_in_an_if(fresh):
    problem(plan(fresh, {"init/1.sql": "SELECT :v", "z.sql": "SELECT 1"}, "z.sql"), 422, "missing_variable")
    files = {"init/1.sql": "\\if :{?v}\nSELECT :v;\n\\else\nSELECT 0;\n\\endif\n", "z.sql": "SELECT 1"}
    assert planned(fresh, files, "z.sql")["tail_hash"] != planned(fresh, files, "z.sql", variables={"v": 1})["tail_hash"]


def test_a_plan_needs_a_head(fresh):
    assert "head_path" in problem(plan(fresh, USERS, None), 400, "invalid_field")["detail"]
    problem(plan(fresh, {}, "head.sql"), 422, "empty_project")


def test_a_failing_tail_is_no_layer(fresh):
    files = {**CHAIN, "m/1.sql": "SELECT 1/0"}
    failed(fresh, files, "sql_error", "tail_replay", head="z.sql")
    p = planned(fresh, files, "z.sql")
    assert p["steps"][-1]["hit"] is False
    assert Job(fresh, job_id=fresh.get("/v1/jobs").json["items"][0]["job_id"]).document["status"] == "failed"
