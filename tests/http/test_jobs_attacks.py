"""What SQL of users must not do to the server, and to others."""
import pytest

from chain import failed, plan, problem, ran, rows
from mayfly import until


def most_memory(server):
    """Of the server, in MB, since begin_measuring()."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


def begin_measuring(server):
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")  # the mark of the most memory begins anew


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


def test_a_large_row_leaves_no_room_behind(fresh):
    files = {"init/1.sql": "CREATE TABLE t (i int)"}
    for n in range(4):
        job = ran(fresh, {**files, "head.sql": f"SELECT repeat('x', {50000000 + n})"})
        assert job["rows"] == [] and job["results"][0]["truncated"] is True
    begin_measuring(fresh.server)
    assert rows(fresh, {**files, "head.sql": "SELECT 2"}) == [[2]]
    assert most_memory(fresh.server) < 120


def test_notices_and_notifications_without_end_are_not_kept(fresh):
    head = ("LISTEN x; DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_notify('x', i || repeat('y', 7000)); END LOOP; END $$;"
            "DO $$ BEGIN FOR i IN 1..200 LOOP RAISE NOTICE '%', repeat('x', 1000000); END LOOP; END $$; SELECT 1")
    begin_measuring(fresh.server)
    assert ran(fresh, {"init/1.sql": "CREATE TABLE t (i int)", "head.sql": head})["rows"] == [[1]]
    assert most_memory(fresh.server) < 150


DOUBLED = "\\set x aaaaaaaaaaaaaaaa\n" + "\\set x :x:x\n" * 60


def test_variables_that_double_cost_a_plan_nothing(fresh):
    files = {"init/1.sql": DOUBLED, "init/2.sql": "\\set y :x:x:x:x\n" * 3000 + "SELECT 1", "head.sql": DOUBLED + "SELECT 1"}
    begin_measuring(fresh.server)
    given = {"x": "b" * 900000}
    assert plan(fresh, files, variables=given).status == 200
    assert failed(fresh, files, "syntax_error", "tail_replay", variables=given)["message"] == "variable x: its value is too long"
    assert most_memory(fresh.server) < 500


def test_names_that_are_not_known_yet_count_all_files_once(fresh):
    files = {f"data/{i}{'x' * 200}.csv": "1" for i in range(1000)}
    files["init/1.sql"] = "SELECT 'data/1.csv' AS x \\gset\n" + "\\if false\n\\i :x\n\\endif\n" * 5000
    begin_measuring(fresh.server)
    assert plan(fresh, {**files, "head.sql": "SELECT 1"}).status == 200
    assert most_memory(fresh.server) < 500


def test_files_that_ask_often_and_are_included_often_are_refused(fresh):
    files = {"init/1.sql": "\\i 1.sql\n" * 1000, "1.sql": "\\i 2.sql\n" * 90, "2.sql": "\\set a b\n" * 10000, "head.sql": "SELECT 1"}
    problem(plan(fresh, files), 422, "include_cycle")


def test_statements_of_large_variables_are_not_held_at_once(fresh):
    files = {"init/1.sql": "CREATE TABLE t (i int)", "head.sql": "SELECT length(:'x' || :'x' || :'x' || :'x');\n" * 60}
    begin_measuring(fresh.server)
    job = ran(fresh, files, variables={"x": "b" * 1000000})
    assert len(job["results"]) == 60 and job["rows"] == [[4000000]]
    assert most_memory(fresh.server) < 300


def test_large_results_leave_no_memory_behind(server):
    one = server()
    files = {"init/1.sql": "CREATE TABLE t (i int)"}
    for n in range(2):  # by turns on the shared instance and on one of its own
        text = ("CREATE TABLE q ();" if n % 2 else "") + f"SELECT repeat('x', 1000) FROM generate_series(1, {15000 + n});\n" * 12
        job = ran(one.client, {**files, "head.sql": text})
        assert job["results"][11 + n % 2]["truncated"] is True and not job["results"][n % 2].get("truncated"), n
        del job
    ran(one.client, {**files, "head.sql": "SELECT 1"})
    until(lambda: begin_measuring(one) or most_memory(one) < 600, "memory to be given back")
