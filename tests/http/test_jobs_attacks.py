"""What SQL of users must not do to the server, and to others."""
import pytest

from chain import failed, plan, problem, ran, rows
from mayfly import MIB, SANITIZED, memory, until


def measured(server, call):
    """What the call answers, and by how many MiB the server had more memory meanwhile, at most, than it had before."""
    pid = server.process.pid
    before = memory(pid, "VmRSS")
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")  # the mark of the most memory begins anew
    answer = call()
    return answer, (memory(pid, "VmHWM") - before) // MIB


@pytest.fixture
def alone(server):
    """The server of this test, which has run a job before."""
    one = server()
    ran(one.client, {"init/1.sql": "CREATE TABLE t (i int)", "head.sql": "SELECT 1"})
    return one


@pytest.mark.parametrize("lock", ["ALTER ROLE app NOLOGIN", "REVOKE ALL ON DATABASE app FROM app, public",
                                  "ALTER ROLE app SET local_preload_libraries = 'nowhere'"])
def test_a_tail_that_locks_itself_out_is_told_why(fresh, lock):
    error = failed(fresh, {"init/1.sql": lock, "head.sql": "SELECT 1"}, "engine_unreachable", "instance_boot")
    assert "PostgreSQL" in error["message"] and "\0" not in error["message"], error


def test_who_reads_neither_ends_nor_watches_others(fresh):
    tail = {"init/1.sql": "CREATE FUNCTION ends() RETURNS bool LANGUAGE sql AS 'SELECT pg_terminate_backend(pg_backend_pid())';"
                          "CREATE FUNCTION stops() RETURNS bool LANGUAGE sql AS 'SELECT pg_cancel_backend(pg_backend_pid())';"
                          "CREATE VIEW activity AS SELECT query FROM pg_stat_activity WHERE query LIKE '%activity%';"}
    for call in ("ends()", "stops()"):
        assert failed(fresh, {**tail, "head.sql": f"SELECT {call}"}, "sql_error", "head_execution")["sqlstate"] == "42501"
    assert rows(fresh, {**tail, "head.sql": "SELECT * FROM activity"}) == []


def test_a_large_row_leaves_no_room_behind(alone):
    files = {"init/1.sql": "CREATE TABLE t (i int)"}
    before = memory(alone.process.pid, "VmRSS")
    for n in range(3):
        job = ran(alone.client, {**files, "head.sql": f"SELECT repeat('x', {200000000 + n})"})
        assert job["rows"] == [] and job["results"][0]["truncated"] is True
    assert rows(alone.client, {**files, "head.sql": "SELECT 2"}) == [[2]]
    until(lambda: memory(alone.process.pid, "VmRSS") - before < 125 * MIB, "the room of the rows to be given back")  # half of one's


def test_notices_and_notifications_without_end_are_not_kept(alone):
    head = ("LISTEN x; DO $$ BEGIN FOR i IN 1..40000 LOOP PERFORM pg_notify('x', i || repeat('y', 7000)); END LOOP; END $$;"
            "DO $$ BEGIN FOR i IN 1..400 LOOP RAISE NOTICE '%', repeat('x', 1000000); END LOOP; END $$; SELECT 1")
    job, more = measured(alone, lambda: ran(alone.client, {"init/1.sql": "CREATE TABLE t (i int)", "head.sql": head}))
    assert job["rows"] == [[1]]
    assert SANITIZED or more < 250  # there were 680


DOUBLED = "\\set x aaaaaaaaaaaaaaaa\n" + "\\set x :x:x\n" * 60


def test_variables_that_double_cost_a_plan_nothing(alone):
    fresh = alone.client
    files = {"init/1.sql": DOUBLED, "init/2.sql": "\\set y :x:x:x:x\n" * 3000 + "SELECT 1", "head.sql": DOUBLED + "SELECT 1"}
    given = {"x": "b" * 900000}
    error, more = measured(alone, lambda: plan(fresh, files, variables=given).status == 200
                           and failed(fresh, files, "syntax_error", "tail_replay", variables=given))
    assert error["message"] == "variable x: its value is too long"
    assert SANITIZED or more < 2000  # 3,000 lines of four times 900,000 bytes are 10,800


def test_names_that_are_not_known_yet_count_all_files_once(alone):
    files = {f"data/{i}{'x' * 200}.csv": "1" for i in range(1000)}
    files["init/1.sql"] = "SELECT 'data/1.csv' AS x \\gset\n" + "\\if false\n\\i :x\n\\endif\n" * 5000
    a, more = measured(alone, lambda: plan(alone.client, {**files, "head.sql": "SELECT 1"}))
    assert a.status == 200
    assert SANITIZED or more < 400  # 5,000 times 1,000 names of 200 bytes are 1,000


def test_files_that_ask_often_and_are_included_often_are_refused(fresh):
    files = {"init/1.sql": "\\i 1.sql\n" * 1000, "1.sql": "\\i 2.sql\n" * 90, "2.sql": "\\set a b\n" * 10000, "head.sql": "SELECT 1"}
    problem(plan(fresh, files), 422, "include_cycle")


def test_statements_of_large_variables_are_not_held_at_once(alone):
    files = {"init/1.sql": "CREATE TABLE t (i int)", "head.sql": "SELECT length(:'x' || :'x' || :'x' || :'x');\n" * 120}
    job, more = measured(alone, lambda: ran(alone.client, files, variables={"x": "b" * 1000000}))
    assert len(job["results"]) == 120 and job["rows"] == [[4000000]]
    assert SANITIZED or more < 200  # 120 of 4 are 480


def test_large_results_leave_no_memory_behind(alone):
    files = {"init/1.sql": "CREATE TABLE t (i int)"}
    for n in range(2):  # by turns on the shared instance and on one of its own
        text = ("CREATE TABLE q ();" if n % 2 else "") + f"SELECT repeat('x', 1000) FROM generate_series(1, {15000 + n});\n" * 12
        job = ran(alone.client, {**files, "head.sql": text})
        assert job["results"][11 + n % 2]["truncated"] is True and not job["results"][n % 2].get("truncated"), n
        del job
    ran(alone.client, {**files, "head.sql": "SELECT 1"})
    until(lambda: memory(alone.process.pid, "VmRSS") < 300 * MIB, "memory to be given back")  # two jobs of 180
