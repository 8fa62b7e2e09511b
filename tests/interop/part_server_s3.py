"""Two servers on one bucket, by way of the OpenDAL binding: what one saves, the other serves."""
import os
import subprocess
import sys

import needs

sys.path.insert(0, os.path.join(needs.ROOT, "tests", "http"))
from mayfly import Server  # noqa: E402
from space import Space, built  # noqa: E402

FOLDER = os.path.join(needs.HERE, "s3double")


def settings(port, library):
    return {
        "storage.scheme": "s3", "storage.root": "some/where", "storage.library": library,
        "storage.bucket": "test", "storage.endpoint": f"http://127.0.0.1:{port}", "storage.region": "us-east-1",
        "storage.access_key_id": "S3RVER", "storage.secret_access_key": "S3RVER", "storage.disable_config_load": "true",
    }


def rows(first, last):
    return [{"id": i, "name": f"place {i}"} for i in range(first, last)]


def use(one, other):
    here = Space(one.client)
    there = here.through(other.client)
    here.table("places", rows(0, 1000))
    saved = here.saved("SELECT id, name FROM places WHERE id % 2 = 0", order_by=["id"])
    assert built(there, saved["id"])["view"]["row_count"] == 500
    session = there.opened(sql_id=saved["id"])
    pages = session.all(100)
    assert [r[0] for r in pages] == list(range(0, 1000, 2)), pages[:3]
    there.table("places", rows(0, 10))
    here.refreshed(saved["id"])
    assert session.count() == 500, "a session keeps its snapshot"
    assert session.through(one.client).rows(490, 10)[-1][0] == 998
    assert there.opened(sql_id=saved["id"]).count() == 5
    assert here.delete("sql", saved["id"]).status in (200, 204)
    assert session.page().status == 410


def main():
    library = needs.binding()
    node = needs.node(20)
    needs.node_modules(FOLDER)
    double = subprocess.Popen([node, os.path.join(FOLDER, "server.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        where = settings(int(double.stdout.readline()), library)
        one, other = Server(where), Server(where)
        try:
            use(one, other)
            assert "S3RVER" not in one.stderr() + other.stderr()
        finally:
            one.check_end()
            other.check_end()
    finally:
        double.stdin.close()
        double.wait(10)


main()
