"""pyiceberg reads from an object store what a server keeps there: through the REST catalog, and by the metadata file."""
import readers

readers.within(*readers.PYICEBERG)

from pyiceberg.catalog.rest import RestCatalog  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402

import s3  # noqa: E402
from space import Space  # noqa: E402


def main():
    with s3.Double() as double, double.servers("some/where", 1) as (server,):
        where = {"s3.endpoint": f"http://127.0.0.1:{double.port}", "s3.access-key-id": s3.SECRET, "s3.secret-access-key": s3.SECRET,
                 "s3.region": "us-east-1", "s3.path-style-access": "true"}
        for tenant, below in (("default", ""), ("acme", "tenants/acme/")):
            space = Space(server.as_tenant(tenant), "s")
            space.table("t", [{"i": i} for i in range(1000)])
            entry = space.saved("SELECT i FROM t WHERE i % 2 = 0")
            space.table("t", [{"i": 1000}], mode="append")
            space.refreshed(entry["id"])
            view = f"s3://test/some/where/{below}spaces/s/materialized_views/{entry['id']}"
            assert entry["view"]["location"] == view
            catalog = RestCatalog("mayfly", uri=server.url() + "/iceberg", **{"header.X-Mayfly-Tenant": tenant}, **where)
            table = catalog.load_table(("s", "view_" + entry["id"]))
            assert table.location() == view
            first = table.metadata.snapshots[0]
            for one in (table, StaticTable.from_metadata(view + "/metadata/v2.metadata.json", where), StaticTable.from_metadata(view, where)):
                assert sorted(r["i"] for r in one.scan().to_arrow().to_pylist()) == list(range(0, 1001, 2))
                assert len(one.scan(row_filter="i > 900", snapshot_id=first.snapshot_id).to_arrow()) == 49
            t = catalog.load_table(("s", "t"))
            assert t.scan().count() == 1001 and len(list(t.scan(row_filter="i > 999").plan_files())) == 1


main()
