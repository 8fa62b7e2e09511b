"""Contents uploaded once, by etag."""
import gzip
import hashlib
import os

import pytest

from chain import blob, etag, has_blob, post, problem, ran
from mayfly import Client, in_parallel, unique


def test_a_content_is_uploaded_once(fresh):
    content = b"SELECT 'blob' AS a"
    tag = etag(content)
    assert has_blob(fresh, tag) == 404
    assert blob(fresh, content).status == 204
    assert has_blob(fresh, tag) == 200
    assert blob(fresh, content).status == 204, "again is harmless"
    assert ran(fresh, {"head.sql": content})["rows"] == [["blob"]]


def test_an_etag_may_be_percent_encoded(fresh):
    content = b"SELECT 1 -- " + unique().encode()
    tag = etag(content)
    assert blob(fresh, content).status == 204
    assert has_blob(fresh, tag.replace(":", "%3A")) == 200
    other = b"SELECT 2 -- " + unique().encode()
    a = fresh.request("PUT", "/v1/blobs/" + etag(other).replace(":", "%3a"), other)
    assert a.status == 204 and has_blob(fresh, etag(other)) == 200


def test_a_content_with_another_etag(fresh):
    tag = etag(b"one")
    problem(blob(fresh, b"two", tag), 409, "etag_mismatch")
    assert has_blob(fresh, tag) == 404
    problem(blob(fresh, b"", tag), 409, "etag_mismatch")


@pytest.mark.parametrize("tag", ["x", "sha256:12", "md5:" + "0" * 64, "sha256:" + "g" * 64, "sha256:" + "A" * 64, "0" * 64])
def test_etags_that_are_none(client, tag):
    problem(blob(client, b"x", tag), 400, "invalid_field")
    assert has_blob(client, tag) == 400


def test_only_put_and_head(client):
    for method in ("GET", "POST", "DELETE"):
        problem(client.request(method, "/v1/blobs/" + etag(b"x")), 405, "method_not_allowed")


@pytest.mark.parametrize("size", [0, 1, 65536, 262144, 262145, 3000000])
def test_contents_of_many_sizes(fresh, size):
    content = os.urandom(size)
    assert blob(fresh, content).status == 204 and has_blob(fresh, etag(content)) == 200


def test_a_compressed_upload(fresh):
    content = b"SELECT 42 AS a -- " + b"x" * 500000
    a = fresh.request("PUT", "/v1/blobs/" + etag(content), gzip.compress(content), {"Content-Encoding": "gzip"})
    assert a.status == 204
    assert ran(fresh, {"head.sql": content})["rows"] == [[42]]


def test_a_large_file_of_a_project_comes_by_blob(fresh):
    lines = "".join(f"{i}\t{hashlib.md5(str(i).encode()).hexdigest()}\n" for i in range(200000))
    content = ("COPY big FROM stdin;\n" + lines + "\\.\n").encode()
    assert blob(fresh, content).status == 204
    files = {"init/1.sql": "CREATE TABLE big (i int, m text)", "seed/1.sql": content, "head.sql": "SELECT count(*), max(i) FROM big"}
    assert ran(fresh, files)["rows"] == [[200000, 199999]]


def test_blobs_of_tenants_never_meet(shared):
    one, two = Client(shared, tenant=unique("t")), Client(shared, tenant=unique("t"))
    content = b"SELECT 1 -- " + unique().encode()
    assert blob(one, content).status == 204
    assert has_blob(two, etag(content)) == 404
    problem(post(two, {"head.sql": content}), 422, "missing_blobs")


def test_a_tenants_bytes_are_bounded(server):
    client = server(tenants__blob_bytes=100000).client
    assert blob(client, b"a" * 60000).status == 204
    a = blob(client, b"b" * 60000)
    assert a.status in (413, 429) and a.json["code"] in ("quota_exceeded", "too_many_requests", "body_too_large"), a
    assert blob(client, b"a" * 60000).status == 204


def test_uploads_at_once(fresh):
    content = os.urandom(400000)
    assert {a.status for a in in_parallel(*[lambda: blob(fresh, content) for _ in range(8)])} == {204}


def test_unused_contents_go_after_their_time(server):
    client = server(runner__blob_ttl_seconds=60).client
    content = b"SELECT 1"
    assert blob(client, content).status == 204
    client.advance(30)
    assert has_blob(client, etag(content)) == 200


def test_a_content_survives_a_kill(killable):
    one = killable.start()
    assert blob(one.client, b"SELECT 8").status == 204
    two = killable.kill()
    assert has_blob(two.client, etag(b"SELECT 8")) == 200 and ran(two.client, {"head.sql": b"SELECT 8"})["rows"] == [[8]]
