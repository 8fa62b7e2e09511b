"""Fixtures: one server for the session, and servers with settings of their own."""
import contextlib

import pytest

from mayfly import Client, Server, unique
from redis import Fleet, Proxy, Redis


@pytest.fixture(scope="session")
def shared():
    """The server of all tests that need no settings of their own."""
    server = Server({"tenants.concurrent_statements": 16})
    yield server
    server.check_end()


@pytest.fixture
def client(shared):
    """The default tenant on the shared server."""
    return Client(shared)


@pytest.fixture
def fresh(shared):
    """A tenant that nobody used before, on the shared server."""
    return Client(shared, tenant=unique("tenant"))


@pytest.fixture
def server():
    """server(**options, key=value, …): a server for this test; dots of keys are written as __."""
    with contextlib.ExitStack() as ends:  # the last first: it may use the folder of an earlier one

        def make(options=None, **settings):
            one = Server({k.replace("__", "."): v for k, v in settings.items()}, **(options or {}))
            ends.callback(one.check_end)
            return one

        yield make


@pytest.fixture(scope="module")
def guarded():
    """A server that wants tokens."""
    one = Server({"auth.mode": "token"})
    yield one
    one.check_end()


@pytest.fixture
def killable():
    """Servers one after another on one folder: start(key=value, …), and kill(…) that ends the last with SIGKILL before."""
    made = []

    class Killable:
        @staticmethod
        def start(**settings):
            made.append(Server({k.replace("__", "."): v for k, v in settings.items()}, data=made[0].folder if made else None))
            return made[-1]

        @classmethod
        def kill(cls, **settings):
            made[-1].workers()
            made[-1].kill()
            return cls.start(**settings)

    yield Killable
    try:
        if len(made) > 1:
            made[-1].check_end()
    finally:
        if len(made) == 1:
            made[0].check_end()
        made[0].drop()


@pytest.fixture(scope="session")
def one_redis():
    """The Redis of all tests; what it acknowledged it knows again after it was killed."""
    redis = Redis(durable=True)
    yield redis
    redis.drop()


@pytest.fixture
def redis(one_redis):
    """Redis for one test: running and empty."""
    one_redis.heal()
    one_redis.flush()
    return one_redis


@pytest.fixture
def proxy(redis):
    """Between servers and Redis."""
    one = Proxy(redis)
    yield one
    one.close()


@pytest.fixture
def fleet(request):
    """fleet(kind, key=value, …): servers with this type of storage, on the test's Redis unless the type is session."""
    with contextlib.ExitStack() as ends:

        def make(kind, url=None, **settings):
            one = Fleet(kind, request.getfixturevalue("redis") if kind != "session" else None, url, **settings)
            ends.callback(one.close)
            return one

        yield make
