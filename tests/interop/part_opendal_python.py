"""Another language's OpenDAL reads what a server keeps, by the documented layout."""
import json
import os
import subprocess
import sys
import tempfile

import needs

sys.path.insert(0, os.path.join(needs.ROOT, "tests", "http"))
from mayfly import Server  # noqa: E402
from space import Space, built  # noqa: E402

READER = """
import json, opendal, sys
op = opendal.Operator("fs", root=sys.argv[1])
keys = [e.path for e in op.list("", recursive=True) if not e.path.endswith("/")]
print(json.dumps({k: op.read(k).decode("latin-1") for k in keys if k.endswith((".json", ".text"))} | {"keys": keys}))
"""


def read(python, root):
    done = subprocess.run([python, "-c", READER, root], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def check(seen, prefix, space, saved):
    space_at = f"{prefix}spaces/{space.name}/"
    view_at = f"{space_at}materialized_views/{saved['id']}/"
    assert f"{space_at}meta.json" in seen, sorted(seen["keys"])
    assert json.loads(seen[f"{space_at}sql/{saved['id']}.json"])["name"] == saved["name"]
    meta = json.loads(seen[f"{view_at}meta.json"])
    assert meta["sql_id"] == saved["id"] and meta["snapshot_id"]
    version = seen[f"{view_at}metadata/version-hint.text"]
    metadata = json.loads(seen[f"{view_at}metadata/v{version}.metadata.json"])
    assert metadata["format-version"] == 2 and metadata["current-snapshot-id"] == meta["snapshot_id"]
    assert any(k.startswith(f"{view_at}data/") for k in seen["keys"])
    assert any(k.startswith(f"{space_at}tables/places/") for k in seen["keys"])


def main():
    python = needs.python("opendal==0.47.12")
    with tempfile.TemporaryDirectory() as root:
        server = Server(settings={"storage.root": root})
        try:
            for tenant, prefix in [("default", ""), ("acme", "tenants/acme/")]:
                space = Space(server.as_tenant(tenant))
                space.table("places", [{"id": i, "name": f"place {i}"} for i in range(100)])
                saved = space.saved("SELECT id, name FROM places WHERE id < 10", name="few")
                built(space, saved["id"])
                check(read(python, root), prefix, space, saved)
        finally:
            server.check_end()


main()
