"""Sharing results: grants of a statement to other principals of its tenant, for every type of storage."""
import pytest

from mayfly import Client, mayfly, until

LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"
ROWS = {"columns": [{"name": "a", "type": "VARCHAR", "nullable": True}], "rows": [["secret"]], "row_count": 1}


class People:
    """alice, bob, carol and root (an admin) of a tenant, and eve of another, on the servers of a fleet."""

    def __init__(self, server):
        self.server = server
        for who, tenant, role in (("alice", "acme", "user"), ("bob", "acme", "user"), ("carol", "acme", "user"),
                                  ("root", "acme", "admin"), ("eve", "evil", "user")):
            made = mayfly("token", "create", "--tenant", tenant, "--role", role, "--principal", who, "--data", server.data)
            assert made.returncode == 0, made
            setattr(self, who, Client(server, token=made.stdout.strip()))
        until(lambda: self.alice.get("/v1/statements").status == 200, "the tokens to be known")
        until(lambda: self.eve.get("/v1/statements").status == 200, "the tokens to be known")


@pytest.fixture(params=["session", "redis", "hybrid"])
def people(request, fleet):
    return People(fleet(request.param).start(**{"auth.mode": "token"}))


def grant(client, handle, principal):
    return client.request("POST", f"/v1/statements/{handle}/grants", {"principal": principal})


def revoke(client, handle, principal):
    return client.request("DELETE", f"/v1/statements/{handle}/grants/{principal}")


def sees(client, handle):
    """Natively and on /api/v2: is it there, with its rows?"""
    answers = [client.document(handle), client.result(handle), client.status(handle)]
    there = [a.status for a in answers] == [200, 200, 200]
    assert there or [a.status for a in answers] == [404, 404, 400], answers
    if there:
        assert answers[0].json["status"] == "SUCCEEDED"
        assert answers[1].json["rows"] == ROWS["rows"] and answers[2].json["data"] == [["secret"]]
    return there


def who_sees(people, handle):
    return [who for who in ("alice", "bob", "carol", "root", "eve") if sees(getattr(people, who), handle)]


def test_a_grant_is_for_reading(people):
    handle = people.alice.run("select 'secret' as a")["handle"]
    assert who_sees(people, handle) == ["alice", "root"]
    a = grant(people.alice, handle, "bob")
    assert a.status == 201 and a.json == {"handle": handle, "principal": "bob"}, a
    assert grant(people.alice, handle, "bob").status == 201
    assert who_sees(people, handle) == ["alice", "bob", "root"]
    for a in (people.bob.forget(handle), grant(people.bob, handle, "carol"), grant(people.bob, handle, "bob"), revoke(people.bob, handle, "bob")):
        assert a.status == 403 and a.json["code"] == "forbidden", a
    a = people.bob.cancel(handle)
    assert a.status == 403 and a.json["code"] == "390186", a
    for a in (grant(people.carol, handle, "carol"), revoke(people.carol, handle, "bob"), grant(people.eve, handle, "eve")):
        assert a.status == 404 and a.json["code"] == "not_found", a
    assert revoke(people.alice, handle, "bob").status == 204
    assert revoke(people.alice, handle, "bob").status == 204
    assert who_sees(people, handle) == ["alice", "root"]


def test_a_grant_to_all_of_the_tenant(people):
    handle = people.alice.run("select 'secret' as a")["handle"]
    assert grant(people.root, handle, "*").status == 201  # an admin may
    assert who_sees(people, handle) == ["alice", "bob", "carol", "root"]
    assert grant(people.alice, handle, "bob").status == 201
    assert revoke(people.alice, handle, "%2A").status == 204
    assert who_sees(people, handle) == ["alice", "bob", "root"]
    assert people.alice.forget(handle).status == 204
    assert who_sees(people, handle) == []


def test_a_running_statement_is_waited_for_and_not_canceled(people):
    handle = people.alice.running(people.alice.native(LONG, wait=0).json["handle"])
    assert people.bob.document(handle).status == 404
    assert grant(people.alice, handle, "bob").status == 201
    assert people.bob.document(handle, wait=1).json["status"] == "RUNNING"
    assert people.bob.cancel(handle).status == 403 and people.bob.forget(handle).status == 403
    assert people.alice.document(handle).json["status"] == "RUNNING"
    assert people.alice.cancel(handle).status == 200
    until(lambda: people.bob.document(handle).json["status"] == "CANCELED", "the end to be seen by bob")
    assert people.alice.forget(handle).status == 204


def test_what_is_no_principal(people):
    handle = people.alice.run("select 1")["handle"]
    post = lambda body: people.alice.request("POST", f"/v1/statements/{handle}/grants", body)
    for body, code in (({}, "invalid_field"), ({"principal": ""}, "invalid_field"), ({"principal": 7}, "invalid_field"),
                       ({"principal": None}, "invalid_field"), ({"principal": "x" * 257}, "invalid_field"),
                       ({"principal": "bob", "more": 1}, "unknown_field"), ([], "invalid_json")):
        a = post(body)
        assert a.status == 400 and a.json["code"] == code, (body, a)
    for n in range(100):
        assert post({"principal": f"user {n}"}).status == 201
    a = post({"principal": "one more"})
    assert a.status == 429 and a.json["code"] == "too_many_requests", a
    assert post({"principal": "user 7"}).status == 201  # it is there
    assert revoke(people.alice, handle, "user%207").status == 204
    assert post({"principal": "ü/?#"}).status == 201
    assert grant(people.alice, handle[:-1] + "0" if handle[-1] != "0" else handle[:-1] + "1", "bob").status == 404


def test_from_the_command_line(people):
    handle = people.alice.run("select 'secret' as a")["handle"]
    env = {"MAYFLY_URL": people.server.url(), "MAYFLY_TOKEN": people.alice.headers["Authorization"].split()[1]}
    assert mayfly("statements", "grant", handle, "bob", env=env).returncode == 0
    assert sees(people.bob, handle)
    theirs = {**env, "MAYFLY_TOKEN": people.bob.headers["Authorization"].split()[1]}
    assert "secret" in mayfly("statements", "result", handle, env=theirs).stdout
    for args in (("cancel", handle), ("drop", handle), ("grant", handle, "carol")):
        done = mayfly("statements", *args, env=theirs)
        assert done.returncode == 1 and ("forbidden" in done.stderr or "390186" in done.stderr), done
    assert mayfly("statements", "revoke", handle, "bob", env=env).returncode == 0
    assert not sees(people.bob, handle)
