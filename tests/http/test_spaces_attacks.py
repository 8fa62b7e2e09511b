"""Clients of spaces who mean harm: uploads that should not fit, objects that another program left in the storage.

What they ask for is refused in words, and costs nobody else anything.
"""
import os
import re

import pytest

from mayfly import MIB, SANITIZED, memory
from space import CSV, JSON, NDJSON, PARQUET, Space, problem


# --- uploads ---

@pytest.mark.parametrize("tail", [b"", b"\n", b"\ny\n"])
def test_a_csv_row_that_no_buffer_holds_is_refused_and_not_left_out(fresh, tail):
    s = Space(fresh)
    a = s.upload("t", b"a\n" + b"1" * (40 * MIB) + tail, CSV)
    assert problem(a, 422, "schema_mismatch")["row"] == 1
    assert s.get_table("t").status == 404
    assert s.table("t", b"a\n" + b"x" * (16 * MIB - 1) + tail, CSV)["row_count"] == tail.count(b"y") + 1


def test_a_csv_header_without_an_end_is_not_collected(server):
    one = server()
    s = Space(one.client)
    s.table("warm", [{"a": 1}])
    before = memory(one.process.pid, "VmRSS")
    for header in (b"a" * (128 * MIB), b'"' + b'a\n' * (64 * MIB)):
        a = s.upload("t", header + b"\n1\n", CSV)
        assert "too long" in problem(a, 422, "schema_mismatch")["detail"]
    assert SANITIZED or memory(one.process.pid, "VmHWM") - before < 64 * MIB  # half of one


def test_a_zero_byte_in_a_csv_name_is_told_as_such(fresh):
    a = Space(fresh).upload("t", b"a\0,b\n1,2\n", CSV)
    assert problem(a, 422, "schema_mismatch")["row"] == 0


@pytest.mark.parametrize("kind,before,after", [(JSON, b"[", b"]"), (NDJSON, b"", b"\n")])
def test_json_that_is_nested_deep_does_not_end_the_worker(fresh, kind, before, after):
    s = Space(fresh)
    for inner in (b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000 + b"1" + b"}" * 100000, b"[" * 100000):
        a = s.upload("t", before + b'{"a":' + inner + b"}" + after, kind)
        problem(a, 400, "invalid_json")
    assert s.table("t", before + b'{"a":"' + b"[" * 5000 + b'\\"["}' + after, kind)["row_count"] == 1


# --- objects that another program wrote ---

def stored(one, *parts):
    return os.path.join(one.data, "storage", "spaces", *parts)


def rewrite(path, change):
    with open(path, "rb") as f:
        text = change(f.read())
    with open(path, "wb") as f:
        f.write(text)


def test_errors_do_not_tell_the_server_s_paths(server):
    one = server()
    s = Space(one.client)
    s.table("t", [{"x": f"value {i}"} for i in range(1000)])
    entry = s.saved("SELECT x FROM t")
    rows = s.opened(sql_id=entry["id"])
    at = stored(one, s.name, "tables", "t", "metadata", "v1.metadata.json")
    rewrite(at, lambda text: text.replace(b'"type":"string"', b'"type":"int"', 1))
    document = stored(one, s.name, "sql_sessions", rows.id, "meta.json")
    rewrite(document, lambda text: text.replace(b'"type":"string"', b'"type":"int"', 1))
    body = b"PAR1" + b"\xff" * 100 + b"\x64\0\0\0PAR1"
    answers = [s.save("SELECT x FROM t -- read again"), s.refresh(entry["id"]), rows.page(), s.upload("p", body, PARQUET)]
    for a in answers:
        assert a.status == 422 and one.folder not in a.text and "/cache/" not in a.text, a
    assert "convert" in problem(answers[0], 422, "view_failed")["detail"]


@pytest.mark.parametrize("name", ["../../other/tables/t", "..", "", "u", "t/../t"])
def test_a_table_s_mark_names_that_table(server, name):
    one = server()
    s = Space(one.client)
    s.table("t", [{"x": 1}])
    with open(stored(one, s.name, "table_names", "t"), "w", encoding="ascii") as f:
        f.write('{"name":"%s","id":"7a79dd94-4aa6-4358-b049-c706c4a23f4f"}' % name)
    problem(s.get_table("t"), 422, "corrupt_table")
    problem(s.save("SELECT x FROM t"), 422, "corrupt_table")
    problem(s.upload("t", [{"x": 2}], mode="append"), 422, "corrupt_table")


@pytest.mark.parametrize("path", ["../../other/x.avro", "/x", "metadata/../../x", "a\\u0000b", "x/", ""])
def test_a_session_s_listing_is_below_its_view(server, path):
    one = server()
    s = Space(one.client)
    rows = s.opened(sql="SELECT 1 AS a")
    at = stored(one, s.name, "sql_sessions", rows.id, "meta.json")
    rewrite(at, lambda text: re.sub(rb'"_manifest_list":"[^"]*"', lambda _: b'"_manifest_list":"%s"' % path.encode(), text))
    for a in (rows.get(), rows.page(), rows.stream(), rows.client.get(rows.path("count"))):
        problem(a, 422, "corrupt_table")


def test_a_version_that_nobody_would_find_is_not_written(server):
    one = server()
    s = Space(one.client)
    s.table("t", [{"x": 1}])
    folder = stored(one, s.name, "tables", "t", "metadata")
    os.rename(os.path.join(folder, "v1.metadata.json"), os.path.join(folder, f"v{10**15 - 1}.metadata.json"))
    before = sorted(os.listdir(os.path.join(folder, "..", "data")))
    a = s.upload("t", [{"x": 2}], mode="append")
    assert 400 <= a.status < 500 and "no versions left" in a.text, a
    assert s.rows("SELECT x FROM t") == [[1]]
    assert sorted(os.listdir(os.path.join(folder, "..", "data"))) == before


def test_a_table_whose_numbers_are_used_up_takes_no_commit(server):
    one = server()
    s = Space(one.client)
    s.table("t", [{"x": 1}])
    at = stored(one, s.name, "tables", "t", "metadata", "v1.metadata.json")
    rewrite(at, lambda text: re.sub(rb'"last-sequence-number":\d+', b'"last-sequence-number":%d' % (2**63 - 1), text))
    assert "no id is left" in problem(s.upload("t", [{"x": 2}], mode="append"), 422, "corrupt_table")["detail"]
    assert s.rows("SELECT x FROM t") == [[1]]


@pytest.mark.parametrize("other", ["", "../../x", "01a1fef9-ba15-7b44-a62d-4850ca9bc635"])
def test_a_view_s_properties_speak_of_that_view(server, other):
    one = server()
    s = Space(one.client)
    entry = s.saved("SELECT 1 AS a")
    at = stored(one, s.name, "materialized_views", entry["id"], "metadata", "v1.metadata.json")
    rewrite(at, lambda text: text.replace(b'{\\"id\\":\\"%s' % entry["id"].encode(), b'{\\"id\\":\\"%s' % other.encode()))
    for a in (s.get_sql(entry["id"]), s.refresh(entry["id"]), s.update(entry), s.open(sql_id=entry["id"])):
        problem(a, 422, "corrupt_table")
