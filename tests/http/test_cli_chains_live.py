"""Live: `mayfly run`, `plan`, `jobs` and `layers` against a real server and a real PostgreSQL."""
import json
import os
import re
import signal
import subprocess

import pytest

from mayfly import BINARY, PATIENCE, mayfly, unique, until

FILES = {
    "init/1.sql": "create table t (id int primary key, word text not null);\n\\i lib/fill.psql\n",
    "lib/fill.psql": "insert into t select i, 'word ' || i from generate_series(1, 100) as i;\n",
    "migrations/1.sql": "alter table t add column size int not null default 0;\n",
    "migrations/2.sql": "\\copy t from 'rows.csv' with (format csv)\n",
    "rows.csv": "".join(f"{i},from a file,{i}\n" for i in range(1001, 9001)),
    "test/count.sql": "select count(*) as n, sum(size) as size from t;\n",
    "test/write.sql": "do $$ begin raise notice 'mind %', 'this'; end $$;\nupdate t set size = 1 where id <= :most returning id;\ndelete from t;\n",
}


@pytest.fixture
def project(tmp_path):
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.fixture
def cli(shared):
    """cli(*arguments): the command line for a tenant of its own on the shared server."""
    env = {"MAYFLY_URL": shared.url(), "MAYFLY_TENANT": unique("chain")}

    def run(*args, code=0, **more):
        done = mayfly(*args, env={**env, **more.pop("env", {})}, timeout=120, **more)
        assert done.returncode == code, done
        run.said = done.stderr
        return done.stdout

    run.env = env
    return run


def test_a_chain_is_run_once_and_its_head_each_time(cli, project):
    def count(reused, how):
        out = cli("run", str(project), "--head", "test/count.sql").splitlines()
        assert out[2].split() == ["8100", "|", str(sum(range(1001, 9001)))] and out[3] == "(1 row)"
        assert f"{how}, {reused} of 3 steps reused" in cli.said

    count(0, "miss")
    count(3, "hit")
    out = cli("run", str(project), "--head", "test/write.sql", "--var", "most=3")
    assert "NOTICE:  mind this" in cli.said and "hit" in cli.said
    assert [line.strip() for line in out.splitlines()] == ["DO", "", "id", "--", "1", "2", "3", "(3 rows)", "", "DELETE 8100"]
    count(3, "hit")  # nothing of it stays
    (project / "migrations" / "2.sql").write_text(FILES["migrations/2.sql"] + "-- changed\n")
    count(2, "miss")


def test_a_plan_before_and_after(cli, project):
    def plan():
        lines = [line.split(" | ") for line in cli("plan", str(project), "--head", "test/count.sql").splitlines()]
        return [(cells[0].strip(), cells[2]) for cells in lines if len(cells) == 3][1:], cli("plan", str(project), "--head", "test/count.sql")

    steps = ["init/1.sql", "migrations/1.sql", "migrations/2.sql"]
    assert plan()[0] == [(path, "miss") for path in steps]
    cli("run", str(project), "--head", "test/count.sql")
    assert plan()[0] == [(path, "hit") for path in steps] and "first difference" not in plan()[1]
    (project / "migrations" / "1.sql").write_text("alter table t add column size int not null default 5;\n")
    told, text = plan()
    assert told == [("init/1.sql", "hit"), ("migrations/1.sql", "miss"), ("migrations/2.sql", "miss")]
    assert "first difference: migrations/1.sql: content_changed" in text


def test_errors_are_shown_where_they_are(cli, project):
    (project / "test" / "wrong.sql").write_text("select 1;\nselect 'é',\n\twword from t;\n")
    cli("run", str(project), "--head", "test/wrong.sql", code=1)
    assert 'mayfly: test/wrong.sql:3:2: column "wword" does not exist (SQLSTATE 42703)' in cli.said
    assert cli.said.splitlines()[1:3] == ["          wword from t;", "          ^"] and "hint: " in cli.said
    (project / "lib" / "fill.psql").write_text("insert into t\nvalues (1, 'a'), (1, 'b');\n")
    cli("run", str(project), "--head", "test/count.sql", code=3)
    assert "mayfly: lib/fill.psql:1" in cli.said and "SQLSTATE 23505" in cli.said and "detail: Key (id)=(1)" in cli.said
    (project / "lib" / "fill.psql").write_text("select 'open\n")
    cli("run", str(project), "--head", "test/count.sql", code=3)
    assert "mayfly: lib/fill.psql:1:8: " in cli.said and "^" in cli.said
    cli("plan", str(project), "--head", "test/count.sql", code=3)
    assert "mayfly: lib/fill.psql:1:8: " in cli.said


def test_a_timeout_has_a_code_of_its_own(cli, project):
    (project / "test" / "slow.sql").write_text("select pg_sleep(60);\n")
    cli("run", str(project), "--head", "test/count.sql")  # its tail is there
    cli("run", str(project), "--head", "test/slow.sql", "--timeout", "6", code=4)
    assert "57014" in cli.said


def test_ctrl_c_cancels(cli, project):
    (project / "test" / "slow.sql").write_text("select pg_sleep(600);\n")
    with subprocess.Popen([BINARY, "run", str(project), "--head", "test/slow.sql", "--timeout", "600"], env={**os.environ, **cli.env},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        until(lambda: "head_execution" in cli("jobs"), "the head to run")
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 130 and "canceled" in err
    until(lambda: "canceled" in cli("jobs"), "the cancel")


def test_formats_jobs_and_layers(cli, project):
    assert cli("run", str(project), "--head", "test/count.sql", "--format", "csv") == f"n,size\n8100,{sum(range(1001, 9001))}\n"
    assert json.loads(cli("run", str(project), "--head", "test/count.sql", "--format", "ndjson"))["n"] == 8100
    job = json.loads(cli("run", str(project), "--head", "test/count.sql", "--format", "json", "--isolation", "private", "--verify"))
    assert job["status"] == "completed" and job["snapshot"]["deterministic"] == "yes"
    assert json.loads(cli("jobs", "get", job["job_id"]))["job_id"] == job["job_id"]
    assert job["job_id"] in cli("jobs") and "head_execution" in cli("jobs", "logs", job["job_id"])
    assert cli("jobs", "logs", "-f", job["job_id"]) == cli("jobs", "logs", job["job_id"])
    layers = cli("layers")
    assert job["snapshot"]["layer_id"] in layers and "migrations/2.sql" in layers
    cli("jobs", "drop", job["job_id"])
    cli("jobs", "get", job["job_id"], code=1)


def test_watch_reuses_what_is_before_the_change(cli, project):
    with subprocess.Popen([BINARY, "run", str(project), "--head", "test/count.sql", "--watch"], env={**os.environ, **cli.env},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert "0 of 3 steps reused" in p.stderr.readline() and "waiting" in p.stderr.readline()
        (project / ".new").write_text(FILES["migrations/2.sql"] + "delete from t where id > 1000;\n")
        (project / ".new").rename(project / "migrations" / "2.sql")  # it is never seen half written
        assert "2 of 3 steps reused" in p.stderr.readline()
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=PATIENCE)
    assert p.returncode == 130 and re.findall(r"^ *(\d+) \|", out, re.M) == ["8100", "100"]
