"""Clients of spaces who mean harm: uploads that should not fit, objects that another program left in the storage.

What they ask for is refused in words, and costs nobody else anything.
"""
import pytest

from space import CSV, JSON, NDJSON, Space, problem

MIB = 1 << 20


def resident(pid, what="VmHWM"):
    """Bytes that a process has had in memory at most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(what + ":"))


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
    before = resident(one.process.pid, "VmRSS")
    for header in (b"a" * (64 * MIB), b'"' + b'a\n' * (32 * MIB)):
        a = s.upload("t", header + b"\n1\n", CSV)
        assert "too long" in problem(a, 422, "schema_mismatch")["detail"]
    assert resident(one.process.pid) - before < 48 * MIB


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
