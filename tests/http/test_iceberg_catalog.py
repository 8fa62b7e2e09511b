"""The read-only Iceberg REST catalog: /iceberg/v1."""
import pytest

from mayfly import Client, unique
from session import UNKNOWN, token
from space import Space

BASE = "/iceberg/v1"


@pytest.fixture
def space(fresh):
    s = Space(fresh)
    s.table("t", [{"a": 1, "b": "x"}])
    return s


def tables(space, *more):
    return "/".join([BASE, "namespaces", space.name, "tables", *more])


def refused(answer, status, kind):
    assert answer.status == status and answer.type == "application/json", answer
    assert set(answer.json) == {"error"}, answer
    error = answer.json["error"]
    assert set(error) == {"message", "type", "code"} and error["code"] == status and error["type"] == kind, error
    assert error["message"]
    return error


def test_config(fresh):
    for query in ("", "?warehouse=anything"):
        a = fresh.get(BASE + "/config" + query)
        assert a.status == 200 and a.type == "application/json"
        assert a.json["defaults"] == {} and a.json["overrides"] == {}
        assert "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}" in a.json["endpoints"]
        assert not [e for e in a.json["endpoints"] if e.split()[0] not in ("GET", "HEAD")]


def test_namespaces(fresh):
    names = [f"n{i}" for i in range(5)]
    for name in names:
        Space(fresh, name)
    a = fresh.get(BASE + "/namespaces")
    assert a.status == 200 and sorted(a.json["namespaces"]) == [[n] for n in names] and a.json["next-page-token"] is None
    seen, t = [], ""
    while t is not None:
        a = fresh.get(f"{BASE}/namespaces?pageToken={t}&pageSize=2").json
        assert len(a["namespaces"]) <= 2
        seen += a["namespaces"]
        t = a["next-page-token"]
    assert sorted(seen) == [[n] for n in names]
    assert fresh.get(BASE + "/namespaces?parent=n1").json == {"namespaces": [], "next-page-token": None}
    refused(fresh.get(BASE + "/namespaces?parent=no"), 404, "NoSuchNamespaceException")
    refused(fresh.get(BASE + "/namespaces?pageSize=0"), 400, "BadRequestException")
    assert fresh.get(BASE + "/namespaces/n1").json == {"namespace": ["n1"], "properties": {}}
    head = fresh.request("HEAD", BASE + "/namespaces/n1")
    assert head.status == 204 and head.body == b""


@pytest.mark.parametrize("name", ["no", "..", "a%2Fb", "n1%1Fx", "a.b", "%C3%A9"])
def test_namespaces_that_are_not_there(fresh, name):
    Space(fresh, "n1")
    refused(fresh.get(f"{BASE}/namespaces/{name}"), 404, "NoSuchNamespaceException")
    assert fresh.request("HEAD", f"{BASE}/namespaces/{name}").status == 404
    refused(fresh.get(f"{BASE}/namespaces/{name}/tables"), 404, "NoSuchNamespaceException")
    refused(fresh.get(f"{BASE}/namespaces/{name}/tables/t"), 404, "NoSuchNamespaceException")


def test_tables_and_views(space):
    entry = space.saved("SELECT a FROM t")
    c = space.client
    expected = [{"namespace": [space.name], "name": n} for n in ("t", "view_" + entry["id"])]
    a = c.get(tables(space)).json
    assert sorted(a["identifiers"], key=str) == sorted(expected, key=str) and a["next-page-token"] is None
    seen, t = [], ""
    while t is not None:
        a = c.get(tables(space) + f"?pageToken={t}&pageSize=1").json
        assert len(a["identifiers"]) <= 1
        seen += a["identifiers"]
        t = a["next-page-token"]
    assert sorted(seen, key=str) == sorted(expected, key=str)
    for name, rows in (("t", 1), ("view_" + entry["id"], 1)):
        a = c.get(tables(space, name))
        assert a.status == 200 and set(a.json) == {"metadata-location", "metadata", "config"}, a
        m = a.json["metadata"]
        assert a.json["metadata-location"] == m["location"] + "/metadata/v1.metadata.json" and m["format-version"] == 2
        assert m["snapshots"][0]["summary"]["total-records"] == str(rows)
        assert c.request("HEAD", tables(space, name)).status == 204
        again = c.get(tables(space, name), **{"If-None-Match": a.headers["ETag"]})
        assert again.status == 304 and again.body == b""
    assert c.get(tables(space, "view_" + entry["id"])).json["metadata"]["location"] == entry["view"]["location"]


def test_what_it_shows_is_the_latest(space):
    first = space.client.get(tables(space, "t"))
    space.table("t", [{"a": 2, "b": "y"}], mode="append")
    a = space.client.get(tables(space, "t"), **{"If-None-Match": first.headers["ETag"]})
    assert a.status == 200
    assert a.json["metadata-location"].endswith("/metadata/v2.metadata.json")
    assert a.json["metadata"]["current-snapshot-id"] > first.json["metadata"]["current-snapshot-id"]


@pytest.mark.parametrize("name", ["no", "..", "view_" + UNKNOWN, "view_", "view_..", "a%2Fb", "t%1Fx"])
def test_tables_that_are_not_there(space, name):
    refused(space.client.get(tables(space, name)), 404, "NoSuchTableException")
    assert space.client.request("HEAD", tables(space, name)).status == 404


@pytest.mark.parametrize("method,path", [
    ("POST", "/namespaces"), ("DELETE", "/namespaces/{s}"), ("POST", "/namespaces/{s}/properties"), ("POST", "/namespaces/{s}/tables"),
    ("POST", "/namespaces/{s}/tables/t"), ("DELETE", "/namespaces/{s}/tables/t"), ("POST", "/namespaces/{s}/register"),
    ("POST", "/tables/rename"), ("POST", "/transactions/commit"), ("POST", "/namespaces/{s}/tables/t/metrics"), ("PUT", "/namespaces/{s}"),
])
def test_it_cannot_be_written(space, method, path):
    a = space.client.request(method, BASE + path.replace("{s}", space.name), {})
    refused(a, a.status, {405: "MethodNotAllowedException", 406: "UnsupportedOperationException"}[a.status])
    if a.status == 405:
        assert set(a.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert space.rows("SELECT a FROM t") == [[1]]


def test_paths_that_are_none(fresh):
    refused(fresh.get(BASE + "/nothing"), 404, "NotFoundException")
    refused(fresh.get("/iceberg/v2/config"), 404, "NotFoundException")


def test_tenants_and_tokens(shared, guarded):
    one, two = (Space(Client(shared, tenant=unique("tenant")), "same") for _ in range(2))
    one.table("t", [{"a": 1}])
    assert two.client.get(tables(two)).json["identifiers"] == []
    refused(two.client.get(tables(two, "t")), 404, "NoSuchTableException")
    a = Client(guarded).get(BASE + "/config")
    refused(a, 401, "NotAuthorizedException")
    assert a.headers["WWW-Authenticate"]
    refused(Client(guarded, token="no").get(BASE + "/namespaces"), 401, "NotAuthorizedException")
    refused(shared.client.get(BASE + "/namespaces", **{"X-Mayfly-Tenant": "NO"}), 400, "BadRequestException")
    mine = token(guarded, unique("tenant"))
    Space(mine, "mine")
    assert mine.get(BASE + "/namespaces").json["namespaces"] == [["mine"]]
