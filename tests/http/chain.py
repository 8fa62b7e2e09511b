"""A SQL chain as its client holds it: trees, jobs, their logs and results; what instances leave behind."""
import hashlib
import os
import urllib.parse

from mayfly import PATIENCE, is_alive, left_behind, until
from session import CSV, NDJSON, PARQUET, UNKNOWN, Stream, problem, token

__all__ = ["CSV", "NDJSON", "PARQUET", "UNKNOWN", "Stream", "problem", "token"]

JOB = {"job_id", "type", "request_id", "user_id", "status", "stage", "created_at", "started_at", "finished_at", "expires_at",
       "progress", "snapshot", "columns", "rows", "results", "error", "logs", "metrics", "links"}
STAGES = ("parsing", "snapshot_lookup", "tail_replay", "instance_boot", "head_execution", "publishing")
DONE = ("completed", "failed", "canceled")
USERS = {"init/001_users.sql": "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);",
         "seed/001_users.sql": "INSERT INTO users VALUES (1, 'Ada'), (2, 'Grace');",
         "head.sql": "SELECT * FROM users ORDER BY id;"}


def tree(files):
    """{path: text} as a project_tree; bytes stand for themselves by etag."""
    return {path: {"etag": etag(text)} if isinstance(text, bytes) else {"content": text} for path, text in files.items()}


def etag(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def body(files, head="head.sql", **fields):
    return {"project_tree": tree(files), **({"head_path": head} if head else {}), **fields}


def post(client, files, head="head.sql", wait=PATIENCE, headers=None, **fields):
    """The answer of POST /v1/jobs."""
    sent = {"Prefer": f"wait={wait}"} if wait else {}
    return client.request("POST", "/v1/jobs", body(files, head, **fields), {**sent, **(headers or {})})


def ran(client, files, head="head.sql", status="completed", **fields):
    """The document of a job that ended in one request."""
    a = post(client, files, head, **fields)
    assert a.status == 200, a
    assert a.json["status"] == status, a.json
    assert set(a.json) >= JOB, JOB - set(a.json)
    return a.json


def rows(client, files, head="head.sql", **fields):
    return ran(client, files, head, **fields)["rows"]


def failed(client, files, code, stage, **fields):
    """The error of a job that must fail."""
    job = ran(client, files, status="failed", **fields)
    assert job["error"]["code"] == code, job["error"]
    assert job["stage"] == stage, (job["stage"], job["error"])
    return job["error"]


def plan(client, files, head="head.sql", **fields):
    return client.request("POST", "/v1/plan", body(files, head, **fields))


def planned(client, files, head="head.sql", **fields):
    a = plan(client, files, head, **fields)
    assert a.status == 200, a
    return a.json


def blob(client, content, tag=None):
    return client.request("PUT", "/v1/blobs/" + urllib.parse.quote(tag or etag(content), safe=":"), content,
                          {"Content-Type": "application/octet-stream"})


def has_blob(client, tag):
    return client.request("HEAD", "/v1/blobs/" + tag).status


def layers(client):
    """All layers of the tenant, by id."""
    found, after = {}, ""
    while True:
        a = client.get("/v1/layers?limit=1000" + ("&after=" + urllib.parse.quote(after) if after else ""))
        assert a.status == 200, a
        found.update((item["layer_id"], item) for item in a.json["items"])
        after = a.json["next"]
        if not after:
            return found


class Job:
    """One that is under way, or waits to be assembled."""

    def __init__(self, client, files=None, head="head.sql", job_id=None, **fields):
        self.client = client
        if job_id is None:
            a = post(client, files or {}, head if files else None, wait=0, **fields)
            assert a.status == 202, a
            job_id = a.json["job_id"]
        self.id = job_id

    def through(self, client):
        return Job(client, job_id=self.id)

    def path(self, *parts):
        return "/".join(["/v1/jobs", self.id, *parts])

    def get(self, **query):
        return self.client.get(self.path() + ("?" + urllib.parse.urlencode(query) if query else ""))

    @property
    def document(self):
        a = self.get()
        assert a.status == 200, a
        return a.json

    def request(self, verb, fields=None, **headers):
        return self.client.request("POST", self.path(verb), {} if fields is None else fields, headers)

    def append(self, files, **fields):
        return self.request("append", {"project_tree": tree(files), **fields})

    def run(self, head="head.sql", wait=PATIENCE, **fields):
        return self.request("run", {"head_path": head, **fields}, **({"Prefer": f"wait={wait}"} if wait else {}))

    def cancel(self):
        return self.request("cancel")

    def extend(self, seconds):
        return self.request("extend", {"job_ttl": seconds})

    def delete(self):
        return self.client.request("DELETE", self.path())

    def logs(self, after=0, wait=0):
        return self.client.get(self.path("logs") + f"?after={after}", **({"Prefer": f"wait={wait}"} if wait else {}))

    def lines(self):
        found, after = [], 0
        while True:
            a = self.logs(after)
            assert a.status == 200, a
            if not a.json["items"]:
                return found
            found += a.json["items"]
            after = a.json["next"]

    def results(self, *n, accept="application/json"):
        return self.client.get(self.path("results", *map(str, n)), Accept=accept)

    def ended(self, status="completed"):
        """Waits for its end; its document."""
        a = self.get(wait=PATIENCE * 3)
        assert a.status == 200 and a.json["status"] == status, a
        return a.json

    def at(self, *stages):
        """Waits until it is in one of these stages."""
        until(lambda: self.document["stage"] in stages and self.document["started_at"], f"job {self.id} at {stages}")
        return self


# --- what is on the machine ---

def children(pid):
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found.update(map(int, f.read().split()))
        except OSError:
            pass
    return found


def command(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


def instances(server):
    """Process ids of the PostgreSQL instances of a server."""
    return {pid for pid in children(server.process.pid) if command(pid) == "postgres"}


def nothing_left(server, seen):
    """After the server has ended: no process of its instances, no mount of its folder."""
    until(lambda: not any(is_alive(pid) for pid in seen), "the instances to end")
    assert not left_behind(server.folder)
