"""A session as its client holds it: tables, rows, queries, statements, its event stream."""
import contextlib
import json
import time
import urllib.parse

from mayfly import PATIENCE, Client, mayfly, until

TOPIC = "mayfly.audit.session_lifecycle.v1"
STATEMENTS = "mayfly.audit.statement.v1"
ALIAS = "jammi.audit.session_lifecycle.v1"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
NDJSON, CSV, PARQUET = "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"


def problem(answer, status, code):
    """problem+json of the contract's section 0."""
    assert answer.status == status, answer
    assert answer.type == "application/problem+json", answer
    body = answer.json
    assert body["status"] == status and body["code"] == code, body
    assert body["title"] and body["detail"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


def seconds(text):
    """RFC 3339 in UTC as seconds."""
    assert text.endswith("Z")
    whole, _, fraction = text[:-1].partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + (fraction or "0"))


def token(server, tenant, *more):
    """A client with a token of its own."""
    done = mayfly("token", "create", "--tenant", tenant, "--data", server.data, *more)
    assert done.returncode == 0, done.stderr
    client = server.with_token(done.stdout.strip())
    until(lambda: client.get("/v1/sessions").status == 200, "the token to be taken up")
    return client


def columns(text):
    """"a int, b text not null" as the columns of a table."""
    made = []
    for one in text.split(","):
        name, kind = one.split(maxsplit=1)
        nullable = not kind.lower().endswith(" not null")
        made.append({"name": name, "type": kind if nullable else kind[:-len(" not null")], "nullable": nullable})
    return made


class Session:
    """Opens one. What fails to open is asserted by the caller with Client.request."""

    def __init__(self, client, document=None, **fields):
        self.client = client
        if document is None:
            a = client.request("POST", "/v1/sessions", fields)
            assert a.status == 201, a
            document = a.json
        self.document = document
        self.id = document["session_id"]
        self.hex = self.id.replace("-", "")

    def path(self, *parts):
        return "/".join(["/v1/sessions", self.id, *[urllib.parse.quote(p, safe="") for p in parts]])

    def get(self):
        return self.client.get(self.path())

    def close(self):
        return self.client.request("DELETE", self.path())

    def closed(self):
        """Closes it; its answer, which must be good."""
        a = self.close()
        assert a.status == 200, a
        return a.json

    def extend(self, seconds):
        return self.client.request("POST", self.path("extend"), {"timeout_seconds": seconds})

    def fork(self):
        a = self.client.request("POST", self.path("fork"), b"")
        assert a.status == 201, a
        return Session(self.client, a.json)

    # --- tables and rows ---

    def create(self, name, made, primary_key=None):
        body = {"name": name, "columns": columns(made) if isinstance(made, str) else made}
        if primary_key is not None:
            body["primary_key"] = primary_key
        return self.client.request("POST", self.path("tables"), body)

    def table(self, name="t", made="a int, b text", rows=None, primary_key=None):
        """Makes a table that must be made; its answer."""
        a = self.create(name, made, primary_key)
        assert a.status == 201, a
        if rows:
            assert self.inserted(name, rows) == len(rows)
        return a.json

    def insert(self, name, rows, kind="application/json", **headers):
        if not isinstance(rows, (bytes, str)):
            rows = json.dumps(rows)
        return self.client.request("POST", self.path("tables", name, "rows"), rows, {"Content-Type": kind, **headers})

    def inserted(self, name, rows, kind="application/json", **headers):
        a = self.insert(name, rows, kind, **headers)
        assert a.status == 200, a
        return a.json["inserted"]

    def count(self, name="t"):
        a = self.client.get(self.path("tables", name, "count"))
        assert a.status == 200, a
        return a.json["count"]

    def tables(self):
        return {t["name"]: t for t in self.get().json["tables"]}

    def physical(self, name):
        return f"__eph_{self.hex}_{name}"

    def ref(self, name):
        return f'mutable.public."{self.physical(name)}"'

    # --- SQL ---

    def query(self, sql, accept="application/json", **fields):
        return self.client.request("POST", self.path("query"), {"sql": sql, **fields}, {"Accept": accept})

    def rows(self, sql, **fields):
        a = self.query(sql, **fields)
        assert a.status == 200, a
        return a.json["rows"]

    def native(self, sql, **fields):
        return self.client.native(sql, session_id=self.id, **fields)

    def run(self, sql, **fields):
        a = self.native(sql, **fields)
        assert a.status == 200 and a.json["status"] == "SUCCEEDED", a
        return a.json

    def submit(self, statement, headers=None, **fields):
        return self.client.submit(statement, headers={"X-Mayfly-Session": self.id, **(headers or {})}, **fields)

    def cells(self, statement, **fields):
        a = self.submit(statement, **fields)
        assert a.status == 200, a
        return a.json["data"]

    def refused(self, sql):
        """The document of a statement that is refused or fails; its error."""
        a = self.native(sql)
        if a.status == 200:
            assert a.json["status"] == "FAILED", a
            return a.json["error"]
        assert 400 <= a.status < 500, a
        return a.json

    def events(self):
        """The lifecycle events of this session, oldest first: their payloads."""
        return [i["payload"] for i in listed(self.client, topic=TOPIC) if i["payload"]["session_id"] == self.id]


def listed(client, **query):
    """All items of the log that a filter lets through."""
    items = []
    while True:
        a = client.get("/v1/events?" + urllib.parse.urlencode({"limit": 1000, **query}))
        assert a.status == 200, a
        items += a.json["items"]
        if not a.json["next"] or not a.json["items"]:
            return items
        query["after"] = a.json["next"]


class Stream:
    """Server-sent events, read as they come."""

    def __init__(self, client, path, timeout=PATIENCE, **headers):
        self.connection = client.server.connection(timeout)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", "Accept-Encoding": "identity",
                                                      **client.headers, **headers})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __enter__(self):
        assert self.status == 200, (self.status, self.answer.read(500))
        assert self.answer.headers["Content-Type"].startswith("text/event-stream")
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.answer.close()
        self.connection.close()

    def next(self):
        """The next event as {"id", "event", "data"}; comments are skipped; None at the end."""
        event = {}
        while True:
            line = self.answer.readline()
            if not line:
                return None
            line = line.decode().rstrip("\r\n")
            if not line and "data" in event:
                return event
            if not line:
                event = {}  # a comment's or a bare id's
                continue
            field, _, value = line.partition(":")
            if field:
                value = value.removeprefix(" ")
                event[field] = event[field] + "\n" + value if field in event else value

    def take(self, n):
        taken = []
        while len(taken) < n:
            event = self.next()
            assert event is not None, f"the stream ended after {len(taken)} of {n}"
            taken.append(event)
        return taken


def items_of(stream, n):
    """n items of the log from a stream, with their cursors."""
    return [(e["id"], json.loads(e["data"])) for e in stream.take(n)]


def ended(session, how):
    """Waits for the terminal event of a session; its payload."""
    def last():
        found = [e for e in session.events() if e["event"] in ("closed", "timed_out")]
        return found[0] if found else None
    payload = until(last, f"session {session.id} to be {how}")
    assert payload["event"] == how, payload
    return payload


def again(session, server):
    """The same session, seen through another server."""
    return Session(Client(server, tenant=session.client.headers.get("X-Mayfly-Tenant")), document=session.document)
