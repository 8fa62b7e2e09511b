"""Who calls: tenants, principals, and the three modes of authentication."""
import base64
import hashlib
import hmac
import json
import os
import time

import pytest

from mayfly import Client, Server, in_parallel, mayfly, unique, until

LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"


def sees_nothing(stranger, handle):
    """Every call on a handle that is not the caller's answers as if there were none."""
    for a in (stranger.status(handle), stranger.status(handle, partition=0), stranger.status(handle, partition=1)):
        assert a.status == 400 and a.json["code"] == "000709", a
        assert a.json["message"] == f"Statement {handle} not found"
    assert stranger.cancel(handle).status == 200  # as for any unknown handle
    for a in (stranger.document(handle), stranger.document(handle, wait=1), stranger.result(handle), stranger.forget(handle),
              stranger.get(f"/v1/statements/{handle}/events")):
        assert a.status == 404 and a.json["code"] == "not_found", a
    assert handle not in [i["handle"] for i in stranger.get("/v1/statements?limit=1000").json["items"]]


# --- tenants ---

def test_a_tenant_sees_nothing_of_another(shared):
    mine, theirs = (Client(shared, tenant=unique("tenant")) for _ in range(2))
    finished = mine.run("select 'secret'")["handle"]
    running = mine.running(mine.native(LONG, wait=0).json["handle"])
    failed = mine.native("select * from nope").json["handle"]
    for handle in (finished, running, failed):
        sees_nothing(theirs, handle)
    assert mine.result(finished).json["rows"] == [["secret"]]
    assert mine.document(running).json["status"] == "RUNNING"
    mine.forget(running)


def test_a_handle_of_another_tenant_answers_as_an_unknown_one(shared):
    mine, theirs = (Client(shared, tenant=unique("tenant")) for _ in range(2))
    handle = mine.run("select 1")["handle"]
    unknown = handle[:-1] + ("0" if handle[-1] != "0" else "1")

    def shape(a, h):
        return a.status, a.body.replace(h.encode(), b"H").replace(a.headers["X-Request-Id"].encode(), b"R")
    for call in (theirs.status, theirs.document, theirs.result, theirs.forget, theirs.cancel):
        assert shape(call(handle), handle) == shape(call(unknown), unknown)


def test_tables_belong_to_their_tenant(shared):
    mine, theirs = (Client(shared, tenant=unique("tenant")) for _ in range(2))
    mine.run("create table private_things as select 42 as a")
    assert mine.rows("select a from private_things") == [[42]]
    assert theirs.native("select a from private_things").json["status"] == "FAILED"
    assert "private_things" not in theirs.result(theirs.run("show all tables")["handle"]).text
    assert theirs.rows("select count(*) from information_schema.tables where table_name = 'private_things'") == [[0]]
    theirs.run("create table private_things as select 7 as a")
    assert mine.rows("select a from private_things") == [[42]]


def test_without_a_header_the_tenant_is_default(shared):
    assert Client(shared).run("select 1")["tenant_id"] == "default"
    handle = Client(shared).run("select 1")["handle"]
    assert Client(shared, tenant="default").document(handle).status == 200


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "_a", "a/b", "..", ".", "a.b", "é", "a" * 64, "a\tb", "*", "a,b"])
def test_a_name_that_is_no_tenants_is_a_400(shared, name):
    name = name.encode().decode("latin-1")
    a = Client(shared, tenant=name).get("/v1/statements")
    assert a.status == 400 and a.json["code"] == "invalid_tenant", a
    assert Client(shared, tenant=name).submit("select 1").status == 400


@pytest.mark.parametrize("name", ["0", "a", "a-b_c", "a" * 63, "9-"])
def test_a_valid_name_is_a_tenant(shared, name):
    assert Client(shared, tenant=name).get("/v1/statements").status == 200


def test_a_tenant_can_be_required(server):
    one = server(auth__require_tenant="true")
    assert one.client.get("/v1/statements").status == 403
    assert one.as_tenant("a").get("/v1/statements").status == 200
    assert one.client.get("/healthz").status == 200


def test_caps_may_be_a_tenants_own(server):
    one = server(**{"tenants__overrides__small__max_statements": 1})
    small, big = one.as_tenant("small"), one.as_tenant("big")
    assert small.submit("select 1").status == 200 and small.submit("select 1").status == 429
    assert [big.submit("select 1").status for _ in range(3)] == [200] * 3


# --- mode none: only what comes from this machine's own pages ---

@pytest.mark.parametrize("host", ["localhost", "localhost:8484", "LOCALHOST", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]",
                                  "[::1]:8484"])
def test_a_loopback_host_is_ours(shared, host):
    assert shared.client.get("/v1/statements", Host=host).status == 200


@pytest.mark.parametrize("host", ["example.com", "example.com:8484", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1",
                                  "0.0.0.0", "128.0.0.1", "localhost:x", "", "[::2]", "127.0.0.1@example.com"])
def test_a_foreign_host_is_forbidden(shared, host):
    a = shared.client.get("/v1/statements", Host=host)
    assert a.status in (400, 403), a  # what is no host at all may be malformed
    if host and "@" not in host and ":x" not in host:
        assert a.status == 403 and a.json["code"] == "forbidden"
    assert shared.client.submit("select 1", headers={"Host": host}).status == a.status


def test_a_listed_host_is_ours(server):
    one = server(server__hosts="mayfly.internal")
    assert one.client.get("/v1/statements", Host="mayfly.internal:1234").status == 200
    assert one.client.get("/v1/statements", Host="other.internal").status == 403


@pytest.mark.parametrize("origin, status", [("http://localhost:3000", 200), ("http://127.0.0.1:8484", 200), ("https://example.com", 403),
                                            ("null", 403), ("http://localhost.example.com", 403), ("file://", 403), ("x", 403)])
def test_a_foreign_origin_is_forbidden(shared, origin, status):
    assert shared.client.get("/v1/statements", Origin=origin).status == status
    assert shared.client.submit("select 1", headers={"Origin": origin}).status == status


def test_without_authentication_a_token_is_ignored(shared):
    assert Client(shared, token="anything").get("/v1/statements").status == 200
    assert Client(shared, headers={"Authorization": "Basic x"}).get("/v1/statements").status == 200


# --- mode token ---

@pytest.fixture(scope="module")
def guarded():
    server = Server({"auth.mode": "token"})
    yield server
    server.check_end()


def token(server, tenant, role="user", *more):
    done = mayfly("token", "create", "--tenant", tenant, "--role", role, "--data", server.data, *more)
    assert done.returncode == 0, done.stderr
    text = done.stdout.strip()  # nothing else goes to stdout
    client = server.with_token(text)
    until(lambda: client.get("/v1/statements").status == 200, "the token to be taken up")
    return client, text, done.stderr


def test_a_token_names_its_tenant(guarded):
    client, _, _ = token(guarded, "acme")
    assert client.run("select 1")["tenant_id"] == "acme"
    a = client.request("GET", "/v1/statements", headers={"X-Mayfly-Tenant": "other"})
    assert a.status in (200, 403) and all(i["tenant_id"] == "acme" for i in a.json.get("items", []))


def test_principals_see_their_own_and_admins_see_all(guarded):
    (ann, _, _), (bob, _, _), (admin, _, _), (stranger, _, _) = in_parallel(
        lambda: token(guarded, "acme", "user", "--principal", "ann"), lambda: token(guarded, "acme", "user", "--principal", "bob"),
        lambda: token(guarded, "acme", "admin"), lambda: token(guarded, "umbrella", "admin"))
    handle = ann.run("select 'hers'")["handle"]
    sees_nothing(bob, handle)
    sees_nothing(stranger, handle)
    assert admin.result(handle).json["rows"] == [["hers"]]
    assert handle in [i["handle"] for i in admin.get("/v1/statements").json["items"]]
    assert admin.status(handle).status == 200 and ann.status(handle).status == 200


def test_two_tokens_of_one_principal_see_the_same(guarded):
    (one, _, _), (two, _, _) = in_parallel(*[lambda: token(guarded, "acme", "user", "--principal", "cleo")] * 2)
    handle = one.run("select 1")["handle"]
    assert two.document(handle).status == 200


def test_request_ids_are_of_their_principal_only(guarded):
    (ann, _, _), (bob, _, _) = in_parallel(*[lambda name=name: token(guarded, "acme", "user", "--principal", name)
                                            for name in ("dan", "eve")])
    query = {"requestId": unique("request"), "retry": "true"}
    a, b = ann.submit("select 1", query=query), bob.submit("select 2", query=query)
    assert a.json["data"] == [["1"]] and b.json["data"] == [["2"]]


def test_a_missing_token_is_a_401_and_a_400_to_snowflakes_clients(guarded):
    a = guarded.client.get("/v1/statements")
    assert a.status == 401 and a.json["code"] == "unauthenticated" and a.headers["WWW-Authenticate"].startswith("Bearer")
    b = guarded.client.submit("select 1")
    assert b.status == 400 and set(b.json) == {"code", "message"} and b.json["code"] == "390146"


@pytest.mark.parametrize("value", ["Bearer x", "Bearer " + "0" * 64, "Bearer ", "Basic dXNlcjpwYXNz", "bearer", "x",
                                   "Bearer " + "a" * 9000])
def test_a_wrong_token_is_a_401_with_code_and_message_only(guarded, value):
    client = Client(guarded, headers={"Authorization": value})
    a = client.get("/v1/statements")
    assert a.status == 401 and a.json["code"] == "unauthenticated", a
    b = client.submit("select 1")
    assert b.status in (400, 401), b
    assert set(b.json) == {"code", "message"} and b.json["code"] in ("390146", "390144", "390303", "394400")
    c = client.submit("select 1", headers={"X-Snowflake-Authorization-Token-Type": "PROGRAMMATIC_ACCESS_TOKEN"})
    assert set(c.json) == {"code", "message"}


def test_the_kind_of_token_chooses_the_code(guarded):
    for kind, code in (("KEYPAIR_JWT", "390144"), ("OAUTH", "390303"), ("PROGRAMMATIC_ACCESS_TOKEN", "394400")):
        a = guarded.with_token("wrong").submit("select 1", headers={"X-Snowflake-Authorization-Token-Type": kind})
        assert a.status == 401 and a.json["code"] == code, (kind, a)


def test_a_revoked_token_ends(guarded):
    client, text, said = token(guarded, "acme")
    listed = mayfly("token", "list", "--data", guarded.data)
    assert listed.returncode == 0 and text not in listed.stdout
    name = said.split()[1]
    assert name in listed.stdout
    assert mayfly("token", "revoke", name, "--data", guarded.data).returncode == 0
    until(lambda: client.get("/v1/statements").status == 401, "the token to end")


def test_only_a_hash_of_a_token_is_stored(guarded):
    _, text, _ = token(guarded, "acme")
    with open(os.path.join(guarded.data, "tokens"), encoding="utf-8") as tokens:
        stored = tokens.read()
    assert text not in stored and text[8:] not in stored
    assert os.stat(os.path.join(guarded.data, "tokens")).st_mode & 0o077 == 0


def test_health_needs_no_token(guarded):
    for path in ("/healthz", "/readyz", "/version", "/openapi.json", "/metrics"):
        assert guarded.client.get(path).status == 200, path


# --- mode jwt ---

SECRET = b"0123456789abcdef0123456789abcdef"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, secret=SECRET, alg="HS256"):
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": alg, "typ": "JWT"}, claims))
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest() if alg == "HS256" else b""
    return text + "." + base64url(signature)


def claims(**more):
    return {"sub": "ann", "tenant": "acme", "exp": int(time.time()) + 600, **more}


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    keys.write_text(json.dumps({"keys": [{"alg": "HS256", "secret": base64.b64encode(SECRET).decode()}]}))
    server = Server({"auth.mode": "jwt", "auth.jwt_keys": str(keys)})
    yield server
    server.check_end()


def test_a_signed_claim_names_tenant_and_principal(signed):
    ann, bob = signed.with_token(jwt(claims())), signed.with_token(jwt(claims(sub="bob")))
    document = ann.run("select 1")
    assert document["tenant_id"] == "acme"
    sees_nothing(bob, document["handle"])
    sees_nothing(signed.with_token(jwt(claims(tenant="other"))), document["handle"])


@pytest.mark.parametrize("text", [
    lambda: jwt(claims(exp=int(time.time()) - 3600)), lambda: jwt(claims(), secret=b"x" * 32), lambda: jwt(claims(), alg="none"),
    lambda: jwt({"sub": "ann", "tenant": "acme"}), lambda: jwt(claims())[:-2], lambda: jwt(claims()) + ".x", lambda: "a.b.c",
    lambda: jwt(claims(exp="tomorrow")), lambda: "..", lambda: jwt(claims(), alg="RS256"),
    lambda: jwt(claims(nbf=int(time.time()) + 3600)),
], ids=["expired", "other key", "none", "no exp", "cut", "four parts", "noise", "exp is text", "dots", "other alg", "not yet"])
def test_a_claim_that_cannot_be_believed_is_a_401(signed, text):
    client = signed.with_token(text())
    a = client.get("/v1/statements")
    assert a.status == 401 and a.json["code"] == "unauthenticated", a
    b = client.submit("select 1", headers={"X-Snowflake-Authorization-Token-Type": "KEYPAIR_JWT"})
    assert b.status == 401 and b.json["code"] == "390144" and set(b.json) == {"code", "message"}, b


@pytest.mark.parametrize("tenant", ["UPPER", "../x", "", 7])
def test_a_claim_of_a_tenant_that_is_none_is_refused(signed, tenant):
    assert signed.with_token(jwt(claims(tenant=tenant))).get("/v1/statements").status in (400, 401, 403)


def test_a_claim_without_a_tenant_is_refused(signed):
    assert signed.with_token(jwt({"sub": "ann", "exp": int(time.time()) + 600})).get("/v1/statements").status in (401, 403)
