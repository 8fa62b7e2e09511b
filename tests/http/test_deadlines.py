"""What a server does in time with nobody asking: sessions end, and builds of a server that was killed have failed."""
import json
import os

from mayfly import until
from session import listed
from space import Space, files_below

LONG = "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
ASYNC = {"Prefer": "respond-async"}


def space_folder(one, space):
    return os.path.join(one.data, "storage", "spaces", space.name)


def stored_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return json.load(f)


def test_sessions_end_without_traffic(server):
    one = server(spaces__sweep_seconds=86400)
    space = Space(one.client)
    space.table("t", [{"a": 1}])
    entry = space.saved("SELECT a FROM t")
    own, saved = space.opened(sql="SELECT a + 1 AS b FROM t", ttl_seconds=600), space.opened(sql_id=entry["id"], ttl_seconds=600)
    stays = space.opened(sql_id=entry["id"], ttl_seconds=3600)
    folder = space_folder(one, space)
    documents = [os.path.join(folder, "sql_sessions", s.id, "meta.json") for s in (own, saved)]
    views = os.path.join(folder, "materialized_views")
    assert all(map(os.path.exists, documents)) and len(os.listdir(views)) == 2
    one.client.advance(400)
    assert all(map(os.path.exists, documents))
    one.client.advance(201)
    until(lambda: not any(map(os.path.exists, documents)), "the documents to go")
    until(lambda: not [f for f in files_below(views) if entry["id"] not in f], "the view of a session's own text to go")
    assert stays.all() == [[1]]

    def ends():
        items = listed(one.client, topic="mayfly.audit.view.v1")
        return sorted(i["payload"]["id"] for i in items if i["payload"]["event"] == "expired")
    until(lambda: ends() == sorted([own.id, saved.id]), "the events")


def test_a_session_of_ones_own_text_takes_its_view_along(server):
    one = server(spaces__sweep_seconds=86400)
    space = Space(one.client)
    s = space.opened(sql="SELECT 1 AS a")
    views = os.path.join(space_folder(one, space), "materialized_views")
    assert files_below(views)
    assert s.close().status == 204
    until(lambda: not files_below(views), "the view to go")


def test_killed_while_it_builds_and_started_again(killable):
    one = killable.start(spaces__sweep_seconds=86400)
    space = Space(one.client)
    entry = space.saved("SELECT 1 AS a")
    kept = space.saved("SELECT 2 AS a")
    made = space.save(LONG, headers=ASYNC)
    assert made.status == 202 and made.json["view"]["state"] == "building", made
    update = space.update(kept, headers=ASYNC, sql=LONG)
    assert update.status == 202, update
    opened = space.open(headers=ASYNC, sql=LONG + " AND b.range > 1")
    assert opened.status == 202 and opened.json["status"] == "running", opened
    again = killable.kill(spaces__sweep_seconds=86400)
    space = space.through(again.client)
    failed = space.get_sql(made.json["id"]).json["view"]  # the first look
    assert failed["state"] == "failed" and "gone" in failed["error"], failed
    former = space.get_sql(kept["id"]).json
    assert former["view"]["state"] == "ready" and "gone" in former["view"]["error"], former
    assert former["sql"] == "SELECT 2 AS a" and former["view"]["snapshot_id"] == kept["view"]["snapshot_id"]
    session = again.client.get(space.path("sql-sessions", opened.json["id"])).json
    assert session["status"] == "failed" and "gone" in session["error"], session
    assert space.opened(sql_id=kept["id"]).all() == [[2]]
    assert space.get_sql(entry["id"]).json["view"]["state"] == "ready"
    assert space.updated(former, sql="SELECT 3 AS a")["view"]["error"] is None
    assert space.updated(space.get_sql(made.json["id"]).json, sql="SELECT 4 AS a")["view"]["state"] == "ready"


def test_the_sweep_writes_down_what_has_failed(killable):
    one = killable.start(spaces__sweep_seconds=86400)
    space = Space(one.client)
    made = space.save(LONG, headers=ASYNC)
    opened = space.open(headers=ASYNC, sql_id=made.json["id"])
    assert (made.status, opened.status) == (202, 202)
    again = killable.kill(spaces__sweep_seconds=1)
    folder = space_folder(again, space)
    until(lambda: stored_json(folder, "sql", made.json["id"] + ".json")["_building_until_ms"] == 0, "the entry")
    until(lambda: stored_json(folder, "sql_sessions", opened.json["id"], "meta.json")["status"] == "failed", "the document")
    assert "gone" in stored_json(folder, "sql", made.json["id"] + ".json")["_error"]


def test_a_long_build_is_renewed(server):
    one = server()
    space = Space(one.client)
    made = space.save(LONG, headers=ASYNC).json
    stored = os.path.join(space_folder(one, space), "sql", made["id"] + ".json")
    first = stored_json(stored)["_building_until_ms"]
    for turned in range(8, 49, 8):
        one.client.advance(8)
        until(lambda turned=turned: stored_json(stored)["_building_until_ms"] >= first + turned * 1000 - 1000, "the renewal")
        assert space.get_sql(made["id"]).json["view"]["state"] == "building"
    assert space.delete("sql", made["id"]).status == 204
