"""DuckDB's Iceberg extension reads from an object store what a server keeps there: through the REST catalog, and by the folder."""
import readers

readers.within(*readers.DUCKDB)

import s3  # noqa: E402
from space import Space  # noqa: E402


def main():
    with s3.Double() as double, double.servers("some/where", 1) as (server,):
        space = Space(server.client, "s")
        space.table("t", [{"i": i} for i in range(1000)])
        entry = space.saved("SELECT i FROM t WHERE i % 2 = 0")
        space.table("t", [{"i": 1000}], mode="append")
        space.refreshed(entry["id"])
        c = readers.duckdb()
        c.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{s3.SECRET}', SECRET '{s3.SECRET}', REGION 'us-east-1', "
                  f"ENDPOINT '127.0.0.1:{double.port}', URL_STYLE 'path', USE_SSL false)")
        c.execute(f"ATTACH '' AS mayfly (TYPE iceberg, ENDPOINT '{server.url()}/iceberg', AUTHORIZATION_TYPE 'none', "
                  "ACCESS_DELEGATION_MODE 'none')")
        for source in (f"iceberg_scan('{entry['view']['location']}')", f'mayfly.s."view_{entry["id"]}"'):
            assert c.execute(f"SELECT count(*), sum(i) FROM {source} WHERE i > 900").fetchall() == [(50, sum(range(902, 1001, 2)))], source
        assert c.execute("SELECT count(*) FROM mayfly.s.t").fetchall() == [(1001,)]


main()
