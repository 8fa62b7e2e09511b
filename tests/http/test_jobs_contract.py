"""The job's document to the contract's letter: members that are there at any time, and what a reader who has only the contract sends."""
from chain import JOB, USERS, Job, ran

ERROR = {"code", "message", "sqlstate", "position", "line", "path", "detail", "hint"}


def test_a_document_has_its_members_before_the_job_ends(fresh):
    waits = Job(fresh).document
    assert set(waits) >= JOB, JOB - set(waits)
    assert (waits["columns"], waits["rows"], waits["results"]) == (None, None, [])


def test_an_error_has_its_members_null_where_nothing_is_known(fresh):
    inside = ran(fresh, {"head.sql": "SELECT 1 / 0"}, status="failed")["error"]
    assert set(inside) >= ERROR, ERROR - set(inside)
    assert inside["sqlstate"] == "22012" and inside["position"] is inside["detail"] is inside["hint"] is None
    before = ran(fresh, {"head.sql": "SELECT 'x"}, status="failed")["error"]
    assert set(before) >= ERROR, ERROR - set(before)
    assert before["sqlstate"] is None and before["position"] == 8


def test_parts_may_be_numbered(fresh):
    one = Job(fresh)
    for part, count in ((1, 1), (1, 1), (2, 2)):
        a = one.append(USERS, part=part)
        assert a.status == 200 and a.json["parts"] == count, a
    assert one.append({"head.sql": "SELECT 1"}, part=2).json["code"] == "part_conflict"
    for part in (-1, 1.5, True, []):
        assert one.append(USERS, part=part).json["code"] == "invalid_field", part
    assert one.run().json["rows"] == [[1, "Ada"], [2, "Grace"]]


def test_statements_beyond_the_cap_are_told(server):
    client = server(runner__result__max_statements=2).client
    assert "truncated" not in ran(client, {"head.sql": "SELECT 1; SELECT 2"})
    job = ran(client, {"head.sql": "CREATE TABLE a (); SELECT 2; SELECT 3; SELECT 4"})
    assert [r["command_tag"] for r in job["results"]] == ["CREATE TABLE", "SELECT 1"] and job["truncated"] is True
    assert [line["stage"] for line in Job(client, job_id=job["job_id"]).lines() if line["level"] == "warn"] == ["head_execution"]


def test_the_log_tells_of_transactions_that_files_leave_open_and_of_notices_without_their_text(fresh):
    files = {"init/1.sql": "BEGIN; CREATE TABLE a (i int); DO $$BEGIN RAISE WARNING 'secret'; END$$", "head.sql": "BEGIN; CREATE TABLE b ()"}
    lines = Job(fresh, job_id=ran(fresh, files)["job_id"]).lines()
    told = [(line["stage"], line["message"]) for line in lines if line["level"] in ("warn", "notice")]
    left = "the file leaves a transaction open: it is rolled back"
    assert told == [("tail_replay", "WARNING 01000"), ("tail_replay", left), ("head_execution", left)], lines


def test_time_zones_are_there(fresh):
    job = ran(fresh, {"head.sql": "SELECT count(*) > 300, bool_or(name = 'Europe/Berlin') FROM pg_timezone_names; SHOW timezone"})
    assert job["results"][0]["rows"] == [[True, True]] and job["rows"] == [["UTC"]]
