"""Saved SQL and its materialized views: /v1/spaces/{space_id}/sql."""
import json
import os

import pytest

from mayfly import Client, in_parallel, unique, until, uuid_like
from session import UNKNOWN, seconds
from space import Space, built, files_below, problem

ORDERS = [{"id": i, "total": i * 10, "who": f"w{i % 3}"} for i in range(1, 10)]


@pytest.fixture
def space(fresh):
    s = Space(fresh)
    s.table("orders", ORDERS)
    return s


# --- the life of an entry (U-02, U-07, U-08) ---

def test_life_of_an_entry(space):
    a = space.save("SELECT id, total FROM orders WHERE total > 50", name="large", order_by=["total DESC"])
    assert a.status == 201, a
    entry = a.json
    assert a.headers["Location"] == space.path("sql", entry["id"])
    assert uuid_like(entry["id"]) and entry["revision_id"] and entry["name"] == "large" and entry["variables"] == []
    assert entry["sql"] == "SELECT id, total FROM orders WHERE total > 50" and entry["order_by"] == ["total DESC"]
    assert seconds(entry["created_at"]) <= seconds(entry["updated_at"])
    view = entry["view"]
    assert view["sql_id"] == entry["id"] and view["state"] == "ready" and view["error"] is None and view["row_count"] == 4
    assert isinstance(view["snapshot_id"], int) and 0 < view["snapshot_id"] < 2**53 and seconds(view["snapshot_at"])
    assert view["schema_hash"].startswith("sha256:") and view["schema_version"] == 1
    assert view["location"].endswith(f"/spaces/{space.name}/materialized_views/{entry['id']}")
    assert space.get_sql(entry["id"]).json == entry
    listed = space.client.get(space.path("sql")).json
    assert listed == {"items": [entry], "next": None}
    changed = space.updated(entry, sql="SELECT id FROM orders", name="all")
    assert changed["revision_id"] != entry["revision_id"] and changed["id"] == entry["id"]
    assert changed["created_at"] == entry["created_at"] and seconds(changed["updated_at"]) > seconds(entry["updated_at"])
    assert changed["view"]["row_count"] == 9 and changed["view"]["snapshot_id"] > view["snapshot_id"]
    assert changed["view"]["schema_version"] == 2 and changed["view"]["schema_hash"] != view["schema_hash"]
    gone = space.delete("sql", entry["id"])
    assert gone.status == 204 and gone.body == b""
    problem(space.get_sql(entry["id"]), 404, "not_found")
    assert space.client.get(space.path("sql")).json["items"] == []


def test_a_stale_parent_is_refused(space):
    entry = space.saved("SELECT id FROM orders")
    space.updated(entry, sql="SELECT total FROM orders")
    now = space.get_sql(entry["id"]).json
    problem(space.update(entry, sql="SELECT who FROM orders"), 409, "revision_conflict")
    problem(space.update(entry, parent_revision_id=UNKNOWN), 409, "revision_conflict")
    assert space.get_sql(entry["id"]).json == now
    a = space.client.request("PUT", space.path("sql", entry["id"]), {"name": "q", "sql": "SELECT 1 AS a"})
    problem(a, 400, "invalid_field")


def test_racing_updates_one_wins(space):
    entry = space.saved("SELECT id FROM orders")
    answers = in_parallel(*[lambda i=i: space.update(entry, sql=f"SELECT id + {i} AS id FROM orders") for i in range(5)])
    assert sorted(a.status for a in answers) == [200, 409, 409, 409, 409], answers
    winner = [a for a in answers if a.status == 200][0].json
    assert space.get_sql(entry["id"]).json["revision_id"] == winner["revision_id"]


def test_unknown_ids(space):
    entry = {"id": UNKNOWN, "name": "q", "sql": "SELECT 1 AS a", "revision_id": UNKNOWN}
    problem(space.get_sql(UNKNOWN), 404, "not_found")
    problem(space.update(entry), 404, "not_found")
    problem(space.refresh(UNKNOWN), 404, "not_found")
    problem(space.delete("sql", UNKNOWN), 404, "not_found")
    for bad in ("..", "a/b", "x", "%"):
        for a in (space.get_sql(bad), space.refresh(bad), space.delete("sql", bad), space.update({**entry, "id": bad})):
            assert 400 <= a.status < 500 and a.type == "application/problem+json", (bad, a)


def test_names_need_not_be_unique(space):
    ids = {space.saved("SELECT id FROM orders", name="same")["id"] for _ in range(3)}
    assert len(ids) == 3
    first = space.client.get(space.path("sql", limit=2)).json
    rest = space.client.get(space.path("sql", limit=2, after=first["next"])).json
    assert {e["id"] for e in first["items"] + rest["items"]} == ids and rest["next"] is None


# --- what cannot be saved (U-03, U-04, U-05, U-09) ---

@pytest.mark.parametrize("sql", [
    "FROM entries", "FROM orders", "SELECT 1; SELECT 2", "", "   ", "INSERT INTO orders VALUES (1,2,'x')", "DROP TABLE orders",
    "CREATE TABLE x AS SELECT 1 AS a", "DELETE FROM orders", "EXPLAIN SELECT 1", "VALUES (1)", "SELEC 1", "SELECT (", "PRAGMA version",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x", "SELECT * FROM orders LIMIT", "SET threads = 1", "SHOW TABLES",
    "SELECT id INTO x FROM orders",
])
def test_what_is_not_one_select(space, sql):
    a = space.save(sql)
    body = problem(a, 422, "sql_invalid") if a.json["code"] != "not_allowed" else problem(a, 422, "not_allowed")
    assert body["detail"]
    assert space.client.get(space.path("sql")).json["items"] == []
    assert space.rows("SELECT count(*) FROM orders") == [[9]]


@pytest.mark.parametrize("sql,needle", [
    ("SELECT * FROM nothere", "nothere"), ("SELECT nothere FROM orders", "nothere"), ("SELECT id,\n  nope FROM orders", "nope"),
    ("SELECT * FROM orders o JOIN other x USING (id)", "other"), ("SELECT upperr(who) FROM orders", "upperr"),
    ("SELECT id FROM orders WHERE é = 1", "é"),
])
def test_unknown_names_have_a_position(space, sql, needle):
    body = problem(space.save(sql), 422, "sql_invalid")
    assert needle in body["detail"], body
    at = body["position"]
    assert sql.encode()[at - 1:].startswith(needle.encode()) or sql[at - 1:].startswith(needle), body
    problem(space.open(sql=sql), 422, "sql_invalid")


@pytest.mark.parametrize("sql", [
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_parquet('x')", "SELECT * FROM glob('*')",
    "SELECT getenv('HOME')", "SELECT * FROM duckdb_tables()", "SELECT * FROM information_schema.tables", "SELECT * FROM duckdb_settings()",
    "SELECT * FROM query('SELECT 1')", "SELECT * FROM pragma_version()", "SELECT * FROM main.orders", "SELECT * FROM memory.main.orders",
    "SELECT * FROM sqlite_master", "SELECT current_setting('temp_directory')", "SELECT * FROM read_text('/proc/self/environ')",
    'SELECT * FROM "/etc/passwd"', 'SELECT * FROM "x.parquet"', "SELECT * FROM 'x.csv'", 'SELECT * FROM "../t"', "SELECT * FROM 'https://localhost/x.json'",
    "FROM orders SELECT (FROM duckdb_secrets())", "SELECT * FROM sniff_csv('x')", "SELECT version() FROM which_secret('x', 's3')",
    "SELECT * FROM json_execute_serialized_sql('{}')", "SELECT nextval('x')", "SELECT * FROM system.information_schema.tables",
    "SELECT * FROM temp.orders", "SELECT * FROM orders AT (VERSION => 1)", "SELECT * FROM _q", "SELECT getvariable('x')",
    "SELECT 1) AS x; DROP TABLE orders; SELECT (1", "SELECT 1 AS a) AS _q, (SELECT * FROM duckdb_tables()", "SELECT 1 AS a /*", "SELECT 1 AS a --\n) x, (SELECT 2",
    "SELECT read_blob('/etc/passwd')", "SELECT * FROM query_table('orders')", "SELECT * FROM parquet_metadata('x')",
])
def test_a_space_sees_nothing_else(space, sql):
    a = space.save(sql)
    assert a.status == 422 and a.json["code"] in ("sql_invalid", "not_allowed"), a
    a = space.open(sql=sql)
    assert a.status == 422 and a.json["code"] in ("sql_invalid", "not_allowed"), a


def test_tables_of_the_tenant_are_not_of_the_space(fresh, space):
    fresh.run("CREATE TABLE secret AS SELECT 1 AS a")
    fresh.run("CREATE MACRO leak() AS 1")
    problem(space.save("SELECT * FROM secret"), 422, "sql_invalid")
    problem(space.save("SELECT leak() AS a"), 422, "sql_invalid")
    other = Space(fresh)
    problem(other.save("SELECT * FROM orders"), 422, "sql_invalid")


def test_lengths(space):
    pad = "SELECT 1 AS a --"
    a = space.save(pad + "x" * (100000 - len(pad)))
    assert a.status == 201, a
    a = space.save(pad + "x" * (100001 - len(pad)))
    assert "sql" in problem(a, 422, "sql_invalid")["detail"]
    assert space.save("SELECT 1 AS a", name="n" * 256).status == 201
    assert space.save("SELECT 1 AS a", name="é" * 256).status == 201
    assert "name" in problem(space.save("SELECT 1 AS a", name="n" * 257), 422, "sql_invalid")["detail"]
    problem(space.open(sql=pad + "x" * (100001 - len(pad))), 422, "sql_invalid")


@pytest.mark.parametrize("body,code", [
    ({"name": "q"}, "invalid_field"), ({"sql": "SELECT 1 AS a"}, "invalid_field"), ({"name": 1, "sql": "SELECT 1"}, "invalid_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "x": 1}, "unknown_field"), ({"name": "q", "sql": ["SELECT 1"]}, "invalid_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "order_by": "a"}, "invalid_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "order_by": [1]}, "invalid_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "variables": {}}, "invalid_field"),
    ({"name": "q", "sql": "SELECT {{a}} AS a", "variables": [{"name": "a"}]}, "invalid_field"),
    ({"name": "q", "sql": "SELECT {{a}} AS a", "variables": [{"name": "a", "type": "INTEGER", "more": 1}]}, "unknown_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "id": UNKNOWN}, "unknown_field"),
    ({"name": "q", "sql": "SELECT 1 AS a", "parent_revision_id": UNKNOWN}, "unknown_field"),
])
def test_bodies_that_are_refused(space, body, code):
    problem(space.client.request("POST", space.path("sql"), body), 400, code)


def test_an_order_must_name_a_column(space):
    for bad in ("nothere", "id; DROP TABLE orders", "", "id sideways"):
        problem(space.save("SELECT id FROM orders", order_by=[bad]), 400, "invalid_field")
        problem(space.open(sql="SELECT id FROM orders", order_by=[bad]), 400, "invalid_field")
    assert space.client.get(space.path("sql")).json["items"] == []


def test_cycles_between_views(space):
    a = space.saved("SELECT id FROM orders", name="a")
    b = space.saved("SELECT id FROM a", name="b")
    body = problem(space.update(a, sql="SELECT id FROM b"), 422, "sql_invalid")
    assert "a" in body["detail"]
    problem(space.update(a, sql="SELECT id FROM a"), 422, "sql_invalid")
    problem(space.update(a, sql=f"SELECT id FROM \"view_{b['id']}\""), 422, "sql_invalid")
    assert space.get_sql(a["id"]).json == a
    assert space.rows("SELECT count(*) FROM b") == [[9]]


def test_types_that_cannot_be_kept(space):
    body = problem(space.save("SELECT union_value(a := 1) AS u FROM orders"), 422, "sql_invalid")
    assert "u" in body["detail"]


def test_rows_that_cannot_be_computed(space):
    problem(space.save("SELECT CAST(who AS INTEGER) AS a FROM orders"), 422, "view_failed")
    problem(space.open(sql="SELECT CAST(who AS INTEGER) AS a FROM orders"), 422, "view_failed")
    assert space.client.get(space.path("sql")).json["items"] == []


# --- variables ---

def test_variables_agree_with_the_text(space):
    def declared(*names):
        return [{"name": n, "type": "INTEGER", "default": 1} for n in names]
    problem(space.save("SELECT id FROM orders WHERE id > {{least}}"), 422, "sql_invalid")
    problem(space.save("SELECT id FROM orders WHERE id > {{least}}", variables=declared("other")), 422, "sql_invalid")
    problem(space.save("SELECT id FROM orders", variables=declared("least")), 422, "sql_invalid")
    problem(space.save("SELECT id FROM orders WHERE id > {{least}}", variables=declared("least", "least")), 422, "sql_invalid")
    problem(space.save("SELECT id FROM orders WHERE id > {{least}}",
                       variables=[{"name": "least", "type": "NOTYPE"}]), 422, "sql_invalid")
    problem(space.save("SELECT id FROM orders WHERE id > {{least}}",
                       variables=[{"name": "least", "type": "INTEGER", "default": "x"}]), 422, "sql_invalid")
    entry = space.saved("SELECT id FROM orders WHERE id > {{ least }}", variables=declared("least"))
    assert entry["view"]["state"] == "ready" and entry["view"]["row_count"] == 8
    assert entry["variables"] == declared("least")


def test_a_variable_without_a_default(space):
    entry = space.saved("SELECT id FROM orders WHERE id > {{least}}", variables=[{"name": "least", "type": "INTEGER"}])
    assert entry["view"]["state"] == "parameterized" and entry["view"]["row_count"] == 0
    problem(space.open(sql_id=entry["id"]), 400, "invalid_field")
    s = space.opened(sql_id=entry["id"], variables={"least": 6})
    assert s.all() == [[7], [8], [9]] and s.count() == 3
    t = space.opened(sql_id=entry["id"], variables={"least": 8})
    assert t.all() == [[9]]
    assert s.all() == [[7], [8], [9]]
    again = space.opened(sql_id=entry["id"], variables={"least": 6})
    assert again.document["view"]["snapshot_id"] == s.document["view"]["snapshot_id"]
    assert space.get_sql(entry["id"]).json["view"]["state"] == "parameterized"


def test_values_are_bound_never_spliced(space):
    entry = space.saved("SELECT id FROM orders WHERE who = {{w}}", variables=[{"name": "w", "type": "VARCHAR", "default": "w0"}])
    assert space.opened(sql_id=entry["id"]).count() == 3
    evil = "w0' OR '1'='1"
    assert space.opened(sql_id=entry["id"], variables={"w": evil}).all() == []
    problem(space.open(sql_id=entry["id"], variables={"x": 1}), 400, "invalid_field")
    problem(space.open(sql_id=entry["id"], variables=[1]), 400, "invalid_field")
    typed = space.saved("SELECT id FROM orders WHERE id = {{n}}", variables=[{"name": "n", "type": "INTEGER", "default": 1}])
    problem(space.open(sql_id=typed["id"], variables={"n": "many"}), 400, "invalid_field")


# --- building and refreshing ---

def test_a_refresh_takes_todays_data(space):
    entry = space.saved("SELECT count(*) AS n FROM orders")
    space.table("orders", [{"id": 10, "total": 1, "who": "x"}], mode="append")
    assert space.get_sql(entry["id"]).json["view"] == entry["view"]
    fresh = space.refreshed(entry["id"])
    assert fresh["view"]["snapshot_id"] > entry["view"]["snapshot_id"] and fresh["revision_id"] == entry["revision_id"]
    assert space.opened(sql_id=entry["id"], refresh="never").all() == [[10]]
    a = space.client.request("POST", space.path("sql", entry["id"], "refresh"), {"x": 1})
    problem(a, 400, "unknown_field")


def test_a_failed_rebuild_leaves_the_former_view(space):
    entry = space.saved("SELECT id, CAST(total AS INTEGER) AS total FROM orders")
    problem(space.update(entry, sql="SELECT CAST(who AS INTEGER) AS x FROM orders"), 422, "view_failed")
    now = space.get_sql(entry["id"]).json
    assert now["sql"] == entry["sql"] and now["revision_id"] == entry["revision_id"]
    assert now["view"]["snapshot_id"] == entry["view"]["snapshot_id"] and now["view"]["state"] == "ready"
    space.table("orders", [{"id": 1, "total": "many", "who": "x"}])
    a = space.refresh(entry["id"])
    problem(a, 422, "view_failed")
    now = space.get_sql(entry["id"]).json
    assert now["view"]["snapshot_id"] == entry["view"]["snapshot_id"] and now["view"]["error"], now
    s = space.opened(sql_id=entry["id"], refresh="never")
    assert s.count() == 9
    space.table("orders", ORDERS)
    assert space.refreshed(entry["id"])["view"]["error"] is None


def test_a_view_whose_table_is_gone(space):
    entry = space.saved("SELECT id FROM orders")
    assert space.delete("tables", "orders").status == 204
    problem(space.refresh(entry["id"]), 422, "sql_invalid")
    assert space.opened(sql_id=entry["id"], refresh="never").count() == 9


def test_later_when_preferred(space):
    a = space.save("SELECT sum(a.range * b.range) AS s FROM range(3000) a, range(3000) b", headers={"Prefer": "respond-async"})
    assert a.status in (201, 202) and a.headers["Preference-Applied"] == "respond-async", a
    assert a.headers["Location"] == space.path("sql", a.json["id"])
    if a.status == 202:
        assert a.json["view"]["state"] == "building" and a.json["view"]["snapshot_id"] is None
    entry = built(space, a.json["id"])
    assert entry["view"]["state"] == "ready" and entry["view"]["row_count"] == 1
    a = space.refresh(entry["id"], headers={"Prefer": "respond-async"})
    assert a.status in (200, 202) and a.headers["Preference-Applied"] == "respond-async", a
    until(lambda: space.get_sql(entry["id"]).json["view"]["snapshot_id"] > entry["view"]["snapshot_id"], "the refresh")
    entry = built(space, entry["id"])
    a = space.update(entry, headers={"Prefer": "respond-async, wait=1"}, sql="SELECT 1 AS one")
    assert a.status in (200, 202) and a.headers["Preference-Applied"] == "respond-async", a
    until(lambda: space.get_sql(entry["id"]).json["sql"] == "SELECT 1 AS one", "the new revision")
    assert built(space, entry["id"])["view"]["state"] == "ready"


def test_later_and_failed(space):
    a = space.save("SELECT CAST(who AS INTEGER) AS a FROM orders", headers={"Prefer": "respond-async"})
    assert a.status == 202, a
    entry = built(space, a.json["id"])
    assert entry["view"]["state"] == "failed" and "w" in entry["view"]["error"], entry
    problem(space.save("SELECT nope FROM orders WHERE", headers={"Prefer": "respond-async"}), 422, "sql_invalid")
    for wrong in ("SELECT nope FROM orders", "SELECT * FROM nowhere"):  # seen before anything is stored
        problem(space.save(wrong, headers={"Prefer": "respond-async"}), 422, "sql_invalid")
        assert wrong not in [one["sql"] for one in space.client.get(space.path("sql")).json["items"]]


def test_refreshes_at_once(space):
    entry = space.saved("SELECT count(*) AS n FROM orders")
    answers = in_parallel(*[lambda: space.refresh(entry["id"]) for _ in range(6)])
    assert [a.status for a in answers] == [200] * 6, answers
    assert space.get_sql(entry["id"]).json["view"]["state"] == "ready"
    assert space.opened(sql_id=entry["id"]).all() == [[9]]


# --- SQL over the space (U-15) ---

def test_joins(space):
    space.table("l", [{"id": 1, "a": "l1"}, {"id": 2, "a": "l2"}])
    space.table("r", [{"id": 2, "b": "r2"}, {"id": 3, "b": "r3"}])
    cases = {
        "SELECT l.a, r.b FROM l JOIN r ON l.id = r.id": [["l2", "r2"]],
        "SELECT l.a, r.b FROM l RIGHT JOIN r ON l.id = r.id ORDER BY r.id": [["l2", "r2"], [None, "r3"]],
        "SELECT l.a, r.b FROM l FULL JOIN r ON l.id = r.id ORDER BY coalesce(l.id, r.id)": [["l1", None], ["l2", "r2"], [None, "r3"]],
        "SELECT id, a, b FROM l JOIN r USING (id)": [[2, "l2", "r2"]],
        "SELECT a FROM l NATURAL JOIN r": [["l2"]],
        "SELECT count(*) AS n FROM l CROSS JOIN r": [[4]],
        "WITH x AS (SELECT * FROM l) SELECT a FROM x WHERE id = 1": [["l1"]],
        "SELECT a FROM l UNION ALL SELECT b FROM r ORDER BY 1": [["l1"], ["l2"], ["r2"], ["r3"]],
        "SELECT unnest([1, 2]) AS u": [[1], [2]],
        "SELECT * FROM range(2) t(i)": [[0], [1]],
        "SELECT (SELECT max(id) FROM r) AS m": [[3]],
        "SELECT a FROM l AS orders WHERE orders.id = 2": [["l2"]],
    }
    for sql, rows in cases.items():
        assert space.rows(sql) == rows, sql


def test_views_of_views(space):
    base = space.saved("SELECT id, total FROM orders WHERE id > 3", name="Large")
    top = space.saved("SELECT max(total) AS m FROM large", name="top")
    assert space.opened(sql_id=top["id"]).all() == [[90]]
    by_id = space.saved(f'SELECT count(*) AS n FROM "view_{base["id"]}"', name="by id")
    assert space.opened(sql_id=by_id["id"]).all() == [[6]]
    space.table("orders", [{"id": 99, "total": 1000, "who": "x"}], mode="append")
    assert space.opened(sql_id=top["id"], refresh="auto").all() == [[1000]]
    space.saved("SELECT 1 AS a", name="twice")
    space.saved("SELECT 2 AS a", name="TWICE")
    problem(space.save("SELECT * FROM twice"), 422, "sql_invalid")


def test_names_of_columns(space):
    sql = 'SELECT id AS "a", id AS "A", id AS "a", id AS "a_1", id + 1, id AS "x""y", id AS "c1" FROM orders WHERE id = 1'
    s = space.opened(sql=sql)
    page = s.page().json
    names = [c["name"] for c in page["columns"]]
    assert len({n.lower() for n in names}) == 7 and all(names), names
    assert page["rows"] == [[1, 1, 1, 1, 2, 1, 1]]


def test_sums_of_large_integers(space):
    assert space.rows("SELECT sum(9223372036854775807) AS s FROM orders") == [["83010348331692982263"]]


# --- the stored form (U-10) ---

def test_layout_in_the_store(server, fresh):
    one = server()
    space = Space(one.client, "lay")
    space.table("orders", ORDERS)
    entry = space.saved("SELECT id FROM orders")
    root = os.path.join(one.data, "storage", "spaces", "lay")
    view = os.path.join(root, "materialized_views", entry["id"])
    with open(os.path.join(view, "meta.json"), encoding="utf-8") as f:
        meta = json.load(f)
    assert set(meta) == {"sql_id", "created_at", "updated_at", "snapshot_id", "schema_hash"}
    assert meta["sql_id"] == entry["id"] and meta["snapshot_id"] == entry["view"]["snapshot_id"]
    assert meta["schema_hash"] == entry["view"]["schema_hash"]
    assert os.path.exists(os.path.join(root, "meta.json")) and os.path.exists(os.path.join(root, "sql", entry["id"] + ".json"))
    assert os.path.exists(os.path.join(view, "metadata", "v1.metadata.json"))
    with open(os.path.join(view, "metadata", "version-hint.text"), encoding="utf-8") as f:
        assert f.read() == "1"
    fresh_entry = space.refreshed(entry["id"])
    with open(os.path.join(view, "meta.json"), encoding="utf-8") as f:
        again = json.load(f)
    assert again["created_at"] == meta["created_at"] and again["snapshot_id"] == fresh_entry["view"]["snapshot_id"]
    other = Space(Client(one, tenant="acme"), "lay")
    other.table("t", [{"a": 1}])
    assert os.path.exists(os.path.join(one.data, "storage", "tenants", "acme", "spaces", "lay", "tables", "t", "metadata"))
    s = space.opened(sql_id=entry["id"])
    assert os.path.exists(os.path.join(root, "sql_sessions", s.id, "meta.json"))
    assert space.delete("sql", entry["id"]).status == 204
    assert files_below(view) == [] and not os.path.exists(os.path.join(root, "sql", entry["id"] + ".json"))
    assert space.delete(force="true").status == 204
    assert files_below(root) == []


# --- principals and tenants ---

def test_another_tenants_entries(shared):
    one, two = (Space(Client(shared, tenant=unique("tenant")), "same") for _ in range(2))
    entry = one.saved("SELECT 1 AS a")
    problem(two.get_sql(entry["id"]), 404, "not_found")
    problem(two.open(sql_id=entry["id"]), 404, "not_found")
    problem(two.update(entry), 404, "not_found")
    problem(two.delete("sql", entry["id"]), 404, "not_found")
    problem(two.save(f'SELECT * FROM "view_{entry["id"]}"'), 422, "sql_invalid")
    assert one.get_sql(entry["id"]).json == entry


# --- what goes wrong on the way ---

LONG = "SELECT count(*) AS n FROM range({n}) a, range(100000) b WHERE a.range * b.range % 7 = 3"


def begun(space, method, path, body):
    """A request whose client leaves before the answer."""
    connection = space.client.server.connection()
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", **space.client.headers})
    return connection


def test_a_client_that_leaves_does_not_stop_a_build(space):
    connection = begun(space, "POST", space.path("sql"), {"name": "left", "sql": LONG.format(n=2000)})
    until(lambda: space.client.get("/readyz").json["engine"]["running"] > 0, "the build to run")
    connection.close()
    until(lambda: space.client.get(space.path("sql")).json["items"], "the entry of who has left")
    entry = space.client.get(space.path("sql")).json["items"][0]
    assert built(space, entry["id"])["view"]["state"] == "ready"


def test_a_worker_that_dies(server):
    one = server()
    space = Space(one.client)
    space.table("orders", ORDERS)
    entry = space.saved("SELECT id FROM orders", order_by=["id"])
    s = space.opened(sql_id=entry["id"])
    page = s.page().body
    for pid in one.workers():
        os.kill(pid, 9)
    until(lambda: s.page().status == 200, "another worker")
    assert s.page().body == page

    def refreshed_while_killed():
        connection = begun(space, "POST", space.path("sql"), {"name": "x", "sql": LONG.format(n=100000)})
        until(lambda: one.client.get("/readyz").json["engine"]["running"] > 0, "the build to run")
        for pid in one.workers():
            os.kill(pid, 9)
        return connection.getresponse()

    answer = refreshed_while_killed()
    assert answer.status in (422, 503), answer.read()
    body = json.loads(answer.read())
    assert body["code"] in ("engine_lost", "unavailable", "view_failed"), body
    assert space.get_sql(entry["id"]).json == entry
    assert len(space.client.get(space.path("sql")).json["items"]) == 1
    assert space.refreshed(entry["id"])["view"]["row_count"] == 9


def test_a_build_has_a_time(server):
    one = server(spaces__build_seconds=6)
    space = Space(one.client)
    entry = space.saved("SELECT 1 AS a")
    body = space.update(entry, sql=LONG.format(n=100000)).json
    assert body["code"] in ("statement_timeout", "view_failed") and body["status"] == 422, body
    assert space.get_sql(entry["id"]).json["sql"] == "SELECT 1 AS a"


def test_a_draining_server(server):
    one = server(server__drain_seconds=1)
    space = Space(one.client)
    connection = begun(space, "POST", space.path("sql"), {"name": "x", "sql": LONG.format(n=100000)})
    until(lambda: one.client.get("/readyz").json["engine"]["running"] > 0, "the build to run")
    one.terminate()
    answer = connection.getresponse()
    assert answer.status in (409, 422, 503), answer.read()
    assert one.stop() == 0


def test_a_result_that_is_too_large_to_keep(server):
    one = server(tenants__view_bytes=1048576)
    space = Space(one.client)
    a = space.save("SELECT i, md5(i::VARCHAR) AS h FROM range(1000000) r(i)")
    body = problem(a, 422, a.json["code"])
    assert body["code"] in ("view_failed", "result_too_large", "sql_invalid"), body
    assert space.client.get(space.path("sql")).json["items"] == []
    a = space.upload("t", "h\n" + "".join(f"{hash(str(i)):x}\n" for i in range(200000)), "text/csv")
    assert a.status in (413, 422, 429), a
    assert space.get_table("t").status == 404
