"""Servers on one bucket: races of commits through HTTP, and the whole life of a space, of which nothing stays."""
import json
import re
import sys
import threading

import s3

from mayfly import in_parallel, until
from space import Space

HOUR = 3600


def latest(double, table, may_lag=False):
    """The newest metadata of a table, whose versions have no gap, and its number."""
    objects = double.objects(table + "/metadata/")
    found = [re.search(r"/v(\d+)\.metadata\.json$", k) for k in objects]
    versions = sorted(int(m[1]) for m in found if m)
    assert versions == list(range(1, versions[-1] + 1)), versions
    hint = objects[f"{table}/metadata/version-hint.text"]
    assert hint == str(versions[-1]) or may_lag and int(hint) < versions[-1], (hint, versions[-1])
    return json.loads(objects[f"{table}/metadata/v{versions[-1]}.metadata.json"]), versions[-1]


def check_linear(metadata):
    """Each snapshot is the next one's parent, and nothing was committed twice."""
    snapshots = metadata["snapshots"]
    ids = [s["snapshot-id"] for s in snapshots]
    assert ids == sorted(set(ids)) and metadata["current-snapshot-id"] == ids[-1] < 2 ** 53, ids
    assert [s.get("parent-snapshot-id") for s in snapshots] == [None] + ids[:-1]
    assert [s["sequence-number"] for s in snapshots] == list(range(1, len(ids) + 1))
    assert len({s["manifest-list"] for s in snapshots}) == len(ids)
    return ids


def races(double):
    """Four servers, ten times each, at once: of refreshes and of appends none is lost."""
    with double.servers("races", 4) as servers:
        first = Space(servers[0].client, "s")
        spaces = [first.through(one.client) for one in servers]
        first.table("t", [{"i": -1}])
        entry = first.saved("SELECT count(*) AS n FROM t")

        def refreshes(space):
            return [space.refreshed(entry["id"])["view"]["snapshot_id"] for _ in range(10)]

        answered = in_parallel(*[lambda s=s: refreshes(s) for s in spaces])
        ids = check_linear(latest(double, f"races/spaces/s/materialized_views/{entry['id']}")[0])
        assert all(a == sorted(a) and set(a) <= set(ids) for a in answered), (answered, ids)
        print(f"40 refreshes: {len(ids) - 1} snapshots, {len({i for a in answered for i in a})} of them answered")

        def appends(k, space):
            return [space.table("t", [{"i": 10 * k + n}], mode="append")["snapshot_id"] for n in range(10)]

        answered = in_parallel(*[lambda k=k, s=s: appends(k, s) for k, s in enumerate(spaces)])
        metadata, version = latest(double, "races/spaces/s/tables/t")
        assert check_linear(metadata)[1:] == sorted(i for a in answered for i in a) and version == 41
        for space in spaces:
            assert space.rows("SELECT i FROM t ORDER BY i") == [[i] for i in range(-1, 40)]
            assert space.opened(sql_id=entry["id"]).all() == [[41]]


def lost_answers(double):
    """Puts are carried out but not answered, again and again: each append is there once, or was refused and is there at most once."""
    with double.servers("lost_answers", 3, spaces__sweep_seconds=1) as servers:
        first = Space(servers[0].client, "s")
        spaces = [first.through(one.client) for one in servers]
        first.table("t", [{"i": -1}])
        entry = first.saved("SELECT count(*) AS n FROM t")
        done = threading.Event()

        def lose():
            while not done.is_set():
                double.say("lose 1")
                done.wait(0.1)

        losing = threading.Thread(target=lose)
        losing.start()

        def appends(k, space):
            a = [space.upload("t", [{"i": 10 * k + n}], mode="append") for n in range(10)] + [space.refresh(entry["id"]) for _ in range(3)]
            assert all(x.status == 200 or x.status == 503 and x.json["code"] == "unavailable" for x in a), a
            return {10 * k + n: x.status for n, x in enumerate(a[:10])}

        try:
            answered = in_parallel(*[lambda k=k, s=s: appends(k, s) for k, s in enumerate(spaces)])
        finally:
            done.set()
            losing.join()
            double.say("lose 0")
        status = {i: v for one in answered for i, v in one.items()}
        found = [r[0] for r in first.rows("SELECT i FROM t ORDER BY i")]
        assert found == sorted(set(found)) and {i for i, v in status.items() if v == 200} <= set(found), (found, status)
        metadata, version = latest(double, "lost_answers/spaces/s/tables/t", may_lag=True)
        assert len(check_linear(metadata)) == version == len(found)
        check_linear(latest(double, f"lost_answers/spaces/s/materialized_views/{entry['id']}", may_lag=True)[0])
        hint = "lost_answers/spaces/s/tables/t/metadata/version-hint.text"
        until(lambda: double.objects(hint)[hint] == str(version), "a sweep to mend the hint")
        lost, told = int(double.say("lost")), list(status.values()).count(200)
        assert lost > 0 and told > 0, (lost, told)
        print(f"30 appends beside {lost} lost answers: {told} told, {len(found) - 1} there")


def passes_time(server, done, what):
    """Hours go by until the sweeps have done it."""
    def check():
        if done():
            return True
        server.client.advance(HOUR)
        return False
    until(check, what, 60)


def life(double):
    """Upload, save, page, refresh, expire, delete: at the end the bucket is as it was."""
    assert double.keys("life") == []
    one_life(double, "default", "life/")
    one_life(double, "acme", "life/tenants/acme/")


def one_life(double, tenant, root):
    at = root + "spaces/s/"
    with double.servers("life", 2, spaces__sweep_seconds=1) as (a, b):
        space = Space(a.as_tenant(tenant), "s")
        there = space.through(b.as_tenant(tenant))
        space.table("t", "id,name\n" + "".join(f"{i},n{i}\n" for i in range(5000)), "text/csv")
        there.table("t", [{"id": 5000, "name": "last"}], mode="append")
        there.table("other", [{"x": 1}])
        entry = space.saved("SELECT id, name FROM t WHERE id >= 10", order_by=["id DESC"])
        saved = there.opened(sql_id=entry["id"])
        assert saved.rows(0, 2) == [[5000, "last"], [4999, "n4999"]] and saved.count() == 4991
        own = space.opened(sql="SELECT x FROM other")
        assert own.through(there.client).all() == [[1]]
        there.refreshed(entry["id"])
        space.updated(entry, sql="SELECT id FROM t WHERE id >= 4000")
        assert saved.through(space.client).rows(4989, 5) == [[11, "n11"], [10, "n10"]]
        view = f"{at}materialized_views/{entry['id']}/"
        others = [k for k in double.keys(at + "materialized_views/") if not k.startswith(view)]
        assert len(double.keys(view + "data/")) == 3 and others, double.keys(at)
        passes_time(a, lambda: not double.keys(at + "sql_sessions/"), "the sessions to end")
        passes_time(a, lambda: len(double.keys(view + "data/")) == 1, "the former snapshots to end")
        passes_time(a, lambda: len(double.keys(at + "materialized_views/")) == len(double.keys(view)), "the view of unsaved SQL to end")
        assert there.opened(sql_id=entry["id"]).count() == 1001 == len(space.opened(sql_id=entry["id"]).all(limit=1000))
        assert there.rows("SELECT count(*) FROM t") == [[5001]]
        assert there.delete("tables", "other").status == 204
        assert there.delete("sql", entry["id"]).status == 204
        assert space.delete(force="true").status == 204
        passes_time(a, lambda: double.keys(root) == [], "everything to be gone")


def main():
    with s3.Double() as double:
        for part in (races, lost_answers, life):
            if sys.argv[1:] and part.__name__ not in sys.argv[1:]:
                continue
            try:
                part(double)
            except BaseException:
                print("\n".join(double.keys(part.__name__)[-40:]))
                raise


main()
