"""DuckDB's own Iceberg extension reads what a server keeps: a folder, a metadata file, and the REST catalog as a database."""
import math
import struct

import readers

readers.within(*readers.DUCKDB)

import duckdb  # noqa: E402

from mayfly import Server  # noqa: E402
from session import token  # noqa: E402
from space import PARQUET, Space  # noqa: E402


def same(got, want):
    if isinstance(want, float) and got is not None:
        return struct.pack("<d", got) == struct.pack("<d", want) or (math.isnan(got) and math.isnan(want))
    if isinstance(want, list) and want and isinstance(want[0], tuple) and isinstance(got, dict):
        return sorted(got.items()) == want
    if want == [] and got == {}:
        return True
    return got == want and (want is None or isinstance(got, type(want)))


def check_types(c, source):
    result = c.execute(f"SELECT * FROM {source} ORDER BY n")
    columns = [d[0] for d in result.description]
    found = [dict(zip(columns, row)) for row in result.fetchall()]
    assert [r["n"] for r in found] == [0, 1, 2, 3], found
    for n, row in enumerate(found):
        assert row["untyped"] is None
        for name, *_ in readers.TYPES:
            assert same(row[name], readers.expected(name, n)), (source, name, n, row[name])


def check_filters(c, source):
    """Those on each column's values find their rows, though files are skipped by their bounds."""
    for name, duck, _, sql, values in readers.TYPES:
        if duck.endswith("]") or duck.startswith(("STRUCT", "MAP")):
            continue
        kept = duck if not duck.startswith(("ENUM", "JSON", "BIT", "INTERVAL", "TIMETZ")) else "VARCHAR"
        for n in range(3):
            value = sql[n] if kept == duck else "'" + str(values[n]).replace("'", "''") + "'"
            got = [r[0] for r in c.execute(f"SELECT n FROM {source} WHERE {name} = ({value})::{kept}").fetchall()]
            assert n in got, (source, name, value, got)
        assert c.execute(f"SELECT n FROM {source} WHERE {name} IS NULL").fetchall() == [(3,)], name
    assert c.execute(f"SELECT n FROM {source} WHERE dec9 < 0 ORDER BY n").fetchall() == [(0,), (1,)]
    assert c.execute(f"SELECT n FROM {source} WHERE dt < DATE '1970-01-01' ORDER BY n").fetchall() == [(0,), (1,)]
    assert c.execute(f"SELECT n FROM {source} WHERE d >= 0 ORDER BY n").fetchall() == [(0,), (2,)]


def attach(c, space, name="mayfly", headers=""):
    given = space.client.headers
    if "Authorization" in given:
        secret = f"TOKEN '{given['Authorization'].split()[1]}'"
    else:
        secret = "AUTHORIZATION_TYPE 'none'"
    if "X-Mayfly-Tenant" in given:
        headers = f", EXTRA_HTTP_HEADERS MAP {{'X-Mayfly-Tenant': '{given['X-Mayfly-Tenant']}'}}"
    c.execute(f"ATTACH '' AS {name} (TYPE iceberg, ENDPOINT '{space.client.server.url()}/iceberg', {secret}{headers})")
    return f'{name}."{space.name}"'


def fetch(c, sql):
    return c.execute(sql).fetchall()


def every_type(c, space):
    entry = space.saved(readers.select(range(4)))
    location = entry["view"]["location"]
    folder = location[len("file://"):]
    view = f'{attach(c, space)}."view_{entry["id"]}"'
    for source in (f"iceberg_scan('{location}')", f"iceberg_scan('{folder}')", f"iceberg_scan('{location}/metadata/v1.metadata.json')", view):
        check_types(c, source)
    check_filters(c, view)
    entry = space.updated(entry, sql=readers.select([1]))
    assert fetch(c, f"SELECT n FROM iceberg_scan('{location}')") == [(1,)] == fetch(c, f"SELECT n FROM {view}")
    assert len(fetch(c, f"SELECT n FROM iceberg_scan('{location}/metadata/v1.metadata.json')")) == 4
    snapshots = fetch(c, f"SELECT snapshot_id FROM iceberg_snapshots('{location}') ORDER BY sequence_number")
    assert len(snapshots) == 2 and snapshots[1][0] == entry["view"]["snapshot_id"]
    assert fetch(c, f"SELECT count(*) FROM iceberg_scan('{location}', snapshot_from_id => {snapshots[0][0]})") == [(4,)]
    assert fetch(c, f"SELECT count(*) FROM {view} AT (VERSION => {snapshots[0][0]})") == [(4,)]


def uploads(c, space):
    client = space.client
    body = client.result(client.run(readers.select([0, 2, 3]))["handle"], accept=PARQUET).body
    space.table("types", body, PARQUET)
    for i in range(12):  # the tenth version is after the ninth
        document = space.table("t", [{"a": 100 * i + k, "x": None if k % 2 else k - 50} for k in range(100)], mode="append" if i else "create")
    db = attach(c, space)
    assert len(fetch(c, f"SELECT * FROM {db}.types")) == 3
    for source in (f"{db}.t", f"iceberg_scan('{document['location']}')"):
        assert fetch(c, f"SELECT count(*), min(a), max(a), count(x) FROM {source}") == [(1200, 0, 1199, 600)]
        assert [r[0] for r in fetch(c, f"SELECT a FROM {source} WHERE a > 1120 ORDER BY a")] == list(range(1121, 1200))
        assert fetch(c, f"SELECT count(*) FROM {source} WHERE x < 0") == [(300,)]
        assert fetch(c, f"SELECT count(*) FROM {source} WHERE a > 1200") == [(0,)]
    assert sum(r[0] for r in fetch(c, f"SELECT record_count FROM iceberg_metadata('{document['location']}')")) == 1200
    for refused in ("INSERT INTO {}.t VALUES (1, 1)", "DROP TABLE {}.t", "CREATE TABLE {}.made (a INTEGER)"):
        raises(c, refused.format(db))
    space.table("t", [{"other": True}])
    assert fetch(c, f"SELECT * FROM {attach(c, space, 'again')}.t") == [(True,)]


def raises(c, sql):
    try:
        c.execute(sql)
    except duckdb.Error:
        return
    raise AssertionError(f"no error: {sql}")


def evolution(c, space):
    space.table("w", [{"id": 1, "v": 10}, {"id": 2, "v": 20}])
    entry = space.saved("SELECT id::INTEGER AS id, v::DECIMAL(9,2) AS v, 'x' AS gone FROM w", order_by=["id"])
    first = entry["view"]["snapshot_id"]
    entry = space.updated(entry, sql="SELECT id, v::DECIMAL(12,2) AS v, true AS made FROM w")
    location = entry["view"]["location"]
    new = fetch(c, f"SELECT id, v::VARCHAR, made FROM iceberg_scan('{location}')")
    assert new == [(1, "10.00", True), (2, "20.00", True)], new
    old = fetch(c, f"SELECT id, v::VARCHAR, gone FROM iceberg_scan('{location}', snapshot_from_id => {first})")
    assert old == [(1, "10.00", "x"), (2, "20.00", "x")], old


def nothing(c, space):
    entry = space.saved("SELECT 1 AS a, 'x' AS b WHERE false")
    assert fetch(c, f"SELECT a, b FROM iceberg_scan('{entry['view']['location']}')") == []
    assert fetch(c, f'SELECT count(*) FROM {attach(c, space)}."view_{entry["id"]}"') == [(0,)]
    waiting = space.saved("SELECT {{n}} AS n", variables=[{"name": "n", "type": "INTEGER"}])
    assert fetch(c, f"SELECT n FROM iceberg_scan('{waiting['view']['location']}')") == []


def with_a_token():
    server = Server({"auth.mode": "token"})
    try:
        space = Space(token(server, "acme"))
        space.table("t", [{"a": 1}])
        c = readers.duckdb()
        assert fetch(c, f"SELECT a FROM {attach(c, space)}.t") == [(1,)]
        raises(readers.duckdb(), f"ATTACH '' AS wrong (TYPE iceberg, ENDPOINT '{server.url()}/iceberg', TOKEN 'wrong')")
    finally:
        server.check_end()


def main():
    server = Server()
    try:
        for check in (every_type, uploads, evolution, nothing):
            check(readers.duckdb(), Space(server.as_tenant(check.__name__)))
    finally:
        server.check_end()
    with_a_token()


main()
