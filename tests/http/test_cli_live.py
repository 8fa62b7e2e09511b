"""Live: `mayfly session`, `mayfly events` and `mayfly sql --session` against a real server."""
import json
import pathlib
import subprocess
import threading

import pytest

from mayfly import BINARY, mayfly, unique, until


@pytest.fixture
def cli(shared):
    """cli(*arguments): the command line for a tenant of its own on the shared server."""
    tenant = unique("cli")
    env = {"MAYFLY_URL": shared.url(), "MAYFLY_TENANT": tenant}

    def run(*args, code=0, **more):
        done = mayfly(*args, env={**env, **more.pop("env", {})}, **more)
        assert done.returncode == code, done
        return done.stdout

    run.env = env
    return run


def events_of(cli, session):
    return [json.loads(line) for line in cli("events", "--session", session, "--topic", "mayfly.audit.session_lifecycle.v1").splitlines()]


def test_a_session_from_the_command_line(cli, tmp_path):
    session = cli("session", "open", "--timeout", "600", "--idle", "300", "--label", "who=test").strip()
    shown = json.loads(cli("session", "show", session))
    assert shown["session_id"] == session and shown["storage"] == "memory" and shown["labels"] == {"who": "test"}
    ref = cli("session", "table", session, "orders", "id:INTEGER NOT NULL", "what:VARCHAR", "--key", "id").strip()
    assert ref == 'mutable.public."__eph_' + session.replace("-", "") + '_orders"'
    file = tmp_path / "orders.csv"
    file.write_text("id,what\n" + "".join(f"{i},thing {i}\n" for i in range(100000)))
    assert cli("session", "insert", session, "orders", str(file)) == "100000\n"
    assert cli("session", "insert", session, "orders", "-", "--format", "ndjson", stdin='{"id":-1,"what":null}\n') == "1\n"
    assert "duplicate" in mayfly("session", "insert", session, "orders", str(file), env=cli.env).stderr.lower()
    done = cli("session", "query", session, "select count(*) as n, min(id) as least from {table}", "--table", "orders", "--format", "csv")
    assert done.split() == ["n,least", "100001,-1"]
    assert json.loads(cli("sql", "--session", session, "--format", "json", f"select count(*) from {ref}"))["rows"] == [[100001]]
    assert json.loads(cli("sql", "--format", "json", "select count(*) from orders", env={"MAYFLY_SESSION": session}))["rows"] == [[100001]]
    assert json.loads(cli("sql", "--snowflake", "--session", session, "--format", "json",
                          'select count(*) from "orders"'))["rows"] == [[100001]]
    cli("sql", "select count(*) from orders", code=1)
    assert cli("session", "extend", session, "900").strip().endswith("Z")
    copy = cli("session", "fork", session).strip()
    assert {line.split()[0] for line in cli("session", "list").splitlines()[2:]} == {session, copy}
    cli("session", "close", session)
    assert json.loads(cli("session", "query", copy, "select count(*) from orders", "--format", "json"))["rows"] == [[100001]]
    assert "session_closed" in mayfly("session", "close", session, env=cli.env).stderr
    cli("session", "close", copy)
    assert [(e["payload"]["event"], e["payload"]["deleted_row_count"]) for e in events_of(cli, session)] == [("opened", 0), ("closed", 100001)]


def test_rows_that_do_not_fit_are_refused_whatever_their_number(cli, tmp_path):
    session = cli("session", "open").strip()
    cli("session", "table", session, "t", "n:INTEGER")
    file = tmp_path / "rows.csv"
    file.write_text("n\nx\n" + "1\n" * 5000000)
    done = mayfly("session", "insert", session, "t", str(file), env=cli.env)
    assert done.returncode == 1 and "schema_mismatch" in done.stderr, done
    assert "unknown_table" in mayfly("session", "insert", session, "nope", str(file), env=cli.env).stderr
    assert cli("session", "query", session, "select count(*) as n from t", "--format", "csv").split() == ["n", "0"]
    cli("session", "close", session)


def test_a_command_with_a_session_of_its_own(cli):
    script = (f'echo "$MAYFLY_SESSION"; {BINARY} session table "$MAYFLY_SESSION" t n:INTEGER >&2 && '
              f'{BINARY} sql "insert into t values (1), (2)" 2>/dev/null >&2; exit 9')
    session = cli("session", "run", "--timeout", "60", "--", "sh", "-c", script, code=9).strip()
    cli("session", "show", session, code=1)
    told = events_of(cli, session)
    assert [e["payload"]["event"] for e in told] == ["opened", "closed"] and told[1]["payload"]["deleted_row_count"] == 2


def test_events_are_followed(cli):
    seen = []
    with subprocess.Popen([BINARY, "events", "-f", "--event", "closed", "--limit", "3"], stdout=subprocess.PIPE, text=True,
                          env={**cli.env}) as child:
        reader = threading.Thread(target=lambda: seen.extend(json.loads(line) for line in child.stdout))
        reader.start()
        ids = []

        def one_more():
            ids.append(cli("session", "run", "--", "sh", "-c", 'printf %s "$MAYFLY_SESSION"'))
            return child.poll() is not None
        until(one_more, "three events")
        reader.join()
    assert child.returncode == 0 and len(seen) == 3
    assert [e["payload"]["session_id"] for e in seen] == ids[ids.index(seen[0]["payload"]["session_id"]):][:3]


def test_the_log_of_a_server_verifies(server):
    one = server()
    env = {"MAYFLY_URL": one.url()}
    assert mayfly("session", "run", "--", "true", env=env).returncode == 0
    done = mayfly("events", "verify", "--data", one.data)
    assert done.returncode == 0 and done.stdout == "" and "as they were written" in done.stderr, done
    assert one.stop() == 0
    assert mayfly("events", "verify", "--data", one.data).returncode == 0
    for log in pathlib.Path(one.data, "store").rglob("*"):
        if log.is_file() and b'"opened"' in log.read_bytes():
            log.write_bytes(log.read_bytes().replace(b'"opened"', b'"opaned"'))
    done = mayfly("events", "verify", "--data", one.data)
    assert done.returncode == 1 and "offset" in done.stdout and "NOT" in done.stderr
