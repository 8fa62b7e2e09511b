"""Live: `mayfly statements` against a real server."""
import json
import os
import subprocess
import threading

import pytest

from mayfly import BINARY, PATIENCE, mayfly, unique, until

SLOW = "SELECT count(*) FROM range(100000000000) t(i) WHERE hash(i) = 1"


@pytest.fixture
def cli(shared):
    """cli(*arguments): the command line for a tenant of its own on the shared server."""
    tenant = unique("cli")
    env = {"MAYFLY_URL": shared.url(), "MAYFLY_TENANT": tenant}

    def run(*args, code=0, **more):
        done = mayfly(*args, env={**env, **more.pop("env", {})}, **more)
        assert done.returncode == code, done
        return done.stdout

    run.env, run.client = env, shared.as_tenant(tenant)
    return run


def listed(cli, *args):
    return [json.loads(line)["handle"] for line in cli("statements", "list", "--format", "json", *args).splitlines()]


def test_list_with_filters(cli):
    first = cli.client.run("SELECT 1")
    session = cli("session", "open").strip()
    second = cli.client.run("SELECT 2", session_id=session)
    failed = cli.client.native("SELECT nope").json
    handles = [d["handle"] for d in (failed, second, first)]
    assert listed(cli) == handles
    assert listed(cli, "--status", "succeeded") == handles[1:]
    assert listed(cli, "--status", "FAILED") == handles[:1]
    assert listed(cli, "--session", session) == [second["handle"]]
    assert listed(cli, "--until", "2001-01-01T00:00:00Z") == []
    assert listed(cli, "--since", first["created_at"], "--until", "2999-01-01T00:00:00+00:00") == handles
    table = cli("statements").splitlines()
    assert table[0].split(" | ")[0].strip() == "handle" and [line.split()[0] for line in table[2:]] == handles
    assert "sql_error" in table[2] and session in table[3]
    bad = mayfly("statements", "list", "--status", "odd", env=cli.env)
    assert bad.returncode == 1 and "invalid_field" in bad.stderr
    cli("session", "close", session)


def test_a_list_is_more_than_a_page(cli):
    for _ in range(1010):
        assert cli.client.submit("SELECT 1", query={"async": "true"}).status == 202
    assert len(set(listed(cli, "--since", "2001-01-01T00:00:00Z"))) == 1010


def test_one_of_them(cli):
    handle = cli.client.run("SELECT i, 'a' || i AS t FROM range(3) r(i)")["handle"]
    assert json.loads(cli("statements", "show", handle))["status"] == "SUCCEEDED"
    assert cli("statements", "result", handle, "--format", "csv").split() == ["i,t", "0,a0", "1,a1", "2,a2"]
    assert [line.split() for line in cli("statements", "result", handle).splitlines()[2:]] == [["0", "|", "a0"], ["1", "|", "a1"], ["2", "|", "a2"]]
    assert json.loads(cli("statements", "result", handle, "--format", "json"))["row_count"] == 3
    assert cli("statements", "wait", handle) == "SUCCEEDED\n"
    cli("statements", "cancel", handle)
    assert json.loads(cli("statements", "show", handle))["status"] == "SUCCEEDED"
    cli("statements", "drop", handle)
    for action in ("show", "result", "wait", "cancel", "drop"):
        gone = mayfly("statements", action, handle, env=cli.env)
        assert gone.returncode == 1 and "not_found" in gone.stderr and not gone.stdout, (action, gone)


def test_waiting_for_an_end(cli):
    handle = cli.client.start(SLOW)
    until(lambda: listed(cli, "--status", "RUNNING") == [handle], "the list to show it")
    waits = []
    thread = threading.Thread(target=lambda: waits.append(mayfly("statements", "wait", handle, env=cli.env)))
    thread.start()
    cli("statements", "cancel", handle)
    thread.join()
    assert waits[0].returncode == 1 and waits[0].stdout == "CANCELED\n" and "canceled" in waits[0].stderr, waits
    failed = cli.client.native("SELECT nope").json["handle"]
    done = mayfly("statements", "wait", failed, env=cli.env)
    assert done.returncode == 1 and done.stdout == "FAILED\n" and "nope" in done.stderr
    until(lambda: listed(cli, "--status", "CANCELED") == [handle], "the list to show it")


@pytest.mark.parametrize("args", [["what"], ["show"], ["show", "a", "b"], ["list", "a"], ["result"], ["grant", "a"], ["revoke"], ["wait"],
                                  ["list", "--format", "csv"], ["--odd"]])
def test_wrong_usage(args):
    done = mayfly("statements", *args, env={"MAYFLY_URL": "http://127.0.0.1:9"})
    assert done.returncode == 2 and "usage:" in done.stderr and not done.stdout, done


def test_no_server_and_odd_handles(cli):
    assert mayfly("statements", env={"MAYFLY_URL": "http://127.0.0.1:9"}).returncode == 3
    for handle in ("../sessions", "a b", "%2e%2e", "ü"):
        assert "not_found" in mayfly("statements", "show", handle, env=cli.env).stderr


def test_output_that_cannot_be_written_is_told(cli):
    handle = cli.client.run("SELECT i FROM range(50000) t(i)")["handle"]
    for args in (["list"], ["show", handle], ["result", handle, "--format", "csv"], ["result", handle]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "statements", *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE * 2,
                                  env={**os.environ, **cli.env}, check=False)
        assert done.returncode == 1 and done.stderr.startswith("mayfly: the output cannot be written"), (args, done)


def test_help():
    text = mayfly("help", "statements").stdout
    assert "statements grant HANDLE PRINCIPAL" in text and "revoke takes that back" in text
