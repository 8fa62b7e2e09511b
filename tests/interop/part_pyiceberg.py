"""pyiceberg reads what a server keeps: from a folder, from a metadata file, and through the REST catalog."""
import datetime
import math
import os
import shutil
import struct
import uuid

import readers

readers.within(*readers.PYICEBERG)

from pyiceberg.catalog.rest import RestCatalog  # noqa: E402
from pyiceberg.conversions import from_bytes  # noqa: E402
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, RESTError  # noqa: E402
from pyiceberg.expressions import EqualTo, GreaterThan, GreaterThanOrEqual, IsNaN, IsNull, LessThan, NotNull, StartsWith  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402

from mayfly import Server  # noqa: E402
from space import PARQUET, Space  # noqa: E402


def same(name, got, want):
    if name == "u" and isinstance(got, bytes):
        got = uuid.UUID(bytes=got)
    if isinstance(want, float) and math.isnan(want):
        return isinstance(got, float) and math.isnan(got)
    if isinstance(want, float) and got is not None:
        return struct.pack("<d", got) == struct.pack("<d", want)
    return got == want and (want is None or isinstance(got, type(want)))


def rows(table, **scan):
    return table.scan(**scan).to_arrow().to_pylist()


def check_types(table):
    """Every type, with its NULLs, is what it is in SQL."""
    for name, _, iceberg, _, _ in readers.TYPES:
        kind = str(table.schema().find_field(name).field_type)
        assert kind == iceberg or (iceberg in ("struct", "list") and kind.startswith(iceberg + "<")), (name, kind)
    found = {r["n"]: r for r in rows(table)}
    assert sorted(found) == [0, 1, 2, 3], found
    for n, row in found.items():
        assert row["untyped"] is None
        for name, *_ in readers.TYPES:
            if (name, n) == ("deep", 3):
                continue  # pyiceberg 0.12 builds lists of structs anew from their offsets, and loses that one is NULL
            assert same(name, row[name], readers.expected(name, n)), (name, n, row[name])


def check_bounds(table):
    """The bounds of each file, read by their types, hold all of its values; so no filter by them loses a row."""
    data = [task.file for task in table.scan().plan_files()]
    assert data
    for f in data:
        assert f.record_count > 0
        for name, *_ in readers.TYPES:
            field = table.schema().find_field(name)
            values = [v for v in (readers.expected(name, n) for n in range(4)) if v is not None]
            if not field.field_type.is_primitive:
                continue
            assert f.null_value_counts[field.field_id] == 1 and f.value_counts[field.field_id] == 4, name
            nans = any(isinstance(v, float) and math.isnan(v) for v in values)
            if isinstance(values[0], float):
                # DuckDB tells whether there are any, not how many
                assert f.nan_value_counts.get(field.field_id) == (None if nans else 0), name
            if nans or name in ("high", "bl"):
                continue  # no bounds with a NaN, nor without an upper one: these cannot be rounded up
            low, high = (m.get(field.field_id) for m in (f.lower_bounds, f.upper_bounds))
            assert low is not None and high is not None, (name, low, high)
            assert comparable(field, low) <= min(map(python_value, values)), (name, low)
            assert comparable(field, high) >= max(map(python_value, values)), (name, high)


def comparable(field, bound):
    return python_value(from_bytes(field.field_type, bound))


def python_value(value):
    """Dates and times as pyiceberg's bounds have them: since 1970."""
    if isinstance(value, datetime.datetime):
        utc = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return (utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return value.toordinal() - datetime.date(1970, 1, 1).toordinal()
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000000 + value.microsecond
    if isinstance(value, uuid.UUID):
        return value.bytes
    return value


def literal(name, value):
    kind = next(duck for other, duck, *_ in readers.TYPES if other == name)
    if kind.startswith(("DATE", "TIME")) and not isinstance(value, str):
        return value.isoformat()
    return value


def check_filters(table):
    """Filters on each column find the rows they should, though they skip files by their bounds."""
    for name, *_ in readers.TYPES:
        if not table.schema().find_field(name).field_type.is_primitive:
            continue
        assert [r["n"] for r in rows(table, row_filter=IsNull(name))] == [3], name
        assert sorted(r["n"] for r in rows(table, row_filter=NotNull(name))) == [0, 1, 2], name
        for n in range(3):
            value = readers.expected(name, n)
            if name in ("u", "bl") or (isinstance(value, float) and (math.isnan(value) or math.isinf(value))):
                continue  # pyiceberg's own literals cannot be compared by pyarrow
            got = [r["n"] for r in rows(table, row_filter=EqualTo(name, literal(name, value)))]
            assert n in got and all(readers.expected(name, g) == value for g in got), (name, value, got)
    assert [r["n"] for r in rows(table, row_filter=IsNaN("dnan"))] == [0]
    assert sorted(r["n"] for r in rows(table, row_filter=LessThan("dec9", 0))) == [0, 1]
    assert sorted(r["n"] for r in rows(table, row_filter=LessThan("dt", "1970-01-01"))) == [0, 1]
    assert sorted(r["n"] for r in rows(table, row_filter=GreaterThanOrEqual("d", 0.0))) == [0, 2]
    assert [r["n"] for r in rows(table, row_filter=StartsWith("high", chr(1114111)))] == [0]


def folder(location):
    assert location.startswith("file://")
    return location[len("file://"):]


def static(location, version=None):
    """By the folder with its hint, or by a metadata file."""
    return StaticTable.from_metadata(f"{location}/metadata/v{version}.metadata.json" if version else location)


def every_type(space):
    """In a view and in a table that was uploaded as Parquet; both are read in all ways, and both snapshots of the view."""
    entry = space.saved(readers.select(range(4)))
    location = entry["view"]["location"]
    view = catalog(space).load_table((space.name, "view_" + entry["id"]))
    for table in (static(location), static(location, 1), view):
        check_types(table)
    check_bounds(view)
    check_filters(view)
    space.updated(entry, sql=readers.select([1]))
    now = static(location)
    assert [r["n"] for r in rows(now)] == [1]
    assert len(now.metadata.snapshots) == 2 and now.scan().count() == 1
    former = now.metadata.snapshots[0]
    assert len(rows(now, snapshot_id=former.snapshot_id)) == 4 == now.scan(snapshot_id=former.snapshot_id).count()
    assert len(rows(static(location, 1))) == 4
    assert view.refresh().current_snapshot().snapshot_id == now.current_snapshot().snapshot_id
    # every snapshot says how many rows it has, as the server does
    assert [s.summary["total-records"] for s in now.metadata.snapshots] == ["4", "1"]


def uploads(space):
    """A table of Parquet that is appended to: pages of files, of which a filter reads only those that it needs."""
    client = space.client
    body = client.result(client.run(readers.select([0, 2, 3]))["handle"], accept=PARQUET).body
    location = space.table("types", body, PARQUET)["location"]
    assert len(rows(static(location))) == 3
    for i in range(5):
        last = space.table("t", [{"a": 100 * i + k, "s": f"{i} {k:03}", "x": None if k % 2 else k - 50} for k in range(100)],
                           mode="append" if i else "create")
    table = catalog(space).load_table((space.name, "t"))
    assert table.scan().count() == 500 == last["row_count"] and len(list(table.scan().plan_files())) == 5
    assert table.current_snapshot().snapshot_id == last["snapshot_id"]
    some = GreaterThan("a", 420)
    assert len(list(table.scan(row_filter=some).plan_files())) == 1
    assert sorted(r["a"] for r in rows(table, row_filter=some)) == list(range(421, 500))
    assert len(list(table.scan(row_filter=StartsWith("s", "2 ")).plan_files())) == 1
    assert len(rows(table, row_filter=StartsWith("s", "2 "), selected_fields=("s",))) == 100
    assert list(table.scan(row_filter=GreaterThan("a", 500)).plan_files()) == []
    assert len(rows(table, row_filter=LessThan("x", 0))) == 125
    assert [len(rows(table, snapshot_id=s.snapshot_id)) for s in table.metadata.snapshots] == [100, 200, 300, 400, 500]
    for _ in range(7):  # the twelfth version is after the ninth
        space.table("t", [{"a": 0, "s": "", "x": 0}], mode="append")
    assert static(table.location()).scan().count() == 507
    space.table("t", [{"a": 1, "s": "", "x": None}])
    assert rows(table.refresh()) == [{"a": 1, "s": "", "x": None}]


def evolution(space):
    """A view whose SQL gets other columns: each snapshot is read with the schema it was written with."""
    space.table("w", [{"id": 1, "v": 10}, {"id": 2, "v": 20}])
    entry = space.saved("SELECT id::INTEGER AS id, v::DECIMAL(9,2) AS v, 'x' AS gone, {'p': 1::INTEGER, 'q': 'q'} AS st FROM w", order_by=["id"])
    entry = space.updated(entry, sql="SELECT id, v::DECIMAL(12,2) AS v, true AS made, {'q': 'q', 'r': 2} AS st FROM w")
    table = static(entry["view"]["location"])
    assert [f.name for f in table.schema().fields] == ["id", "v", "made", "st"] and len(table.schemas()) == 2
    first, second = table.metadata.snapshots
    assert first.schema_id != second.schema_id
    ids = [{f.name: f.field_id for f in table.schemas()[s.schema_id].fields} for s in (first, second)]
    assert ids[0]["id"] == ids[1]["id"] and ids[0]["v"] == ids[1]["v"] and ids[1]["made"] not in ids[0].values()
    old = rows(table, snapshot_id=first.snapshot_id)
    was = [(1, "10.00", "x", {"p": 1, "q": "q"}), (2, "20.00", "x", {"p": 1, "q": "q"})]
    assert [(r["id"], str(r["v"]), r["gone"], r["st"]) for r in old] == was, old
    new = rows(table)
    now = [(1, "10.00", True, {"q": "q", "r": 2}), (2, "20.00", True, {"q": "q", "r": 2})]
    assert [(r["id"], str(r["v"]), r["made"], r["st"]) for r in new] == now, new


def nothing(space):
    entry = space.saved("SELECT 1 AS a, 'x' AS b WHERE false")
    for table in (static(entry["view"]["location"]), catalog(space).load_table((space.name, "view_" + entry["id"]))):
        assert rows(table) == [] and table.scan().count() == 0 and [f.name for f in table.schema().fields] == ["a", "b"]
    waiting = space.saved("SELECT {{n}} AS n", variables=[{"name": "n", "type": "INTEGER"}])
    assert rows(static(waiting["view"]["location"])) == []
    space.opened(sql_id=waiting["id"], variables={"n": 7})
    table = static(waiting["view"]["location"])
    assert rows(table) == [] and [rows(table, snapshot_id=s.snapshot_id) for s in table.metadata.snapshots][-1] == [{"n": 7}]


def moved(space, server):
    """A copy of the folder is a table as well, for the server that serves it."""
    entry = space.saved("SELECT i FROM range(3) r(i)")
    with open(os.path.join(folder(entry["view"]["location"]), "metadata", "version-hint.text"), "rb") as hint:
        assert hint.read() == b"1"
    copy = os.path.join(server.folder, "copy")
    shutil.copytree(folder(entry["view"]["location"]), copy)
    assert len(rows(static("file://" + copy))) == 3


def catalog(space):
    headers = {f"header.{k}": v for k, v in space.client.headers.items()}
    return RestCatalog("mayfly", uri=space.client.server.url() + "/iceberg", **headers)


def raises(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}")


def names(space):
    """What the catalog lists, and that it cannot be written."""
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a FROM t")
    c = catalog(space)
    assert c.list_namespaces() == [(space.name,)] and c.namespace_exists(space.name) and not c.namespace_exists("none")
    assert sorted(c.list_tables(space.name)) == [(space.name, "t"), (space.name, "view_" + entry["id"])]
    assert c.table_exists((space.name, "t")) and not c.table_exists((space.name, "no"))
    assert c.load_namespace_properties(space.name) == {}
    raises(NoSuchTableError, lambda: c.load_table((space.name, "no")))
    raises(NoSuchNamespaceError, lambda: c.list_tables("none"))
    table = c.load_table((space.name, "t"))
    for write in (lambda: c.drop_table((space.name, "t")), lambda: c.create_namespace("new"), lambda: table.append(table.scan().to_arrow()),
                  lambda: c.create_table((space.name, "n"), table.schema()), lambda: c.rename_table((space.name, "t"), (space.name, "r"))):
        raises((RESTError, NotImplementedError), write)
    assert rows(table.refresh()) == [{"a": 1}] and len(table.metadata.snapshots) == 1


def main():
    server = Server()
    try:
        for check in (every_type, uploads, evolution, nothing, names):
            check(Space(server.as_tenant(check.__name__)))
        moved(Space(server.client), server)
    finally:
        server.check_end()


main()
