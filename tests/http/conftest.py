"""Fixtures: one server for the session, and servers with settings of their own."""
import pytest

from mayfly import Client, Server, unique


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
    made = []

    def make(options=None, **settings):
        made.append(Server({k.replace("__", "."): v for k, v in settings.items()}, **(options or {})))
        return made[-1]

    yield make
    for one in reversed(made):  # the last may use the folder of an earlier one
        one.check_end()
