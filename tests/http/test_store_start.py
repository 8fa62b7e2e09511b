"""Starting: a Redis that cannot be used, and a data folder that goes from one type of storage to another."""
import os

import pytest

from mayfly import Server, free_port
from redis import STORAGE

KEPT = {"storage": "persistent", "labels": {"who": "kept"}}


def settings(kind, redis=None, **more):
    return {STORAGE + "type": kind, **({STORAGE + "redis.url": redis.url()} if redis else {}), **more}


def refused(options, folder=None):
    """What a server says that does not start."""
    with pytest.raises(AssertionError) as error:
        Server(options, data=folder)
    assert "the server ended with 2" in str(error.value)
    return str(error.value).splitlines()[-1]


@pytest.mark.parametrize("kind", ["redis", "hybrid"])
@pytest.mark.parametrize("url, words", [
    ("http://127.0.0.1:{port}", "scheme"), ("redis://127.0.0.1:99999", "port"), ("redis://:a-secret@127.0.0.1:{free}", "refused"),
    ("redis://127.0.0.1:{port}/9999", "database"), ("redis://somebody:a-secret@127.0.0.1:{port}", "password")])
def test_a_redis_that_cannot_be_used_ends_the_start(redis, kind, url, words):
    said = refused(settings(kind, **{STORAGE + "redis.url": url.format(port=redis.port, free=free_port())}))
    assert words in said.lower() and "a-secret" not in said and STORAGE + "redis.url" in said, said


def kept_session(client):
    """A persistent session with two rows, beside one that was closed."""
    kept = client.request("POST", "/v1/sessions", KEPT).json["session_id"]
    closed = client.request("POST", "/v1/sessions", {}).json["session_id"]
    assert client.request("DELETE", f"/v1/sessions/{closed}").status == 200
    table = {"name": "t", "columns": [{"name": "a", "type": "INTEGER"}]}
    assert client.request("POST", f"/v1/sessions/{kept}/tables", table).status == 201
    assert client.request("POST", f"/v1/sessions/{kept}/tables/t/rows", [[1], [2]]).json == {"inserted": 2}
    return kept, closed


def check(server, kept, closed, statuses):
    client = server.client
    assert (client.get(f"/v1/sessions/{kept}").status, client.get(f"/v1/sessions/{closed}").status) == statuses
    if statuses[0] == 200:
        assert client.get(f"/v1/sessions/{kept}/tables/t/count").json == {"count": 2}
        assert client.get(f"/v1/sessions/{kept}").json["labels"] == KEPT["labels"]
    assert server.stop() == 0


def test_records_move_to_redis_with_their_server(redis):
    one = Server(settings("session"))
    try:
        kept, closed = kept_session(one.client)
        assert one.stop() == 0
        for kind in ("redis", "hybrid", "redis"):
            check(Server(settings(kind, redis), data=one.folder), kept, closed, (200, 410))
            assert "records.log" not in os.listdir(one.data)
        assert any(":records:" in key for key in redis.keys())
        said = refused(settings("session"), one.folder)
        assert "records.redis" in said and "hybrid" in said
        os.unlink(os.path.join(one.data, "records.redis"))
        check(Server(settings("session"), data=one.folder), kept, closed, (404, 404))
    finally:
        one.drop()


def test_records_that_were_moved_half_way_are_moved_the_rest(redis):
    """Killed between the copy and the renaming: what is there already is not written again."""
    one = Server(settings("session"))
    try:
        kept, closed = kept_session(one.client)
        assert one.stop() == 0
        with open(os.path.join(one.data, "records.log"), "rb") as file:
            log = file.read()
        check(Server(settings("redis", redis), data=one.folder), kept, closed, (200, 410))
        with open(os.path.join(one.data, "records.log"), "wb") as file:
            file.write(log)
        check(Server(settings("redis", redis), data=one.folder), kept, closed, (200, 410))
        assert "records.log" not in os.listdir(one.data)
    finally:
        one.drop()
