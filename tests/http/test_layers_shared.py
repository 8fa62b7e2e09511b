"""Layers that servers on one storage give each other (`runner.layers.share`)."""
import glob
import os

import pytest

from chain import USERS, layers, ran
from mayfly import Client, until

MORE = {**USERS, "seed/002_more.sql": "INSERT INTO users SELECT i, repeat(md5(i::text), 10) FROM generate_series(3, 20000) i;",
        "head.sql": "SELECT count(*), max(length(name)) FROM users;"}


@pytest.fixture
def fleet(server, tmp_path):
    """fleet(): another server on the same storage."""
    root = tmp_path / "storage"
    root.mkdir()

    def one(**settings):
        return Client(server(storage__root=str(root), runner__layers__share="true", **settings), tenant="acme")

    one.root = str(root)
    return one


def manifests(fleet, layer_id="*"):
    return glob.glob(os.path.join(fleet.root, "tenants", "acme", "layers", layer_id, "manifest"))


def imported(client):
    text = client.get("/metrics").text
    return int(next(line for line in text.splitlines() if line.startswith('mayfly_layer_lookups_total{outcome="imported"}')).split()[-1])


def shared_by(fleet, client, files):
    """Runs the job, and waits until its tail's layer is in the storage."""
    job = ran(client, files)
    assert job["snapshot"]["hit"] is False
    until(lambda: manifests(fleet, job["snapshot"]["layer_id"]), "the layer in the storage")
    return job


def test_another_server_takes_the_layer(fleet):
    one, two = fleet(), fleet()
    made = shared_by(fleet, one, MORE)
    assert len(manifests(fleet)) == len(layers(one)), "its ancestors came along"
    job = ran(two, MORE)
    assert job["snapshot"] == {**made["snapshot"], "hit": True, "steps_reused": 3}
    assert job["rows"] == made["rows"] == [[20000, 320]]
    assert imported(two) == 1 and imported(one) == 0
    assert ran(two, {**MORE, "seed/003.sql": "DELETE FROM users WHERE id > 10;"})["rows"] == [[10, 320]], "and builds on it"


def test_a_prefix_is_taken_and_the_rest_built(fleet):
    one, two = fleet(), fleet()
    shared_by(fleet, one, MORE)
    job = ran(two, {**MORE, "m/1.sql": "DELETE FROM users WHERE id > 5;", "z.sql": "SELECT count(*) FROM users;"}, head="z.sql",
              chain=["init/001_users.sql", "seed/001_users.sql", "seed/002_more.sql", "m/1.sql"])
    assert job["snapshot"]["hit"] is False and job["snapshot"]["steps_reused"] == 3 and job["rows"] == [[5]]
    assert imported(two) == 1


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_broken_layer_is_built_instead(fleet, how):
    one, two = fleet(), fleet()
    made = shared_by(fleet, one, MORE)
    folder = os.path.dirname(manifests(fleet, made["snapshot"]["layer_id"])[0])
    (piece,) = [os.path.join(folder, name) for name in os.listdir(folder) if name != "manifest"]
    with open(piece, "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 1
    if how == "gone":
        os.unlink(piece)
    else:
        with open(piece, "wb") as file:
            file.write(content if how == "changed" else content[:100])
    job = ran(two, MORE)
    assert job["snapshot"]["hit"] is False and job["rows"] == made["rows"]


def test_other_tenants_take_nothing(fleet):
    one, two = fleet(), fleet()
    shared_by(fleet, one, MORE)
    other = two.server.as_tenant("other")
    assert ran(other, MORE)["snapshot"]["hit"] is False and imported(other) == 0


def test_without_the_option_nothing_is_shared(server, tmp_path):
    client = Client(server(storage__root=str(tmp_path)), tenant="acme")
    ran(client, MORE)
    assert not glob.glob(str(tmp_path / "tenants" / "acme" / "layers" / "*"))
