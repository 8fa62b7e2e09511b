"""Other Iceberg programs read what we keep: iceberg-js (REST catalog), icebird (tables), avsc (Avro files)."""
import glob
import json
import os
import shutil
import subprocess

import pytest

from mayfly import ROOT, Client, unique
from session import token
from space import PARQUET, Space

SCRIPTS = os.path.join(ROOT, "tests", "interop")
NODE = shutil.which("node")
MODULES = os.path.join(SCRIPTS, "node_modules")

pytestmark = [
    pytest.mark.skipif(not NODE, reason="there is no node"),
    pytest.mark.skipif(not os.path.isdir(MODULES), reason="tests/interop/node_modules is not there: `tools/deps interop` could not have it from npm"),
]


def node(script, *args, stdin=None):
    done = subprocess.run([NODE, os.path.join(SCRIPTS, script), *args], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def icebird(location, *more):
    return json.loads(node("icebird.mjs", location, *more))["rows"]


def avro(*paths):
    return json.loads(node("avro.mjs", *paths))


def folder(location):
    assert location.startswith("file://")
    return location[len("file://"):]


def catalog(client, *calls):
    given = [f"tenant={client.headers['X-Mayfly-Tenant']}"] if "X-Mayfly-Tenant" in client.headers else []
    if "Authorization" in client.headers:
        given.append("token=" + client.headers["Authorization"].split()[1])
    out = node("catalog.mjs", client.server.url() + "/iceberg/", *given, stdin="".join(json.dumps(c) + "\n" for c in calls))
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def space(fresh):
    return Space(fresh)


# --- icebird ---

EVERY_TYPE = """SELECT true AS b, -1::TINYINT AS i8, 2::SMALLINT AS i16, -3::INTEGER AS i32, 9007199254740993::BIGINT AS i64,
  200::UTINYINT AS u8, 60000::USMALLINT AS u16, 4000000000::UINTEGER AS u32, 7::UBIGINT AS u64, 1.5::FLOAT AS f, -2.25::DOUBLE AS d,
  'NaN'::DOUBLE AS nan, '-0.0'::DOUBLE AS nz, -12.34::DECIMAL(10,2) AS dec, 5::HUGEINT AS h, DATE '1969-12-31' AS dt, TIME '01:02:03' AS t,
  TIMESTAMP '1969-12-31 23:59:59.5' AS ts, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz, TIMESTAMP_S '2024-01-01 00:00:00' AS tss, 'ü' AS s,
  '\\x00\\xff'::BLOB AS bl, '6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01'::UUID AS u, 'a'::ENUM('a', 'b') AS e, '{"k": 1}'::JSON AS j,
  INTERVAL 1 DAY AS iv, [1, NULL, 3] AS l, [1, 2]::INTEGER[2] AS arr, {'x': 1, 'y': 'z'} AS st, MAP {'k': 1} AS m, NULL::INTEGER AS nul,
  NULL AS untyped"""

EXPECTED = {
    "b": True, "i8": -1, "i16": 2, "i32": -3, "i64": "9007199254740993", "u8": 200, "u16": 60000, "u32": 4000000000, "u64": 7, "f": 1.5,
    "d": -2.25, "nan": "NaN", "nz": "-0", "dec": -12.34, "h": 5, "dt": "1969-12-31T00:00:00.000Z", "ts": "1969-12-31T23:59:59.500Z",
    "tz": "2024-01-01T00:00:00.000Z", "tss": "2024-01-01T00:00:00.000Z", "s": "ü", "e": "a", "j": '{"k": 1}', "iv": "1 day",
    "l": [1, None, 3], "arr": [1, 2], "st": {"x": 1, "y": "z"}, "nul": None, "untyped": None,
}


def test_every_type_and_both_snapshots(space):
    entry = space.saved(EVERY_TYPE + " UNION ALL BY NAME SELECT NULL AS b")
    location = entry["view"]["location"]
    rows = icebird(location)
    assert len(rows) == 2
    full = next(r for r in rows if r["b"] is True)
    empty = next(r for r in rows if r["b"] is None)
    for name, value in EXPECTED.items():
        assert full[name] == value, (name, full[name])
    assert full["m"] in ({"k": 1}, [{"key": "k", "value": 1}]) and full["bl"] and full["u"] and full["t"]
    assert all(v is None for v in empty.values()), empty
    space.updated(entry, sql=EVERY_TYPE)
    assert len(icebird(location)) == 1
    assert len(icebird(location, "v1.metadata.json")) == 2


def test_uploaded_tables(fresh, space):
    body = fresh.result(fresh.run("SELECT i, 'n' || i AS n FROM range(1000) r(i)")["handle"], accept=PARQUET).body
    location = space.table("t", body, PARQUET)["location"]
    space.table("t", [{"i": 1000, "n": "last"}], mode="append")
    rows = icebird(location)
    assert sorted(r["i"] for r in rows) == list(range(1001)) and {"i": 1000, "n": "last"} in rows
    assert len(icebird(location, "v1.metadata.json")) == 1000
    space.table("t", [{"other": True}])
    assert icebird(location) == [{"other": True}]


def test_an_empty_view(space):
    entry = space.saved("SELECT 1 AS a WHERE false")
    assert icebird(entry["view"]["location"]) == []


def test_order_and_names(space):
    space.table("t", [{"a": i % 5, "Bc": i} for i in range(50)])
    entry = space.saved('SELECT a, "Bc", a AS "A" FROM t', order_by=["a DESC", '"Bc"'])
    rows = icebird(entry["view"]["location"])
    assert [(r["a"], r["Bc"]) for r in rows] == sorted(((i % 5, i) for i in range(50)), key=lambda r: (-r[0], r[1]))
    assert len(rows[0]) == 3


# --- avsc ---

def test_avro_files(space):
    space.table("t", [{"a": 1, "s": "x"}, {"a": None, "s": "y"}])
    space.table("t", [{"a": -5, "s": "z"}], mode="append")
    metadata = space.client.get(f"/iceberg/v1/namespaces/{space.name}/tables/t").json["metadata"]
    root = folder(metadata["location"])
    for snapshot in metadata["snapshots"]:
        assert snapshot["manifest-list"].startswith(metadata["location"] + "/metadata/")
    lists = avro(*[folder(s["manifest-list"]) for s in metadata["snapshots"]])
    assert len(lists) == 2
    for listed, snapshot in zip(lists, metadata["snapshots"]):
        assert listed["meta"]["format-version"] == "2" and int(listed["meta"]["snapshot-id"]) == snapshot["snapshot-id"]
    last = lists[-1]["records"]
    assert sum(m["added_rows_count"] + m["existing_rows_count"] for m in last) == 3
    assert all(m["content"] == 0 and m["partition_spec_id"] == 0 for m in last)
    for m in last:
        path = folder(m["manifest_path"])
        assert os.path.getsize(path) == m["manifest_length"] and path.startswith(root)
    manifests = avro(*[folder(m["manifest_path"]) for m in last])
    entries = [e for m in manifests for e in m["records"]]
    assert sum(e["data_file"]["record_count"] for e in entries if e["status"] != 2) == 3
    for e in entries:
        f = e["data_file"]
        path = folder(f["file_path"])
        assert os.path.getsize(path) == f["file_size_in_bytes"] and f["file_format"] == "PARQUET" and f["content"] == 0
        assert f["lower_bounds"] and f["value_counts"] and f["null_value_counts"], f
    for m in manifests:
        schema = json.loads(m["meta"]["schema"])
        assert [x["name"] for x in schema["fields"]] == ["a", "s"] and m["meta"]["content"] == "data"
    assert len(glob.glob(os.path.join(root, "metadata", "*.avro"))) >= 4


# --- iceberg-js ---

def test_a_rest_client(space):
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a FROM t")
    view = "view_" + entry["id"]
    ns = {"namespace": [space.name]}
    table = {**ns, "name": "t"}
    schema = {"type": "struct", "fields": [{"id": 1, "name": "a", "type": "long", "required": False}], "schema-id": 0}
    answers = catalog(
        space.client, ["listNamespaces"], ["namespaceExists", ns], ["namespaceExists", {"namespace": ["none"]}],
        ["loadNamespaceMetadata", ns], ["listTables", ns], ["tableExists", table], ["tableExists", {**ns, "name": "no"}],
        ["loadTable", table], ["loadTable", {**ns, "name": view}], ["loadTable", {**ns, "name": "no"}], ["listTables", {"namespace": ["none"]}],
        ["createNamespace", {"namespace": ["new"]}], ["dropTable", table], ["createTable", ns, {"name": "n", "schema": schema}],
        ["loadConfig"])
    values = [a.get("value") for a in answers]
    assert values[0]["namespaces"] == [ns] or values[0]["namespaces"] == [[space.name]], values[0]
    assert values[1] is True and values[2] is False and values[3]["properties"] == {}
    assert sorted(t["name"] for t in values[4]["identifiers"]) == ["t", view]
    assert values[5] is True and values[6] is False
    assert values[7]["schemas"][0]["fields"][0]["name"] == "a" and values[8]["location"] == entry["view"]["location"]
    assert answers[9]["status"] == 404 and answers[9]["type"] == "NoSuchTableException"
    assert answers[10]["status"] == 404 and answers[10]["type"] == "NoSuchNamespaceException"
    assert [a["status"] for a in answers[11:14]] == [405] * 3 and {a["type"] for a in answers[11:14]} == {"MethodNotAllowedException"}
    assert values[14]["defaults"] == {}
    assert space.rows("SELECT a FROM t") == [[1]]


def test_a_rest_client_pages(space):
    for i in range(5):
        space.table(f"t{i}", [{"a": 1}])
    ns = {"namespace": [space.name]}
    first = catalog(space.client, ["listTables", ns, {"pageSize": 2}])[0]["value"]
    assert len(first["identifiers"]) == 2 and first["nextPageToken"]
    second = catalog(space.client, ["listTables", ns, {"pageSize": 4, "pageToken": first["nextPageToken"]}])[0]["value"]
    names = [t["name"] for t in first["identifiers"] + second["identifiers"]]
    assert names == [f"t{i}" for i in range(5)] and not second.get("nextPageToken")


def test_a_rest_client_with_a_token(guarded):
    mine = token(guarded, unique("tenant"))
    space = Space(mine)
    space.table("t", [{"a": 1}])
    ns = {"namespace": [space.name]}
    assert catalog(mine, ["listTables", ns])[0]["value"]["identifiers"][0]["name"] == "t"
    answer = catalog(Client(guarded, token="wrong"), ["listTables", ns])[0]
    assert answer["status"] == 401 and answer["type"] == "NotAuthorizedException"
