"""Live: `mayfly space`, `mayfly view` and `mayfly page` against a real server."""
import gzip
import json
import os
import pty
import subprocess

import pytest

from mayfly import BINARY, Client, mayfly, unique, until


@pytest.fixture
def cli(shared):
    """cli(*arguments): the command line for a tenant of its own on the shared server."""
    tenant = unique("cli")
    env = {"MAYFLY_URL": shared.url(), "MAYFLY_TENANT": tenant}

    def run(*args, code=0, **more):
        done = mayfly(*args, env={**env, **more.pop("env", {})}, **more)
        assert done.returncode == code, done
        run.said = done.stderr
        return done.stdout

    run.env = env
    run.client = Client(shared, tenant=tenant)
    return run


@pytest.fixture
def orders(cli, tmp_path):
    """A space `shop` with a table `orders` of 1000 rows."""
    file = tmp_path / "orders.csv"
    file.write_text("id,customer,total\n" + "".join(f"{i},c{i % 7},{i * 1.5}\n" for i in range(1000)))
    assert cli("space", "put", "shop") == "shop\n"
    made = json.loads(cli("space", "load", "shop", "orders", str(file)))
    assert (made["table"], made["row_count"]) == ("orders", 1000)
    return made


def test_a_space_and_its_tables(cli, orders, tmp_path):
    assert cli("space", "put", "shop") == "shop\n"  # once more is fine
    assert [line.split("|")[0].strip() for line in cli("space", "list").splitlines()[2:3]] == ["shop"]
    packed = tmp_path / "more.ndjson.gz"
    packed.write_bytes(gzip.compress(b'{"id": 1000, "customer": "new", "total": 2.5}\n'))
    grown = json.loads(cli("space", "load", "shop", "orders", str(packed), "--mode", "append"))
    assert grown["row_count"] == 1001 and grown["snapshot_id"] > orders["snapshot_id"]
    listed = json.loads(cli("space", "tables", "shop", "--format", "json"))
    assert (listed["table"], listed["row_count"]) == ("orders", 1001)
    assert "orders" in cli("space", "tables", "shop") and "1001" in cli("space", "tables", "shop")
    cli("space", "drop", "shop", code=1)
    assert "space_not_empty" in cli.said
    cli("space", "load", "shop", "orders", str(packed), code=1)
    assert "duplicate_table" in cli.said
    cli("space", "unload", "shop", "orders")
    cli("space", "drop", "shop")
    assert "shop" not in cli("space", "list")


def test_a_space_that_is_not_empty_goes_by_force(cli, orders):
    cli("space", "drop", "shop", "--force")
    cli("space", "tables", "shop", code=1)
    assert "not_found" in cli.said


def test_a_view_is_saved_changed_refreshed_and_dropped(cli, orders):
    saved = json.loads(cli("view", "save", "shop", "big", "select customer, total from orders where total > 1000",
                           "--order", "total desc", "--order", "customer"))
    assert saved["view"]["state"] == "ready" and saved["order_by"] == ["total desc", "customer"]
    assert saved["view"]["row_count"] == sum(i * 1.5 > 1000 for i in range(1000))
    listing = cli("view", "list", "shop")
    assert saved["id"] in listing and "big" in listing and "ready" in listing
    assert json.loads(cli("view", "show", "shop", saved["id"]))["revision_id"] == saved["revision_id"]
    changed = json.loads(cli("view", "save", "shop", "small", "-f", "-", "--id", saved["id"], "--parent", saved["revision_id"],
                             stdin="select customer from orders where total < 3"))
    assert changed["view"]["row_count"] == 2 and changed["revision_id"] != saved["revision_id"]
    cli("view", "save", "shop", "late", "select 1 as a", "--id", saved["id"], "--parent", saved["revision_id"], code=1)
    assert "revision_conflict" in cli.said
    refreshed = json.loads(cli("view", "refresh", "shop", saved["id"]))
    assert refreshed["view"]["snapshot_id"] > changed["view"]["snapshot_id"]
    cli("view", "drop", "shop", saved["id"])
    cli("view", "show", "shop", saved["id"], code=1)


def test_what_cannot_be_saved_says_why_and_where(cli, orders):
    cli("view", "save", "shop", "wrong", "select nothing from orders", code=1)
    assert "sql_invalid" in cli.said and "nothing" in cli.said
    cli("view", "save", "shop", "x", "select 1 as a", "--id", "5", code=2)
    cli("view", "save", "shop", "x", "select {{a}} as a", "--var", "a", code=2)


def test_a_build_that_fails_says_so(cli, orders):
    cli("view", "save", "shop", "broken", "select cast(customer as integer) as n from orders", code=1)
    assert "c0" in cli.said or "Conversion" in cli.said


def test_pages(cli, orders):
    saved = json.loads(cli("view", "save", "shop", "all", "select id, customer from orders", "--order", "id"))
    page = cli("page", "shop", saved["id"], "--offset", "10", "--limit", "3", "--format", "csv")
    assert page.splitlines() == ["id,customer", "10,c3", "11,c4", "12,c5"]
    lines = cli("page", "shop", "select id from orders", "--all", "--order", "id desc").splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(999, -1, -1))
    assert cli("page", "shop", saved["id"], "--limit", "2").splitlines()[2:] == [" 0 | c0", " 1 | c1"]
    cli("page", "shop", saved["id"], "--limit", "1", "--keep", "--format", "csv")
    session = cli.said.split()[-1]
    cli("page", "shop", saved["id"], "--limit", "1001", code=1)
    assert "limit_too_large" in cli.said
    cli("space", "unload", "shop", "orders")
    assert cli("page", "shop", "--session", session, "--offset", "999", "--format", "csv") == "id,customer\n999,c5\n"


def test_a_session_of_a_page_is_dropped(cli, orders):
    cli("page", "shop", "select id from orders", "--limit", "1")

    def told(event):
        lines = cli("events", "--topic", "mayfly.audit.view.v1", "--event", event).splitlines()
        payloads = [json.loads(line)["payload"] for line in lines]
        return [p["id"] for p in payloads if p["kind"] == "sql_session"]

    until(lambda: told("closed"), "the end of the session to be in the log")
    assert told("closed") == told("opened") and len(told("closed")) == 1


def test_variables(cli, orders):
    saved = json.loads(cli("view", "save", "shop", "of", "select id from orders where customer = {{who}} and id >= {{least}}",
                           "--var", "who:VARCHAR", "--var", "least:INTEGER=990", "--order", "id"))
    assert saved["view"]["state"] == "parameterized"
    assert cli("page", "shop", saved["id"], "--var", "who=c3", "--format", "csv").split() == ["id", "990", "997"]
    assert cli("page", "shop", saved["id"], "--var", "who=c3", "--var", "least=997", "--format", "csv").split() == ["id", "997"]
    cli("page", "shop", saved["id"], "--var", "who=c3", "--var", "least=many", code=1)
    assert "least" in cli.said


def test_usage(cli):
    for wrong in (["space"], ["space", "put"], ["space", "load", "a", "b"], ["view", "show", "a"], ["view", "dance"], ["page"],
                  ["page", "a", "select 1", "--session", unique()], ["page", "a", "select 1", "--format", "xml"],
                  ["space", "load", "a", "b", "/nowhere.csv"], ["space", "load", "a", "b", "file.xyz"]):
        cli(*wrong, code=2)


def test_a_build_shows_progress_on_a_terminal(cli, orders):
    leader, follower = pty.openpty()
    sql = "select max(a.id * b.id + c.id) as m from orders a, orders b, orders c where c.id < 300"
    with subprocess.Popen([BINARY, "view", "save", "shop", "slow", sql], stdout=subprocess.PIPE, stderr=follower,
                          env={**os.environ, **cli.env}) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        answer = process.stdout.read()
    os.close(leader)
    assert process.returncode == 0 and json.loads(answer)["view"]["state"] == "ready"
    assert b"building" in shown
