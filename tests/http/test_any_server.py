"""Several servers on one storage, with no other shared state: any serves any space, whoever dies."""
import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading

import pytest

from mayfly import Client, in_parallel, is_alive, unique, until
from space import IN_FOLDER, Space, files_below, problem, storage_server


@pytest.fixture
def storage():
    """storage(**settings): another server on the same storage; they must all end cleanly but those that were killed."""
    root = tempfile.mkdtemp(prefix="mayfly-storage-")
    os.chmod(root, 0o711)
    made = []

    def start(**settings):
        made.append(storage_server(root, **settings))
        return made[-1]

    start.root = root
    with contextlib.ExitStack() as ends:
        ends.callback(shutil.rmtree, root, ignore_errors=True)
        ends.callback(lambda: [one.check_end() for one in made if one.process.poll() is None])
        ends.callback(lambda: [one.drop() for one in made if one.process.poll() is not None])
        yield start


def kill(one):
    one.workers()
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    until(lambda: not any(map(is_alive, one.workers_seen)), "its workers to end")


# --- U-19 ---

def test_create_on_one_page_on_another_refresh_on_a_third(storage):
    a, b, c = storage(), storage(), storage()
    tenant = unique("tenant")
    on_a, on_b, on_c = (Space(Client(s, tenant=tenant), "shared", make=s is a) for s in (a, b, c))
    on_a.table("t", [{"id": i, "x": i % 7} for i in range(500)])
    entry = on_a.saved("SELECT id, x FROM t", order_by=["x"])
    s = on_a.opened(sql_id=entry["id"])
    page = s.page(offset=100, limit=20)
    assert s.through(on_b.client).page(offset=100, limit=20).body == page.body
    on_c.table("t", [{"id": 500, "x": 0}], mode="append")
    newer = on_c.refreshed(entry["id"])
    assert newer["view"]["snapshot_id"] > entry["view"]["snapshot_id"]
    assert on_b.get_sql(entry["id"]).json == newer
    kill(a)
    assert s.through(on_b.client).page(offset=100, limit=20).body == page.body
    assert s.through(on_c.client).count() == 500
    kill(c)
    t = on_b.opened(sql_id=entry["id"])
    assert t.count() == 501 and t.document["view"]["snapshot_id"] == newer["view"]["snapshot_id"]
    d = storage()
    assert s.through(Client(d, tenant=tenant)).page(offset=100, limit=20).body == page.body
    assert len(t.through(Client(d, tenant=tenant)).stream().text.splitlines()) == 501


def test_what_one_deletes_is_gone_on_all(storage):
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    on_a.table("t", [{"id": 1}])
    entry = on_a.saved("SELECT id FROM t")
    s, t = on_a.opened(sql_id=entry["id"]), on_b.opened(sql_id=entry["id"])
    assert s.through(b.client).all() == t.through(a.client).all() == [[1]]
    assert s.through(b.client).close().status == 204
    problem(s.page(), 404, "not_found")
    assert on_b.delete("sql", entry["id"]).status == 204
    problem(t.through(a.client).page(), 410, "view_deleted")
    problem(on_a.get_sql(entry["id"]), 404, "not_found")
    assert on_b.delete(force="true").status == 204
    problem(on_a.get_table("t"), 404, "not_found")
    assert Space(a.client, "s").client.get("/v1/spaces/s/tables").json["items"] == []


def test_revisions_of_two_servers(storage):
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    entry = on_a.saved("SELECT 0 AS n")
    for _ in range(4):
        answers = in_parallel(*[lambda s=s, i=i: s.update(entry, sql=f"SELECT {i} AS n") for i, s in enumerate((on_a, on_b, on_a, on_b))])
        assert sorted(x.status for x in answers) == [200, 409, 409, 409], answers
        winner = next(x for x in answers if x.status == 200).json
        entry = on_a.get_sql(entry["id"]).json
        assert entry == on_b.get_sql(entry["id"]).json and entry["revision_id"] == winner["revision_id"]
        shown = [s.opened(sql_id=entry["id"]).all() for s in (on_a, on_b)]
        assert shown[0] == shown[1] == [[int(entry["sql"].split()[1])]]


def test_refreshes_of_two_servers(storage):
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    on_a.table("t", [{"id": 1}])
    entry = on_a.saved("SELECT count(*) AS n FROM t")
    answers = in_parallel(*[lambda s=s: s.refresh(entry["id"]) for s in (on_a, on_b) * 5])
    assert [x.status for x in answers] == [200] * 10, answers
    answers = in_parallel(*[lambda s=s, i=i: s.upload("t", [{"id": i}], mode="append") for i, s in enumerate((on_a, on_b) * 5)])
    assert [x.status for x in answers] == [200] * 10, answers
    assert on_b.opened(sql_id=entry["id"]).all() == on_a.opened(sql_id=entry["id"]).all() == [[11]]
    if not IN_FOLDER:
        return
    metadata = os.path.join(storage.root, "spaces", "s", "materialized_views", entry["id"], "metadata")
    versions = sorted(int(n[1:].split(".")[0]) for n in os.listdir(metadata) if n.startswith("v") and n.endswith(".json"))
    assert versions == list(range(1, versions[-1] + 1)), versions
    with open(os.path.join(metadata, f"v{versions[-1]}.metadata.json"), encoding="utf-8") as f:
        table = json.load(f)
    ids = [s["snapshot-id"] for s in table["snapshots"]]
    assert len(set(ids)) == len(ids) and table["current-snapshot-id"] == max(ids)


@pytest.mark.parametrize("round_", range(3))
def test_killed_while_it_refreshes(storage, round_):
    """kill -9 at whatever point: the view is the former one or the next, whole; another server goes on."""
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    on_a.table("t", "id\n" + "".join(f"{i}\n" for i in range(20000)), "text/csv")
    entry = on_a.saved("SELECT id, repeat('x', 20) AS t FROM t", order_by=["id DESC"])
    pinned = on_a.opened(sql_id=entry["id"])
    page = pinned.page(offset=19000, limit=100).body
    done = threading.Event()
    counts = []

    def refresh():
        with contextlib.suppress(OSError):
            while not done.is_set():
                answer = on_a.refresh(entry["id"])
                assert answer.status in (200, 503), answer
                counts.append(answer.status)

    threads = [threading.Thread(target=refresh) for _ in range(3)]
    for t in threads:
        t.start()
    until(lambda: len(counts) > round_ * 2, "some refreshes")
    kill(a)
    done.set()
    for t in threads:
        t.join()
    now = on_b.get_sql(entry["id"]).json
    assert now["view"]["state"] == "ready" and now["view"]["row_count"] == 20000
    assert now["view"]["snapshot_id"] >= entry["view"]["snapshot_id"]
    assert pinned.through(b.client).page(offset=19000, limit=100).body == page
    fresh = on_b.refreshed(entry["id"])
    assert fresh["view"]["snapshot_id"] > now["view"]["snapshot_id"]
    s = on_b.opened(sql_id=entry["id"])
    assert s.count() == 20000 and s.rows(0, 1)[0][0] == 19999


def test_killed_while_it_uploads_and_saves(storage):
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    on_a.table("t", [{"id": 1}])
    began = threading.Event()

    def work(i):
        with contextlib.suppress(OSError):
            for k in range(1000):
                began.set()
                on_a.upload("t", [{"id": k}], mode="append")
                on_a.upload(f"u{i}_{k}", [{"id": k}])
                on_a.save("SELECT count(*) AS n FROM t", name=f"q{i}_{k}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    until(lambda: len(on_b.client.get(on_b.path("sql")).json["items"]) >= 2, "some saved SQL")
    kill(a)
    for t in threads:
        t.join()
    tables = on_b.client.get(on_b.path("tables", limit=1000)).json["items"]
    for t in tables:
        name = t["table"]
        assert on_b.rows(f'SELECT count(*) FROM "{name}"') == [[t["row_count"]]]
    for e in on_b.client.get(on_b.path("sql", limit=1000)).json["items"]:
        assert e["view"]["state"] in ("ready", "building", "failed"), e
        if e["view"]["state"] == "ready":
            assert len(on_b.opened(sql_id=e["id"], refresh="never").all()) == 1
    assert on_b.delete(force="true").status == 204
    if IN_FOLDER:
        assert not [f for f in files_below(os.path.join(storage.root, "spaces")) if f.endswith((".json", ".parquet"))]


def test_expired_on_one_is_expired_on_all(storage):
    a, b = storage(), storage(spaces__sweep_seconds=86400)
    on_a = Space(a.client, "s")
    s = on_a.opened(sql="SELECT 1 AS a", ttl_seconds=60)
    assert s.through(b.client).all() == [[1]]
    b.client.advance(61)
    problem(s.through(b.client).page(), 410, "session_expired")
    problem(s.page(), 404, "not_found")


def test_tenants_on_one_storage(storage):
    a, b = storage(), storage()
    one, two = unique("tenant"), unique("tenant")
    first = Space(Client(a, tenant=one), "s")
    first.table("t", [{"id": 1}])
    s = first.opened(sql="SELECT id FROM t")
    assert s.through(Client(b, tenant=one)).all() == [[1]]
    problem(s.through(Client(b, tenant=two)).page(), 404, "not_found")
    assert Client(b, tenant=two).get("/v1/spaces").json["items"] == []
    assert [x["space_id"] for x in Client(b, tenant=one).get("/v1/spaces").json["items"]] == ["s"]


def test_a_build_whose_server_died_is_failed_in_time(storage):
    a, b = storage(), storage()
    on_a, on_b = Space(a.client, "s"), Space(b.client, "s", make=False)
    entry = on_a.saved("SELECT 1 AS a")
    long = "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
    made = on_a.save(long, headers={"Prefer": "respond-async"})
    assert made.status == 202 and made.json["view"]["state"] == "building", made
    session = on_a.open(headers={"Prefer": "respond-async"}, sql=long + " AND b.range > 1")
    assert session.status == 202 and session.json["status"] == "running", session
    kill(a)
    assert on_b.get_sql(made.json["id"]).json["view"]["state"] == "building"
    b.client.advance(20)  # nobody has renewed it
    now = on_b.get_sql(made.json["id"]).json
    assert now["view"]["state"] == "failed" and now["view"]["error"], now
    shown = on_b.client.get(on_b.path("sql-sessions", session.json["id"]))
    assert shown.status in (404, 410) or shown.json["status"] == "failed", shown
    assert on_b.get_sql(entry["id"]).json["view"]["state"] == "ready"
    fixed = on_b.updated(now, sql="SELECT 2 AS a")
    assert fixed["view"]["state"] == "ready" and fixed["view"]["error"] is None
    assert on_b.delete("sql", made.json["id"]).status == 204
