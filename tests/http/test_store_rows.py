"""What stores know of what runs, how long a shared Redis keeps whatever there is, and files that are none of the store's."""
import os

import pytest

from handles import failed_as, known, start_long
from mayfly import until
from redis import PREFIX, Fleet
from session import Session

PERSISTENT = {"snowflake_api__default_session": "persistent"}


def test_that_it_ran_and_since_when_is_known_after_kill_9(killable):
    servers = [killable.start(**PERSISTENT)]

    def survived():
        """Time for the write is what another statement takes, longer each time."""
        client = servers[-1].client
        running = start_long(client)
        began = client.document(running).json["started_at"]
        client.run(f"select count(*) from range({300000000 * 2 ** len(servers)})", wait=60)
        servers.append(killable.kill(**PERSISTENT))
        failed_as(servers[-1].client, running, "server_restarted")
        after = servers[-1].client.document(running).json["started_at"]
        assert after in (None, began)
        return after
    until(survived, "a start that was written before the kill")


@pytest.mark.parametrize("kind", ["redis", "hybrid"])
def test_nothing_in_redis_is_for_ever(kind, redis):
    servers = Fleet(kind, redis)
    try:
        a, b = servers.start(), servers.start()
        opened = [Session(a.client), Session(a.client, storage="persistent"), Session(b.client)]
        for session in opened:
            session.run("select 1")
        opened[2].close()
        opened[0].extend(1000)
        known(a.client, a.client.run("select 2")["handle"])
        ttls = redis.ttls()
        sessions = [k for k in ttls if k.startswith(PREFIX + "records:record:session/")]
        assert len(sessions) == 3 and f"{PREFIX}records:names" in ttls
        assert len([k for k in ttls if k.startswith(PREFIX + "records:record:session_server/")]) == 2
        assert all(ttl > 0 for ttl in ttls.values()), {k: ttl for k, ttl in ttls.items() if ttl <= 0}
    finally:
        servers.close()


def test_every_file_that_is_none_of_the_stores_is_named(killable):
    a = killable.start(**PERSISTENT)
    kept = a.client.run("select 1")["handle"]
    a.workers()
    a.kill()
    names = ["acme.db", "other.db", "third.db"]
    for name in names:
        with open(os.path.join(a.data, "statements", name), "wb") as file:
            file.write(b"no database" * 500)
    b = killable.start(**PERSISTENT)
    assert b.client.document(kept).status == 200
    assert all(f"the file {name} of the statement store cannot be used" in b.stderr() for name in names)
    b.expected.append("that were kept cannot be read")
