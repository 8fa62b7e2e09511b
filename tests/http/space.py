"""A space as its client holds it: tables, saved SQL, SQL sessions, the Iceberg catalog."""
import json
import os
import urllib.parse

from mayfly import Server, unique, until
from session import CSV, NDJSON, PARQUET, problem

JSON = "application/json"
__all__ = ["CSV", "JSON", "NDJSON", "PARQUET", "Space", "problem"]

SAVED = {"id", "name", "sql", "order_by", "variables", "revision_id", "created_at", "updated_at", "view"}
VIEW = {"sql_id", "state", "error", "snapshot_id", "snapshot_at", "schema_hash", "schema_version", "row_count", "location"}
DOCUMENT = {"id", "space_id", "sql_id", "sql", "status", "created_at", "expires_at", "error", "view", "pagination", "count"}


def quoted(text):
    return urllib.parse.quote(str(text), safe="")


class Space:
    """Makes one, or sees one through another client."""

    def __init__(self, client, name=None, make=True):
        self.client = client
        self.name = name or unique("s")
        if make:
            a = client.request("PUT", self.path())
            assert a.status in (200, 201), a

    def path(self, *parts, **query):
        path = "/".join(["/v1/spaces", quoted(self.name), *map(quoted, parts)])
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    def through(self, client):
        return Space(client, self.name, make=False)

    # --- tables ---

    def upload(self, table, rows, kind=JSON, mode=None, **headers):
        if not isinstance(rows, (bytes, str)):
            rows = json.dumps(rows)
        query = {"mode": mode} if mode else {}
        return self.client.request("PUT", self.path("tables", table, **query), rows, {"Content-Type": kind, **headers})

    def table(self, table, rows, kind=JSON, mode="overwrite", **headers):
        """Its document; the upload must succeed."""
        a = self.upload(table, rows, kind, mode, **headers)
        assert a.status in (200, 201), a
        return a.json

    def get_table(self, table):
        return self.client.get(self.path("tables", table))

    # --- saved SQL ---

    def save(self, sql, name="q", headers=None, **fields):
        return self.client.request("POST", self.path("sql"), {"name": name, "sql": sql, **fields}, headers)

    def saved(self, sql, name="q", **fields):
        """The entry; saving must succeed."""
        a = self.save(sql, name, **fields)
        assert a.status == 201, a
        assert set(a.json) == SAVED and set(a.json["view"]) == VIEW, a.json
        return a.json

    def get_sql(self, sql_id):
        return self.client.get(self.path("sql", sql_id))

    def update(self, entry, headers=None, **fields):
        body = {"name": entry["name"], "sql": entry["sql"], "parent_revision_id": entry["revision_id"], **fields}
        return self.client.request("PUT", self.path("sql", entry["id"]), body, headers)

    def updated(self, entry, **fields):
        a = self.update(entry, **fields)
        assert a.status == 200, a
        return a.json

    def refresh(self, sql_id, headers=None):
        return self.client.request("POST", self.path("sql", sql_id, "refresh"), b"", headers)

    def refreshed(self, sql_id):
        a = self.refresh(sql_id)
        assert a.status == 200, a
        return a.json

    def delete(self, *parts, **query):
        return self.client.request("DELETE", self.path(*parts, **query))

    # --- SQL sessions ---

    def open(self, headers=None, **fields):
        return self.client.request("POST", self.path("sql-sessions"), fields, headers)

    def opened(self, **fields):
        a = self.open(**fields)
        assert a.status == 201, a
        assert set(a.json) == DOCUMENT, a.json
        return SqlSession(self, a.json)

    def rows(self, sql, **fields):
        """All rows of a SELECT, by a session of its own."""
        s = self.opened(sql=sql, **fields)
        rows = s.all()
        s.close()
        return rows


class SqlSession:
    def __init__(self, space, document):
        self.space = space
        self.client = space.client
        self.document = document
        self.id = document["id"]

    def path(self, *parts, **query):
        return self.space.path("sql-sessions", self.id, *parts, **query)

    def through(self, client):
        return SqlSession(self.space.through(client), self.document)

    def get(self):
        return self.client.get(self.path())

    def page(self, accept=JSON, **query):
        return self.client.request("GET", self.path("rows", **query), headers={"Accept": accept})

    def rows(self, offset=0, limit=50):
        a = self.page(offset=offset, limit=limit)
        assert a.status == 200, a
        body = a.json
        assert body["offset"] == offset and body["limit"] == limit and body["row_count"] == len(body["rows"]), body
        return body["rows"]

    def all(self, limit=1000):
        rows = []
        while True:
            page = self.rows(len(rows), limit)
            rows += page
            if len(page) < limit:
                return rows

    def count(self):
        a = self.client.get(self.path("count"))
        assert a.status == 200, a
        assert set(a.json) == {"count"}
        return a.json["count"]

    def stream(self, **headers):
        return self.client.get(self.path("stream"), **headers)

    def close(self):
        return self.client.request("DELETE", self.path())


# Options of another storage than the folder of one machine, as JSON, for the tests of several servers on one storage.
BACKEND = json.loads(os.environ.get("MAYFLY_TEST_STORAGE") or "{}")
IN_FOLDER = BACKEND.get("storage.scheme", "fs") == "fs"


def storage_server(root, data=None, **settings):
    """A server whose spaces are where others have them as well: below a folder, or below that name in another storage."""
    where = {"storage.root": root, **BACKEND}
    return Server({**where, **{k.replace("__", "."): v for k, v in settings.items()}}, data=data)


def built(space, sql_id):
    """Waits until the view is not being built any more; the entry."""
    def entry():
        e = space.get_sql(sql_id).json
        return e if e["view"]["state"] != "building" else None
    return until(entry, "the view to be built")


def files_below(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
