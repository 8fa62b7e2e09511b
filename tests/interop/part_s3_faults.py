"""An object store that fails: at the start, while it serves; and a server that is killed in the middle of its writes."""
import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import s3

from mayfly import BINARY, free_port, until
from space import Space

LINKS = re.compile(r"(?:data|metadata)/[\w.=$-]+\.(?:parquet|avro)")


def refusal(settings):
    """What a server says that does not start."""
    with tempfile.TemporaryDirectory() as folder:
        command = [BINARY, "serve", "--listen", f"127.0.0.1:{free_port()}", "--data", folder + "/data"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode not in (0, None) and done.returncode > 0, (done.returncode, done.stdout)
    return done.stdout


def starts(double):
    where = double.settings("starts")
    double.say("blind")
    text = refusal(where)
    assert "the store replaces objects that shall be made only when they are not there" in text, text
    double.say("see")
    assert double.keys("starts") == [], "the probe is removed"

    def refused(settings, *words):
        text = refusal(settings)
        assert all(w in text for w in words) and "s3://" in text, text
        assert not any(secret in text for secret in (s3.SECRET, "VERYSECRET")), text

    refused(where | {"storage.secret_access_key": "VERYSECRET"}, "s3://test/starts", "cannot put", "PermissionDenied", "SignatureDoesNotMatch")
    refused(where | {"storage.bucket": "none"}, "s3://none/starts", "NoSuchBucket")
    refused({k: v for k, v in where.items() if "key" not in k}, "s3://test/starts", "signing")
    text = refusal(where | {"storage.library": "/nonexistent/libmayfly_opendal.so"})
    assert "/nonexistent/libmayfly_opendal.so" in text and s3.SECRET not in text, text
    double.say("away")
    refused(where, "s3://test/starts", "Connection refused")
    double.say("back")


def outage(double, begin, end):
    """503 for what needs the store, also /readyz, and all is as before when it is there again."""
    with double.servers(f"outage-{begin.split()[0]}", 1) as (one,):
        space = Space(one.client, "s")
        space.table("t", [{"i": i} for i in range(100)])
        entry = space.saved("SELECT i FROM t", order_by=["i"])
        session = space.opened(sql_id=entry["id"])
        page = session.rows(10, 10)
        assert one.client.get("/readyz").status == 200
        double.say(begin)
        began = time.monotonic()
        ready = one.client.get("/readyz")
        assert ready.status == 503 and ready.json["storage"]["status"] == "unavailable", ready
        assert one.client.get("/healthz").status == 200
        calls = [
            lambda: session.page(offset=10, limit=10), lambda: space.get_sql(entry["id"]), lambda: space.refresh(entry["id"]),
            lambda: space.upload("t", [{"i": 1}], mode="append"), lambda: space.save("SELECT 2 AS i"), lambda: space.open(sql_id=entry["id"]),
            lambda: one.client.get("/v1/spaces"), lambda: one.client.request("PUT", "/v1/spaces/new"), lambda: space.delete("sql", entry["id"]),
        ]
        for i, call in enumerate(calls):
            a = call()
            assert a.status == 503 and a.json["code"] == "unavailable" and a.headers["Retry-After"], (i, a)
            assert s3.SECRET not in a.text
        catalog = one.client.get("/iceberg/v1/namespaces")
        assert catalog.status == 503 and catalog.json["error"]["code"] == 503, catalog
        assert one.client.cell("SELECT 1 + 1") == "2", "what needs no store goes on"
        print(f"{begin}: {len(calls) + 3} answers in {time.monotonic() - began:.1f} s")
        double.say(end)
        until(lambda: one.client.get("/readyz").status == 200, "it to be ready again")
        assert session.rows(10, 10) == page
        assert space.get_sql(entry["id"]).json["view"]["snapshot_id"] == entry["view"]["snapshot_id"]
        space.table("t", [{"i": 100}], mode="append")
        assert space.refreshed(entry["id"])["view"]["row_count"] == 101 and session.count() == 100


def unreachable(double, root):
    """Keys of tables and views that nothing in force names."""
    keys = double.objects(root + "/")
    tables = sorted({m[1] for m in (re.match(r"(.*/(?:tables|materialized_views)/[^/]+)/(?:data|metadata)/", k) for k in keys) if m})
    named = set()
    for table in tables:
        of = [k for k in keys if k.startswith(table + "/")]
        versions = [int(m[1]) for m in (re.search(r"/v(\d+)\.metadata\.json$", k) for k in of) if m]
        if not versions:
            continue
        todo = [f"{table}/metadata/v{max(versions)}.metadata.json"]
        while todo:
            key = todo.pop()
            if key not in keys:
                continue  # of a snapshot or view that is just being dropped
            named.add(key)
            if keys[key] is not None:
                todo += [k for k in (f"{table}/{link}" for link in LINKS.findall(keys[key])) if k not in named]
    return [k for k in keys if re.search(r"/(data|metadata)/.*\.(parquet|avro)$", k) and k not in named]


def kill(one):
    one.workers()
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()


def killed(double, round_):
    root = f"killed-{round_}"
    with double.servers(root, 1) as (survivor,), double.servers(root, 1) as (one,):
        space = Space(one.client, "s")
        there = space.through(survivor.client)
        space.table("t", "i\n" + "".join(f"{i}\n" for i in range(20000)), "text/csv")
        entry = space.saved("SELECT i, repeat('x', 20) AS x FROM t", order_by=["i"])
        space.table("u", [{"i": 0}])
        pinned = space.opened(sql_id=entry["id"], ttl_seconds=3600)
        page = pinned.page(offset=19000, limit=100).body
        done, counts = threading.Event(), {"refresh": [], "append": [], "save": []}

        def again(name, call):
            with contextlib.suppress(OSError):
                while not done.is_set():
                    a = call()
                    assert a.status in (200, 201), a
                    counts[name].append(0)

        calls = {"refresh": lambda: space.refresh(entry["id"]), "append": lambda: space.upload("u", [{"i": 1}], mode="append"),
                 "save": lambda: space.save("SELECT count(*) AS n FROM t")}
        threads = [threading.Thread(target=again, args=item) for item in calls.items() for _ in range(2)]
        for t in threads:
            t.start()
        until(lambda: min(map(len, counts.values())) > round_, "some of each", 60)
        kill(one)
        done.set()
        for t in threads:
            t.join()
        check_after(double, root, there, entry, len(counts["append"]))
        assert pinned.through(survivor.client).page(offset=19000, limit=100).body == page
        left = unreachable(double, root)
        print(f"round {round_}: {[len(n) for n in counts.values()]} calls, {len(left)} orphans")
    with double.servers(root, 1, spaces__sweep_seconds=1) as (sweeper,):
        def clean():
            if not unreachable(double, root):
                return True
            sweeper.client.advance(3600)
            return False
        sweeper.client.advance(2 * 3600)
        until(clean, "the orphans to be gone", 60)
        there = space.through(sweeper.client)
        check_after(double, root, there, entry, len(counts["append"]))
        assert there.delete(force="true").status == 204

        def gone():
            sweeper.client.advance(3600)
            return not double.keys(root + "/")
        until(gone, "the space to be gone", 60)


def check_after(double, root, there, entry, appended):
    """The former state or the next is in force, whole."""
    now = there.get_sql(entry["id"]).json
    assert now["view"]["state"] == "ready" and now["view"]["row_count"] == 20000 and now["revision_id"] == entry["revision_id"], now
    rows = there.get_table("u").json["row_count"]
    assert 1 + appended <= rows <= 3 + appended, (rows, appended)
    assert there.rows("SELECT count(*) FROM u") == [[rows]]
    for e in there.client.get(there.path("sql", limit=1000)).json["items"]:
        assert e["view"]["state"] in ("ready", "building", "failed"), e
        if e["view"]["state"] == "ready":
            assert there.opened(sql_id=e["id"], refresh="never").count() == e["view"]["row_count"]


def main():
    checks = {
        "starts": starts, "away": lambda d: outage(d, "away", "back"), "refuse": lambda d: outage(d, "refuse 1000000", "refuse 0"),
        "killed": lambda d: [killed(d, i) for i in range(4)],
    }
    with s3.Double() as double:
        for name, check in checks.items():
            if not sys.argv[1:] or name in sys.argv[1:]:
                check(double)


main()
