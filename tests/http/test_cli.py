"""The command line: what it prints, and the exit codes scripts rely on."""
import csv
import io
import json
import os
import re
import signal
import subprocess

import pytest

from mayfly import BINARY, PATIENCE, Server, free_port, mayfly, unique, until

LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"


@pytest.fixture
def sql(shared):
    """sql(*arguments): `mayfly sql` against the shared server."""
    return lambda *args, **more: mayfly("sql", "--url", shared.url(), *args, **more)


def test_a_table_is_printed(sql):
    done = sql("select 1 as a, 'x' as b, null as c union all select 20, 'yy', 3")
    assert done.returncode == 0
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert lines[0] == ["a", "b", "c"] and ["1", "x", "NULL"] in lines and ["20", "yy", "3"] in lines
    assert set(done.stdout.splitlines()[1]) == {"-", "+"}
    assert "2 rows" in done.stderr and "rows" not in done.stdout


def test_a_result_is_printed_as_json(sql):
    done = sql("--format", "json", "select 1 as a, 'é' as b")
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"] == [[1, "é"]]


def test_a_result_is_printed_as_csv(sql):
    done = sql("--format", "csv", "select 1 as a, 'x,\"y' as b")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["a", "b"], ["1", 'x,"y']]


def test_a_result_is_printed_as_ndjson(sql):
    done = sql("--format", "ndjson", "select i as a from range(3) t(i)")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_a_large_result_is_printed_whole(sql):
    done = sql("--format", "csv", "select i from range(50000) t(i)")
    assert done.returncode == 0 and done.stdout.split()[1:] == [str(i) for i in range(50000)]


def test_a_statement_is_read_from_standard_input(sql):
    assert json.loads(sql("--format", "json", stdin="select 40 + 2\n  as a -- c\n").stdout)["rows"] == [[42]]
    assert json.loads(sql("--format", "json", "-f", "-", stdin="select 7").stdout)["rows"] == [[7]]


def test_a_statement_is_read_from_a_file(sql, tmp_path):
    file = tmp_path / "query.sql"
    file.write_text("select 42 as a;\n")
    assert json.loads(sql("--format", "json", "-f", str(file)).stdout)["rows"] == [[42]]
    assert sql("-f", str(tmp_path / "nope.sql")).returncode in (1, 2)


def test_snowflakes_dialect_is_chosen(sql):
    done = sql("--snowflake", "--format", "json", "select 1 as a, 'x'::string as b")
    assert done.returncode == 0 and [c["name"] for c in json.loads(done.stdout)["columns"]] == ["A", "B"]


def test_a_script_in_snowflakes_dialect_prints_each_result(sql, tmp_path):
    file = tmp_path / "script.sql"
    name = unique("script")
    file.write_text(f"create table {name} (id int);\nbegin; insert into {name} values (1), (2); commit;\nselect sum(id) as s from {name};\n")
    done = sql("--snowflake", "--format", "ndjson", "-f", str(file))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0] == {"status": f"Table {name.upper()} successfully created."}
    assert str(rows[2]["number of rows inserted"]) == "2" and str(rows[4]["S"]) == "3"
    assert "5 statements" in done.stderr


def test_a_script_ends_at_its_first_failure(sql):
    done = sql("--snowflake", "select 1; select 1/0; select 2")
    assert done.returncode == 1 and "Division by zero" in done.stderr


def test_a_context_is_for_snowflakes_dialect(sql):
    done = sql("--snowflake", "--format", "json", "--database", "shop", "--schema", "public", "select current_database() as d, current_schema() as s")
    assert json.loads(done.stdout)["rows"] == [["SHOP", "PUBLIC"]]
    assert sql("--database", "shop", "select 1").returncode == 2


@pytest.mark.parametrize("args", [("selec",), ("--snowflake", "selec"), ("select * from nope",), ("select 'x'::int",),
                                  ("select * from read_text('/etc/passwd')",), ("--timeout", "1", LONG)], ids=" ".join)
def test_a_statement_that_fails_is_exit_1_with_the_reason(sql, args):
    done = sql(*args)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("mayfly: ")
    assert "root:" not in done.stderr


def test_a_syntax_error_shows_its_place(sql):
    done = sql("select 1 +* 2 fro x")
    assert done.returncode == 1 and "^" in done.stderr


def test_an_error_cannot_drive_the_terminal(sql):
    assert "\x1b" not in sql("select error('\x1b[2J')").stderr
    assert "\x1b" not in sql("select chr(27) || '[2J' as a").stdout


def test_without_a_server_it_is_exit_3():
    done = mayfly("sql", "--url", f"http://127.0.0.1:{free_port()}", "select 1")
    assert done.returncode == 3 and done.stdout == "" and done.stderr


@pytest.mark.parametrize("args", [("--format", "xml", "select 1"), ("--nope", "select 1"), ("--timeout", "x", "select 1"),
                                  ("select 1", "select 2"), ("--url",)], ids=" ".join)
def test_wrong_usage_is_exit_2(sql, args):
    done = sql(*args)
    assert done.returncode == 2 and done.stdout == "" and done.stderr


def test_the_environment_stands_for_options(shared):
    done = mayfly("sql", "--format", "json", "select 42", env={"MAYFLY_URL": shared.url(), "MAYFLY_TENANT": "cli-tenant"})
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == [[42]]
    items = shared.as_tenant("cli-tenant").get("/v1/statements").json["items"]
    assert [i["sql"] for i in items] == ["select 42"]


def test_an_interrupt_cancels_the_statement(shared):
    sql = f"{LONG} -- {unique('interrupt')}"
    with subprocess.Popen([BINARY, "sql", "--url", shared.url(), sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        item = until(lambda: next((i for i in shared.client.get("/v1/statements?status=RUNNING").json["items"] if i["sql"] == sql), None),
                     "the statement to run")
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 130
    assert shared.client.document(item["handle"], wait=PATIENCE).json["status"] == "CANCELED"


def test_a_closed_pipe_is_no_crash(shared):
    command = f"{BINARY} sql --url {shared.url()} --format csv 'select i from range(1000000) t(i)' | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert done.stdout == "i\n" and done.returncode not in (134, 139)


def test_a_token_opens_a_guarded_server(tmp_path):
    server = Server({"auth.mode": "token"})
    try:
        assert mayfly("sql", "--url", server.url(), "select 1").returncode == 1
        made = mayfly("token", "create", "--tenant", "acme", "--data", server.data)
        assert made.returncode == 0 and len(made.stdout.split()) == 1
        token = made.stdout.strip()

        def works():
            done = mayfly("sql", "--url", server.url(), "--format", "json", "select 42", env={"MAYFLY_TOKEN": token})
            return done.returncode == 0 and json.loads(done.stdout)["rows"] == [[42]]
        until(works, "the token to be taken up")
    finally:
        server.check_end()


def test_tokens_are_made_listed_and_revoked_without_a_server(tmp_path):
    data = str(tmp_path / "data")
    made = mayfly("token", "create", "--tenant", "acme", "--role", "admin", "--principal", "ann", "--expires-days", "7", "--data", data)
    assert made.returncode == 0
    listed = mayfly("token", "list", "--data", data)
    row = [cell.strip() for cell in listed.stdout.splitlines()[2].split("|")]
    assert row[1:4] == ["acme", "admin", "ann"] and row[-1] == "valid"
    assert made.stdout.strip() not in listed.stdout
    assert mayfly("token", "revoke", row[0], "--data", data).returncode == 0
    assert "revoked" in mayfly("token", "list", "--data", data).stdout
    assert mayfly("token", "revoke", "nope", "--data", data).returncode == 1
    assert os.stat(os.path.join(data, "tokens")).st_mode & 0o077 == 0


@pytest.mark.parametrize("args", [(), ("make",), ("create",), ("create", "--tenant", "a", "--role", "king"),
                                  ("create", "--tenant", "a", "--expires-days", "x")], ids=" ".join)
def test_a_wrong_token_command_is_exit_2(args, tmp_path):
    done = mayfly("token", *args, *(("--data", str(tmp_path)) if args else ()))
    assert done.returncode == 2 and "usage:" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("tenant", ["A B", "../x", "", "a" * 64])
def test_a_token_of_a_tenant_that_is_none_is_refused(tenant, tmp_path):
    done = mayfly("token", "create", "--tenant", tenant, "--data", str(tmp_path))
    assert done.returncode in (1, 2) and done.stdout == ""


def test_doctor_looks_at_this_machine(tmp_path, shared):
    done = mayfly("doctor", "--data", str(tmp_path / "data"), "--url", shared.url())
    lines = done.stdout.splitlines()
    assert lines and all(re.match(r"(ok|warn|fail) +\S", line) for line in lines)
    assert done.returncode == (1 if any(line.startswith("fail") for line in lines) else 0)
    assert any("duckdb" in line for line in lines) and any("answers at " + shared.url() in line for line in lines)
    assert not (tmp_path / "data").exists()


def test_doctor_fails_where_the_data_cannot_be(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    done = mayfly("doctor", "--data", str(file / "data"), "--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1 and re.search(r"^fail +data folder", done.stdout, re.M)


def doctor_on_redis(url):
    done = mayfly("doctor", "--url", f"http://127.0.0.1:{free_port()}", env={
        "MAYFLY_SNOWFLAKE_API_STATEMENT_STORAGE_TYPE": "redis", "MAYFLY_SNOWFLAKE_API_STATEMENT_STORAGE_REDIS_URL": url})
    return done, next(line for line in done.stdout.splitlines() if line.split()[1] == "redis")


def test_doctor_looks_at_redis_where_one_is_configured(redis, tmp_path):
    line = doctor_on_redis(redis.url())[1]
    assert re.match(r"(ok|warn) +redis +version \d", line), line
    redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        line = doctor_on_redis(redis.url())[1]
        assert line.startswith("warn") and "allkeys-lru" in line
    finally:
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    done, line = doctor_on_redis(f"redis://u:a-secret@127.0.0.1:{free_port()}")
    assert done.returncode == 1 and line.startswith("fail") and "a-secret" not in done.stdout + done.stderr
    file = tmp_path / "mayfly.yaml"
    file.write_text(f'snowflake_api:\n  statement_storage:\n    type: hybrid\n    redis:\n      url: "{redis.url()}"\n')
    assert re.search(r"^(ok|warn) +redis +version", mayfly("doctor", "--config", str(file)).stdout, re.M)
    assert re.search(r"^ok +redis +not used", mayfly("doctor").stdout, re.M)


def test_version_is_printed():
    for args in (("version",), ("--version",), ("-V",)):
        assert re.fullmatch(r"mayfly \d+\.\d+\.\d+\S*\n", mayfly(*args).stdout)
    assert mayfly("version", "x").returncode == 2


def test_help_names_every_verb():
    text = mayfly("help").stdout
    for verb in ("serve", "sql", "statements", "session", "events", "token", "doctor", "version", "help"):
        assert re.search(rf"^  {verb} ", text, re.M), verb
        done = mayfly("help", verb)
        assert done.returncode == 0 and done.stdout.startswith(f"mayfly {verb}: ")
        if verb not in ("serve",):
            assert mayfly(verb, "--help").stdout == done.stdout
    assert mayfly("--help").stdout == text


@pytest.mark.parametrize("args", [(), ("nope",), ("help", "nope"), ("SQL",)], ids=" ".join)
def test_an_unknown_verb_is_exit_2(args):
    done = mayfly(*args)
    assert done.returncode == 2 and done.stdout == "" and done.stderr


def test_serve_prints_a_banner_with_lines_that_work(server):
    one = server()
    lines = re.findall(r"^ +(curl .*)$", one.stderr(), re.M)
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
        if done.returncode == 127:
            pytest.skip("no curl")
        assert done.returncode == 0 and json.loads(done.stdout)
    assert one.url() in one.stderr() and one.data in one.stderr()


def test_serve_explains_its_options():
    done = mayfly("serve", "--help")
    assert "--listen" in done.stdout + done.stderr and "--data" in done.stdout + done.stderr


def test_a_configuration_file_sets_options(tmp_path):
    config = tmp_path / "mayfly.yaml"
    config.write_text("auth:\n  require_tenant: true\n")
    server = Server(args=("--config", str(config)))
    try:
        assert server.client.get("/v1/statements").status == 403
    finally:
        server.check_end()


def test_a_wrong_configuration_file_is_refused_with_its_line(tmp_path):
    config = tmp_path / "mayfly.yaml"
    config.write_text("server:\n  head_secondz: 1\n")
    done = mayfly("serve", "--config", str(config), "--data", str(tmp_path))
    assert done.returncode == 2 and "mayfly.yaml:2" in done.stderr and "head_seconds" in done.stderr


def test_the_environment_sets_options():
    server = Server(env={"MAYFLY_AUTH_REQUIRE_TENANT": "true"})
    try:
        assert server.client.get("/v1/statements").status == 403
    finally:
        server.check_end()
