"""Spaces and their tables: /v1/spaces, /v1/spaces/{space_id}/tables."""
import gzip
import http.client
import json
import socket

import pytest

from mayfly import PATIENCE, Client, unique
from session import seconds
from space import CSV, JSON, NDJSON, PARQUET, Space, problem

BAD_IDS = ["..", ".", "a/b", "../x", "a b", "é", "-a", "_a", "a" * 64, "a.b", "a\\b", "a\x01"]


@pytest.fixture
def space(fresh):
    return Space(fresh)


# --- spaces ---

def test_a_space_is_made_once(fresh):
    a = fresh.request("PUT", "/v1/spaces/Sales-1_x")
    assert a.status == 201 and a.headers["Location"] == "/v1/spaces/Sales-1_x", a
    assert set(a.json) == {"space_id", "created_at"} and a.json["space_id"] == "Sales-1_x"
    assert seconds(a.json["created_at"])
    again = fresh.request("PUT", "/v1/spaces/Sales-1_x", {})
    assert again.status == 200 and again.json == a.json and "Location" not in again.headers
    assert fresh.get("/v1/spaces/Sales-1_x").json == a.json


def test_spaces_are_listed_by_pages(fresh):
    names = sorted(f"p{i:02}" for i in range(7))
    for name in names:
        Space(fresh, name)
    seen, after, pages = [], None, 0
    while True:
        a = fresh.get("/v1/spaces?limit=3" + (f"&after={after}" if after else ""))
        assert a.status == 200 and set(a.json) == {"items", "next"}, a
        seen += [s["space_id"] for s in a.json["items"]]
        pages += 1
        after = a.json["next"]
        if not after:
            break
    assert sorted(seen) == names and len(set(seen)) == 7 and pages == 3
    assert len(fresh.get("/v1/spaces").json["items"]) == 7
    for bad in ("limit=0", "limit=1001", "limit=x"):
        problem(fresh.get("/v1/spaces?" + bad), 400, "invalid_field")


def test_a_space_takes_no_fields(fresh):
    problem(fresh.request("PUT", "/v1/spaces/x", {"name": "y"}), 400, "unknown_field")
    problem(fresh.get("/v1/spaces/x"), 404, "not_found")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_what_is_no_id_of_a_space(fresh, bad):
    s = Space(fresh, bad, make=False)
    problem(fresh.request("PUT", s.path()), 400, "invalid_field")
    assert 400 <= fresh.get(s.path()).status < 500
    assert 400 <= s.delete(force="true").status < 500
    assert fresh.get("/v1/spaces").json["items"] == []


def test_slashes_in_a_path_are_another_path(fresh):
    for path in ("/v1/spaces/a/b", "/v1/spaces/", "/v1/spaces//tables", "/v1/spaces/../spaces/x"):
        a = fresh.request("PUT", path)
        assert a.status in (400, 404, 405), (path, a)
    assert fresh.request("PUT", "/v1/spaces/%2e%2e").status == 400
    assert fresh.request("PUT", "/v1/spaces/a%2Fb").status == 400
    assert fresh.request("PUT", "/v1/spaces/a%00b").status == 400


def test_a_space_that_has_something_is_kept(fresh):
    s = Space(fresh)
    s.table("t", [{"a": 1}])
    problem(s.delete(), 409, "space_not_empty")
    assert s.get_table("t").status == 200
    a = s.delete(force="true")
    assert a.status == 204 and a.body == b""
    problem(fresh.get(s.path()), 404, "not_found")
    problem(s.get_table("t"), 404, "not_found")
    problem(s.delete(), 404, "not_found")
    assert fresh.request("PUT", s.path()).status == 201
    assert fresh.get(s.path("tables")).json == {"items": [], "next": None}
    assert s.delete().status == 204


def test_saved_sql_keeps_a_space_as_well(space):
    space.saved("SELECT 1 AS a")
    problem(space.delete(), 409, "space_not_empty")
    assert space.delete(force="true").status == 204


def test_nothing_is_in_a_space_that_is_not_there(fresh):
    s = Space(fresh, "none", make=False)
    problem(s.upload("t", [{"a": 1}]), 404, "not_found")
    problem(fresh.get(s.path("tables")), 404, "not_found")
    problem(s.get_table("t"), 404, "not_found")
    problem(s.save("SELECT 1 AS a"), 404, "not_found")
    problem(fresh.get(s.path("sql")), 404, "not_found")
    problem(s.open(sql="SELECT 1 AS a"), 404, "not_found")


def test_methods_of_spaces(fresh):
    a = fresh.request("POST", "/v1/spaces/x", {})
    problem(a, 405, "method_not_allowed")
    assert set(a.headers["Allow"].split(", ")) == {"PUT", "GET", "HEAD", "DELETE"}


# --- uploads ---

def test_a_table_is_made(space):
    a = space.upload("orders", [{"id": 1, "name": "a", "ok": True}, {"id": 2, "name": None, "ok": False}])
    assert a.status == 201 and a.headers["Location"] == space.path("tables", "orders"), a
    doc = a.json
    assert doc["table"] == "orders" and doc["row_count"] == 2 and isinstance(doc["snapshot_id"], int)
    assert [(c["name"], c["type"], c["nullable"]) for c in doc["schema"]] == \
        [("id", "BIGINT", True), ("name", "VARCHAR", True), ("ok", "BOOLEAN", True)]
    assert doc["location"].endswith(f"/spaces/{space.name}/tables/orders")
    assert space.get_table("orders").json == doc
    assert space.rows("SELECT * FROM orders ORDER BY id") == [[1, "a", True], [2, None, False]]


def test_create_overwrite_append(space):
    first = space.upload("t", [{"a": 1}], mode="create")
    assert first.status == 201
    problem(space.upload("t", [{"a": 2}], mode="create"), 409, "duplicate_table")
    problem(space.upload("t", [{"a": 2}]), 409, "duplicate_table")  # create is the default
    more = space.upload("t", [{"a": 2}, {"a": 3}], mode="append")
    assert more.status == 200 and more.json["row_count"] == 3, more
    assert more.json["snapshot_id"] > first.json["snapshot_id"]
    assert sorted(space.rows("SELECT a FROM t")) == [[1], [2], [3]]
    over = space.upload("t", [{"b": "x"}], mode="overwrite")
    assert over.status == 200 and over.json["row_count"] == 1 and over.json["schema"][0]["name"] == "b", over
    assert over.json["snapshot_id"] > more.json["snapshot_id"]
    assert space.rows("SELECT * FROM t") == [["x"]]
    made = space.upload("u", [{"a": 1}], mode="overwrite")
    assert made.status == 201 and made.headers["Location"] == space.path("tables", "u"), made
    problem(space.upload("v", [{"a": 1}], mode="append"), 404, "unknown_table")
    problem(space.upload("w", [{"a": 1}], mode="replace"), 400, "invalid_field")
    assert space.get_table("v").status == 404


CSV_ROWS = 'id,name,at\r\n1,"a, b",2024-01-02\r\n2,,1969-12-31\r\n'
EXPECTED = [[1, "a, b", "2024-01-02"], [2, None, "1969-12-31"]]


def parquet(client, sql):
    """Parquet bytes made by the server itself."""
    return client.result(client.run(sql)["handle"], accept=PARQUET).body


def test_every_format(fresh, space):
    rows = [{"id": 1, "name": "a, b", "at": "2024-01-02"}, {"id": 2, "name": None, "at": "1969-12-31"}]
    lines = "".join(json.dumps(r) + "\n" for r in rows)
    made = {
        CSV: CSV_ROWS, JSON: json.dumps(rows), NDJSON: lines, "application/jsonl": lines,
        "application/ndjson; charset=utf-8": lines,
        PARQUET: parquet(fresh, "SELECT * FROM (VALUES (1, 'a, b', DATE '2024-01-02'), (2, NULL, DATE '1969-12-31')) v(id, name, \"at\")"),
    }
    for i, (kind, body) in enumerate(made.items()):
        doc = space.table(f"t{i}", body, kind)
        assert doc["row_count"] == 2, (kind, doc)
        assert space.rows(f'SELECT id::INT, name, "at"::DATE::VARCHAR FROM t{i} ORDER BY id') == EXPECTED, kind
    problem(space.upload("x", "1", "text/html"), 415, "unsupported_media_type")
    assert space.get_table("x").status == 404


def test_gzip_and_chunks(space):
    body = "a\n" + "".join(f"{i}\n" for i in range(50000))
    assert space.table("z", gzip.compress(body.encode()), CSV, **{"Content-Encoding": "gzip"})["row_count"] == 50000
    connection = space.client.server.connection()
    data = body.encode()
    connection.request("PUT", space.path("tables", "c"), iter([data[i:i + 7000] for i in range(0, len(data), 7000)]),
                       {"Content-Type": CSV, "Transfer-Encoding": "chunked", **space.client.headers}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 201 and json.loads(answer.read())["row_count"] == 50000
    connection.close()
    assert space.rows("SELECT count(*), sum(a) FROM c") == [[50000, "1249975000"]]
    broken = gzip.compress(body.encode())[:-9]
    a = space.upload("y", broken, CSV, **{"Content-Encoding": "gzip"})
    assert 400 <= a.status < 500, a
    assert space.get_table("y").status == 404


def test_a_truncated_upload_leaves_nothing(space):
    space.table("t", [{"a": 1}])
    before = space.get_table("t").json
    for mode, table in (("create", "n"), ("overwrite", "t"), ("append", "t")):
        with socket.create_connection(("127.0.0.1", space.client.server.port), timeout=PATIENCE) as s:
            head = f"PUT {space.path('tables', table)}?mode={mode} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
            head += f"Content-Length: 1000\r\nX-Mayfly-Tenant: {space.client.headers['X-Mayfly-Tenant']}\r\n\r\na\r\n7\r\n"
            s.sendall(head.encode())
    assert space.table("u", [{"a": 1}])["row_count"] == 1  # the server goes on
    assert space.get_table("n").status == 404
    assert space.get_table("t").json == before


def test_a_truncated_parquet_file(fresh, space):
    body = parquet(fresh, "SELECT range AS a FROM range(1000)")
    for cut in (body[:len(body) // 2], body[:3], b"PAR1", b""):
        a = space.upload("t", cut, PARQUET)
        assert 400 <= a.status < 500 and a.type == "application/problem+json", a
    assert space.get_table("t").status == 404
    assert space.table("t", body, PARQUET)["row_count"] == 1000


def test_ragged_csv_names_its_row(space):
    a = space.upload("t", "a,b\r\n1,2\r\n3\r\n5,6\r\n", CSV)
    body = problem(a, 422, "schema_mismatch")
    assert body["row"] == 2, body
    body = problem(space.upload("t", "a,b\r\n1,2\r\n3,4\r\n5,6,7\r\n", CSV), 422, "schema_mismatch")
    assert body["row"] == 3, body
    assert space.get_table("t").status == 404


def test_json_that_is_none(space):
    for kind, body in ((JSON, "[{\"a\":1},"), (JSON, "{\"a\":"), (NDJSON, "{\"a\":1}\n{\"a\":"), (JSON, "\x00"), (NDJSON, "nope\n")):
        a = space.upload("t", body, kind)
        assert 400 <= a.status < 500, (kind, body, a)
    assert space.get_table("t").status == 404


def test_appended_rows_must_fit(space):
    before = space.table("t", [{"id": 1, "name": "a"}])
    body = problem(space.upload("t", "id,name\r\n2,b\r\nx,c\r\n", CSV, "append"), 422, "schema_mismatch")
    assert body["row"] == 2 and body["column"] == "id", body
    assert body["detail"] == "row 2, column id: 'x' is no integer", body
    a = space.upload("t", [{"other": 1}], mode="append")
    assert a.status == 422, a
    assert space.get_table("t").json == before
    assert space.rows("SELECT * FROM t") == [[1, "a"]]


def test_nothing_to_append(space):
    """What `/stream` gives of a view without rows can be appended."""
    before = space.table("t", [{"id": 1, "name": "a"}])
    for kind, body in ((JSON, "[]"), (JSON, " [ ]\n"), (NDJSON, ""), (NDJSON, "\n\n"), (CSV, "id,name\r\n")):
        a = space.upload("t", body, kind, "append")
        assert a.status == 200 and a.json["row_count"] == 1 and a.json["schema"] == before["schema"], (kind, body, a)
        if kind != CSV:
            problem(space.upload("t", body, kind, "overwrite"), 422, "schema_mismatch")
    assert space.rows("SELECT * FROM t") == [[1, "a"]]
    for kind, body in ((JSON, "[[]]"), (JSON, "[1]"), (NDJSON, "[]"), (NDJSON, "[[]]"), (CSV, "")):
        a = space.upload("t", body, kind, "append")
        assert a.status == 422, (kind, body, a)


def test_a_large_upload_is_refused_while_it_streams(server):
    one = server(server__max_upload_bytes=100000)
    space = Space(one.client)
    problem(space.upload("t", "a\n" + "1234567\n" * 20000, CSV), 413, "body_too_large")
    bomb = gzip.compress(b"a\n" + b"1234567\n" * 20000)
    a = space.upload("t", bomb, CSV, **{"Content-Encoding": "gzip"})
    problem(a, 413, "body_too_large")
    assert space.get_table("t").status == 404
    assert space.table("t", "a\n1\n", CSV)["row_count"] == 1


def test_a_table_has_no_columns_twice(space):
    doc = space.table("t", "a,A,a_1\r\n1,2,3\r\n", CSV)
    names = [c["name"] for c in doc["schema"]]
    assert len({n.lower() for n in names}) == 3, names
    assert space.rows("SELECT * FROM t") == [[1, 2, 3]]


def test_a_table_of_many_columns(space):
    """Types are found in one pass whose memory does not grow with the columns."""
    names = [f"c{i}" for i in range(2000)]
    doc = space.table("wide", ",".join(names) + "\r\n" + ",".join("2026-01-02" if i % 2 else str(i) for i in range(2000)) + "\r\n", CSV)
    assert [(c["name"], c["type"]) for c in doc["schema"]] == [(n, "DATE" if i % 2 else "BIGINT") for i, n in enumerate(names)]
    doc = space.table("wide_json", [{n: i if i % 2 else "x" for i, n in enumerate(names)}])
    assert [(c["name"], c["type"]) for c in doc["schema"]] == [(n, "BIGINT" if i % 2 else "VARCHAR") for i, n in enumerate(names)]
    assert space.rows("SELECT c1999, c1998 FROM wide_json") == [[1999, "x"]]


def test_types_of_nested_json(space):
    doc = space.table("t", [{"l": [1.5, 2], "big": [1.5, 9007199254740993123], "s": {"a": ["x"]}, "n": 1, "z": None},
                            {"l": [], "big": None, "s": None, "n": 2.5, "z": None}])
    kinds = {c["name"]: c["type"].replace('"', "") for c in doc["schema"]}
    assert kinds == {"l": "DOUBLE[]", "big": "VARCHAR", "s": "STRUCT(a VARCHAR[])", "n": "DOUBLE", "z": "VARCHAR"}
    assert space.rows("SELECT big, n FROM t ORDER BY n") == [["[1.5,9007199254740993123]", 1.0], [None, 2.5]]
    doc = space.table("only", [{"a": [1], "b": {"c": "x"}}])
    assert [c["type"].replace('"', "") for c in doc["schema"]] == ["BIGINT[]", "STRUCT(c VARCHAR)"]


def test_an_empty_table(space):
    doc = space.table("t", "a,b\r\n", CSV)
    assert doc["row_count"] == 0 and [c["name"] for c in doc["schema"]] == ["a", "b"]
    assert space.rows("SELECT * FROM t") == []


@pytest.mark.parametrize("bad", BAD_IDS)
def test_what_is_no_name_of_a_table(space, bad):
    a = space.upload(bad, [{"a": 1}])
    assert a.status in (400, 404), a
    assert 400 <= space.get_table(bad).status < 500
    assert 400 <= space.delete("tables", bad).status < 500
    assert space.client.get(space.path("tables")).json["items"] == []


def test_names_differ_in_more_than_case(space):
    space.table("Orders", [{"a": 1}])
    a = space.upload("orders", [{"a": 1}])
    assert 400 <= a.status < 500, a
    assert [t["table"] for t in space.client.get(space.path("tables")).json["items"]] == ["Orders"]
    assert space.rows("SELECT * FROM oRDERS") == [[1]]


def test_tables_are_listed_and_dropped(space):
    names = [f"t{i}" for i in range(5)]
    for name in names:
        space.table(name, [{"a": 1}])
    first = space.client.get(space.path("tables", limit=3)).json
    rest = space.client.get(space.path("tables", limit=3, after=first["next"])).json
    assert [t["table"] for t in first["items"] + rest["items"]] == names and rest["next"] is None
    assert set(first["items"][0]) >= {"table", "snapshot_id", "row_count", "schema"}
    a = space.delete("tables", "t3")
    assert a.status == 204 and a.body == b""
    problem(space.get_table("t3"), 404, "not_found")
    problem(space.delete("tables", "t3"), 404, "not_found")
    assert len(space.client.get(space.path("tables")).json["items"]) == 4
    assert space.table("t3", [{"b": 2}])["row_count"] == 1
    assert space.rows("SELECT * FROM t3") == [[2]]


def test_types_survive(fresh, space):
    sql = """SELECT true AS b, 1::TINYINT AS i8, -2::SMALLINT AS i16, 3::INTEGER AS i32, 9007199254740993::BIGINT AS i64,
      200::UTINYINT AS u8, 60000::USMALLINT AS u16, 4000000000::UINTEGER AS u32, 18446744073709551615::UBIGINT AS u64,
      1.5::FLOAT AS f, 'NaN'::DOUBLE AS nan, '-0.0'::DOUBLE AS nz, -12.34::DECIMAL(10,2) AS d, DATE '1900-02-28' AS dt,
      TIME '01:02:03.5' AS t, TIMESTAMP '1969-12-31 23:59:59.5' AS ts, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz,
      'ü\n' AS s, '\\x00\\xff'::BLOB AS bl, '6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01'::UUID AS u,
      [1, NULL, 3] AS l, {'x': 1, 'y': 'z'} AS st, MAP {'k': 1} AS m"""
    direct = fresh.rows(sql)
    direct[0][8] = str(direct[0][8])  # kept as DECIMAL(20,0)
    space.table("t", parquet(fresh, sql), PARQUET)
    assert space.rows("SELECT * FROM t") == direct


def test_uploads_at_once(space):
    from mayfly import in_parallel
    body = "a\n" + "1\n" * 20000
    answers = in_parallel(*[lambda i=i: space.upload(f"p{i}", body, CSV) for i in range(6)])
    assert [a.status for a in answers] == [201] * 6
    space.table("shared", "a\n0\n", CSV)
    answers = in_parallel(*[lambda: space.upload("shared", body, CSV, "append") for _ in range(4)])
    assert [a.status for a in answers] == [200] * 4, answers
    assert space.get_table("shared").json["row_count"] == 80001
    answers = in_parallel(*[lambda: space.upload("race", "a\n1\n", CSV) for _ in range(4)])
    assert sorted(a.status for a in answers) == [201, 409, 409, 409], answers


def test_the_client_may_leave(space):
    connection = http.client.HTTPConnection("127.0.0.1", space.client.server.port, timeout=PATIENCE)
    connection.putrequest("PUT", space.path("tables", "left"))
    connection.putheader("Content-Type", CSV)
    connection.putheader("Content-Length", "100000000")
    for key, value in space.client.headers.items():
        connection.putheader(key, value)
    connection.endheaders(b"a\n" + b"1\n" * 100000)
    connection.close()
    assert space.table("stays", "a\n1\n", CSV)["row_count"] == 1
    assert space.get_table("left").status == 404


# --- tenants ---

def test_two_tenants_never_meet(shared):
    one, two = (Space(Client(shared, tenant=unique("tenant")), "same") for _ in range(2))
    one.table("t", [{"a": "one"}])
    assert two.get_table("t").status == 404
    assert two.client.get("/v1/spaces/same/tables").json["items"] == []
    two.table("t", [{"a": "two"}])
    assert one.rows("SELECT * FROM t") == [["one"]] and two.rows("SELECT * FROM t") == [["two"]]
    assert two.delete(force="true").status == 204
    assert one.rows("SELECT * FROM t") == [["one"]]
    three = Space(Client(shared, tenant=unique("tenant")), "same", make=False)
    problem(three.client.get(three.path()), 404, "not_found")


# --- the contract document ---

PATHS = {
    "/v1/spaces": {"get"}, "/v1/spaces/{space_id}": {"put", "get", "delete"}, "/v1/spaces/{space_id}/tables": {"get"},
    "/v1/spaces/{space_id}/tables/{name}": {"put", "get", "delete"}, "/v1/spaces/{space_id}/sql": {"post", "get"},
    "/v1/spaces/{space_id}/sql/{sql_id}": {"get", "put", "delete"}, "/v1/spaces/{space_id}/sql/{sql_id}/refresh": {"post"},
    "/v1/spaces/{space_id}/sql-sessions": {"post"}, "/v1/spaces/{space_id}/sql-sessions/{session_id}": {"get", "delete"},
    "/v1/spaces/{space_id}/sql-sessions/{session_id}/rows": {"get"}, "/v1/spaces/{space_id}/sql-sessions/{session_id}/count": {"get"},
    "/v1/spaces/{space_id}/sql-sessions/{session_id}/stream": {"get"}, "/iceberg/v1/config": {"get"}, "/iceberg/v1/namespaces": {"get"},
    "/iceberg/v1/namespaces/{namespace}": {"get", "head"}, "/iceberg/v1/namespaces/{namespace}/tables": {"get"},
    "/iceberg/v1/namespaces/{namespace}/tables/{table}": {"get", "head"},
}


def test_the_openapi_document_has_all_of_it(client):
    doc = client.get("/openapi.json").json
    for path, methods in PATHS.items():
        assert set(doc["paths"][path]) == methods, path
        for method in methods:
            answers = doc["paths"][path][method]["responses"]
            assert [s for s in answers if s.startswith("2")] and "default" in answers, (path, method)
    bodies = {(p, m) for p in PATHS for m in doc["paths"][p] if "requestBody" in doc["paths"][p][m]}
    assert bodies == {("/v1/spaces/{space_id}/tables/{name}", "put"), ("/v1/spaces/{space_id}/sql", "post"),
                      ("/v1/spaces/{space_id}/sql/{sql_id}", "put"), ("/v1/spaces/{space_id}/sql-sessions", "post")}


def test_documents_are_as_the_schemas_say(client, space):
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    entry = space.saved("SELECT 1 AS a")
    session = space.opened(sql="SELECT 1 AS a")
    made = {"Space": space.client.get(space.path()).json, "SpaceTable": space.table("t", [{"a": 1}]), "SavedSql": entry,
            "SqlSession": session.document, "Count": {"count": session.count()}}
    for name, document in made.items():
        assert set(document) == set(schemas[name]["properties"]), name
        for example in schemas[name].get("examples", []):
            assert set(example) == set(document), name
    assert space.save(**{k: v for k, v in schemas["SaveSql"]["examples"][0].items()}).status in (201, 422)
    assert set(entry["view"]) == set(schemas["SavedSql"]["properties"]["view"]["properties"])
