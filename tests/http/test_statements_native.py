"""/v1/statements: the native view of the same handles."""
import base64
import csv
import io
import json
import re
import time
import uuid

import pytest

from mayfly import ENDED, Client, in_parallel, unique, until, uuid_like
from session import Session, Stream

FIELDS = {"handle", "session_id", "tenant_id", "status", "sql", "created_at", "started_at", "completed_at", "expires_at",
          "progress", "row_count", "result_bytes", "partition_count", "sql_state", "error"}
LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"
PARQUET = "application/vnd.apache.parquet"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def problem(answer, status, code):
    """problem+json of the contract's section 0."""
    assert answer.status == status, answer
    assert answer.type == "application/problem+json", answer
    body = answer.json
    assert body["status"] == status and body["code"] == code, body
    assert body["title"] and body["detail"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


@pytest.fixture
def long(client):
    """A statement that runs until the test ends."""
    handle = client.running(client.native(LONG, wait=0).json["handle"])
    yield handle
    client.forget(handle)


# --- submitting ---

def test_a_submit_answers_202_with_the_document(client):
    a = client.native("select 1", wait=0)
    assert a.status == 202 and a.type == "application/json"
    assert set(a.json) == FIELDS
    assert uuid_like(a.json["handle"]) and a.json["sql"] == "select 1" and a.json["tenant_id"] == "default"
    assert a.json["session_id"] is None and a.json["status"] in ("SUBMITTED", "RUNNING", "SUCCEEDED")


def test_a_submit_that_prefers_to_wait_answers_200_once_it_ended(client):
    document = client.run("select i from range(3) t(i)")
    assert document["status"] == "SUCCEEDED" and document["row_count"] == 3 and document["partition_count"] == 1
    assert document["error"] is None and document["sql_state"] == "00000" and document["result_bytes"] > 0
    assert document["created_at"] <= document["started_at"] <= document["completed_at"] < document["expires_at"]
    assert all(document[key].endswith("Z") for key in ("created_at", "started_at", "completed_at", "expires_at"))


def test_a_wait_that_is_too_short_answers_202(client):
    began = time.monotonic()
    a = client.native(LONG, wait=1)
    assert a.status == 202 and a.json["status"] == "RUNNING"
    assert a.json["completed_at"] is None and a.json["expires_at"] is None and a.json["row_count"] is None
    assert time.monotonic() - began > 0.9
    client.forget(a.json["handle"])


@pytest.mark.parametrize("prefer", ["wait=x", "wait=-1", "respond-async", "", "wait="])
def test_a_preference_that_cannot_be_read_is_ignored(client, prefer):
    assert client.native("select 1", wait=0, headers={"Prefer": prefer}).status == 202


@pytest.mark.parametrize("prefer", ["respond-async, wait=99", "WAIT=99", "wait = 99", 'wait="99"', "wait=99; a=b, return=minimal"])
def test_a_wait_is_found_among_preferences_however_it_is_written(client, prefer):
    assert client.native("select 1", headers={"Prefer": prefer}).status == 200


def test_sql_is_in_duckdbs_own_dialect(client):
    assert client.rows("select [x * 2 for x in range(3)] as l, 7 // 2, 'a' as \"Low\"") == [[[0, 2, 4], 3, "a"]]
    assert client.result(client.run("select 1 as MiXed")["handle"]).json["columns"][0]["name"] == "MiXed"


def test_a_statement_that_fails_is_a_document_with_its_error(client):
    a = client.native("select *\nfrom nope")
    assert a.status == 200 and a.json["status"] == "FAILED"
    error = a.json["error"]
    assert set(error) == {"code", "message", "sqlstate", "position"}
    assert error["code"] == "sql_error" and "nope" in error["message"] and error["sqlstate"] == a.json["sql_state"] == "42S02"
    assert error["position"] == 15
    assert problem(client.result(a.json["handle"]), 422, "sql_error")["sqlstate"] == "42S02"


def test_a_timeout_is_a_failure_of_its_own_code(client):
    a = client.native(LONG, timeout_seconds=1)
    assert a.json["status"] == "FAILED" and a.json["error"]["code"] == "statement_timeout"
    assert a.json["error"]["sqlstate"] == "57014"
    problem(client.result(a.json["handle"]), 422, "statement_timeout")


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", ";"])
def test_an_empty_statement_is_refused(client, sql):
    problem(client.native(sql), 422, "empty_statement")


# --- parameters ---

def test_parameters_by_position(client):
    params = [1, 2.5, "O'Brien", True, None, -9223372036854775808, "\U0001f426"]
    assert client.rows("select ?, ?, ?, ?, ?, ?, ?", params=params) == [params]


def test_parameters_by_name(client):
    assert client.rows("select $a + 1, $b, $a", params={"b": "x", "a": 41}) == [[42, "x", 41]]


def test_parameters_are_values_and_never_sql(client):
    name = unique("safe")
    client.run(f"create table {name}(a varchar)")
    client.run(f"insert into {name} values (?)", params=[f"'); drop table {name}; --"])
    assert client.rows(f"select a from {name}") == [[f"'); drop table {name}; --"]]


def test_a_missing_parameter_fails_the_statement(client):
    for fields in ({}, {"params": []}, {"params": {"other": 1}}):
        a = client.native("select $a" if fields.get("params") else "select ?", **fields)
        assert a.json["status"] == "FAILED" and a.json["error"]["sqlstate"] == "42601", a


# --- bad requests ---

@pytest.mark.parametrize("body, code", [
    (b"{", "invalid_json"), (b"", "invalid_json"), (b"[]", "invalid_json"), (b'"x"', "invalid_json"),
    (b'{"sql":"select 1","sql":"select 2"}', "invalid_json"), (b'{"sql":"\xff"}', "invalid_json"), (b"[" * 100000, "invalid_json"),
    (b'{"sql":"select 1"} {}', "invalid_json"), (b'{"sql":"select 1","timeout_seconds":1e999}', "invalid_field"),
    (b'{"sql":"select 1","foo":1}', "unknown_field"), (b'{"SQL":"select 1"}', "unknown_field"),
    (b"{}", "invalid_field"), (b'{"sql":1}', "invalid_field"), (b'{"sql":["select 1"]}', "invalid_field"),
    (b'{"sql":"select 1","timeout_seconds":-1}', "invalid_field"), (b'{"sql":"select 1","timeout_seconds":604801}', "invalid_field"),
    (b'{"sql":"select 1","timeout_seconds":"1"}', "invalid_field"), (b'{"sql":"select 1","timeout_seconds":1.5}', "invalid_field"),
    (b'{"sql":"select 1","ttl_seconds":0}', "invalid_field"), (b'{"sql":"select 1","ttl_seconds":86401}', "invalid_field"),
    (b'{"sql":"select 1","params":1}', "invalid_field"), (b'{"sql":"select ?","params":[[1]]}', "invalid_field"),
    (b'{"sql":"select $a","params":{"a":{}}}', "invalid_field"), (b'{"sql":"select 1","session_id":7}', "invalid_field"),
])
def test_a_wrong_body_is_a_400_of_its_code(client, body, code):
    problem(client.request("POST", "/v1/statements", body), 400, code)


def test_a_number_beyond_64_bits_is_refused(client):
    a = client.request("POST", "/v1/statements", b'{"sql":"select 1","timeout_seconds":99999999999999999999}')
    assert a.status == 400 and a.json["code"] in ("invalid_json", "invalid_field")


def test_an_unknown_session_is_a_404(client):
    problem(client.native("select 1", session_id=str(uuid.uuid4())), 404, "not_found")


def test_another_content_type_is_a_415(client):
    problem(client.request("POST", "/v1/statements", b"sql=1", {"Content-Type": "text/plain"}), 415, "unsupported_media_type")


def test_a_wrong_method_is_a_405_that_says_what_is_allowed(client):
    a = client.request("PUT", "/v1/statements", b"{}")
    problem(a, 405, "method_not_allowed")
    assert {"POST", "GET"} <= set(a.headers["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/", "/v1/statement", "/v1/statements/x/y", "/v1/statements/x/result/y",
                                  "/v1//statements", "/v1/../healthz", "/%76%31/nope"])
def test_an_unknown_path_is_a_404(client, path):
    problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize("handle", [UNKNOWN, "x", "%2e%2e%2f", "a" * 1000, "select%20*", "%C3%A9"])
def test_an_unknown_handle_is_a_404_on_every_path(client, handle):
    problem(client.document(handle), 404, "not_found")
    problem(client.result(handle), 404, "not_found")
    problem(client.get(f"/v1/statements/{handle}/events"), 404, "not_found")
    problem(client.forget(handle), 404, "not_found")


@pytest.mark.parametrize("path", ["%00", "%ff", "%", "%4", "%zz", "%C3"])
def test_a_path_that_is_no_encoded_utf8_is_a_400(client, path):
    problem(client.document(path), 400, "bad_request")
    problem(client.get("/v1/statements?after=" + path), 400, "bad_request")


def test_a_request_id_is_echoed_or_made(client):
    assert client.get("/v1/statements", **{"X-Request-Id": "my-id-1"}).headers["X-Request-Id"] == "my-id-1"
    assert uuid.UUID(client.get("/v1/statements").headers["X-Request-Id"])
    a = client.get("/v1/statements/" + UNKNOWN, **{"X-Request-Id": "my-id-2"})
    assert problem(a, 404, "not_found")["request_id"] == "my-id-2"


@pytest.mark.parametrize("bad", ["x" * 1000, "a b\tc", "\x7f", ""])
def test_a_strange_request_id_is_not_echoed_as_it_is(client, bad):
    echoed = client.get("/healthz", **{"X-Request-Id": bad}).headers["X-Request-Id"]
    assert len(echoed) <= 256 and all(33 <= ord(ch) < 127 for ch in echoed) and echoed


# --- looking ---

def when_parked(client, n, then):
    """A call that does something once so many requests are waiting for an end."""
    def parked():
        return int(re.search(r"^mayfly_http_requests_parked (\d+)", client.get("/metrics").text, re.M).group(1))
    def call():
        until(lambda: parked() >= n, f"{n} requests to wait")
        then()
    return call


def test_a_long_poll_answers_when_the_statement_ends(client, long):
    a, _ = in_parallel(lambda: client.document(long, wait=3600), when_parked(client, 1, lambda: client.cancel(long)))  # longer than a client waits
    assert a.status == 200 and a.json["status"] == "CANCELED"
    problem(client.result(long), 409, "canceled")


def test_a_long_poll_that_runs_out_answers_the_running_document(client, long):
    a = client.document(long, wait=1)
    assert a.status == 200 and a.json["status"] == "RUNNING"


@pytest.mark.parametrize("wait", ["x", "-1", "1.5", "99999999", ""])
def test_a_wait_out_of_range_is_refused(client, wait):
    handle = client.run("select 1")["handle"]
    problem(client.document(handle, wait=wait), 400, "invalid_field")


def test_the_same_handle_is_seen_from_both_surfaces(client):
    native = client.run("select 'a' as x, 1.5::decimal(3,1) as y")["handle"]
    assert client.status(native).json["data"] == [["a", "1.5"]]
    other = client.submit("select 'a' as x, 1.5::number(3,1) as y, timestamp '1969-12-31 23:59:59.5' as z").json["statementHandle"]
    assert client.document(other).json["status"] == "SUCCEEDED"
    result = client.result(other).json
    assert result["rows"] == [["a", "1.5", "1969-12-31T23:59:59.500000"]]
    assert [(c["name"], c["type"]) for c in result["columns"]] == [("X", "VARCHAR"), ("Y", "DECIMAL(3,1)"), ("Z", "TIMESTAMP")]


def test_partitions_of_a_native_statement_are_read_as_snowflakes(client):
    document = client.run("select i, 'row ' || i as s, i % 2 = 0 as e from range(20000) t(i)")
    assert document["partition_count"] > 1
    rows = []
    for i in range(document["partition_count"]):
        rows += client.status(document["handle"], partition=i).json["data"]
    assert rows == [[str(i), f"row {i}", "true" if i % 2 == 0 else "false"] for i in range(20000)]


def test_a_statement_can_be_canceled_natively_by_forgetting_it(client):
    handle = client.running(client.native(LONG, wait=0).json["handle"])
    a = client.forget(handle)
    assert a.status == 204 and a.raw == b""
    problem(client.document(handle), 404, "not_found")
    assert client.status(handle).json["code"] == "000709"
    problem(client.forget(handle), 404, "not_found")


def test_a_finished_statement_is_forgotten(client):
    handle = client.run("select 1")["handle"]
    assert client.forget(handle).status == 204
    problem(client.result(handle), 404, "not_found")


def test_variables_temporary_tables_and_transactions_end_with_their_statement(client):
    client.run("set variable mine = 42")
    assert client.rows("select getvariable('mine')") == [[None]]
    client.run("create temp table brief(a int)")
    assert client.native("select * from brief").json["status"] == "FAILED"
    client.native("begin")
    name = unique("committed")
    client.run(f"create table {name}(a int)")
    client.native("rollback")
    assert client.rows(f"select count(*) from {name}") == [[0]]


# --- lists ---

@pytest.fixture
def listed(fresh):
    """A tenant with five statements, oldest first."""
    handles = [fresh.run(f"select {i}")["handle"] for i in range(4)]
    handles.append(fresh.native("select * from nope").json["handle"])
    return fresh, handles  # those of one millisecond are listed in the order of their ids


def test_a_list_is_newest_first_and_complete(listed):
    client, handles = listed
    a = client.get("/v1/statements")
    assert a.status == 200 and [i["handle"] for i in a.json["items"]] == sorted(handles, reverse=True) and a.json["next"] is None
    assert set(a.json["items"][0]) == FIELDS


def test_a_list_is_paged_by_its_cursor(listed):
    client, handles = listed
    seen, after = [], None
    for _ in range(10):
        page = client.get("/v1/statements?limit=2" + (f"&after={after}" if after else "")).json
        assert len(page["items"]) <= 2
        seen += [i["handle"] for i in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sorted(handles, reverse=True)


def test_a_statement_that_comes_between_pages_moves_nothing(listed):
    client, handles = listed
    page = client.get("/v1/statements?limit=2").json
    client.run("select 9")
    rest = client.get(f"/v1/statements?limit=100&after={page['next']}").json
    assert [i["handle"] for i in page["items"] + rest["items"]] == sorted(handles, reverse=True)


def test_a_list_is_filtered_by_status_and_time(listed):
    client, handles = listed
    assert [i["handle"] for i in client.get("/v1/statements?status=FAILED").json["items"]] == handles[4:]
    assert len(client.get("/v1/statements?status=succeeded").json["items"]) == 4
    assert client.get("/v1/statements?status=RUNNING").json["items"] == []
    middle = client.document(handles[2]).json["created_at"]
    assert set(handles[3:]) <= {i["handle"] for i in client.get(f"/v1/statements?since={middle}").json["items"]}
    assert handles[0] in {i["handle"] for i in client.get(f"/v1/statements?until={middle}").json["items"]}
    assert client.get("/v1/statements?until=2000-01-01T00:00:00Z").json == {"items": [], "next": None}


def test_a_list_by_a_session_that_never_was_is_not_found(fresh):
    problem(fresh.get(f"/v1/statements?session_id={uuid.uuid4()}"), 404, "not_found")
    session = Session(fresh)
    assert fresh.get(f"/v1/statements?session_id={session.id}").json["items"] == []
    problem(Client(fresh.server, tenant=unique("tenant")).get(f"/v1/statements?session_id={session.id}"), 404, "not_found")
    session.closed()
    assert fresh.get(f"/v1/statements?session_id={session.id}").json["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "status=FOO", "since=x",
                                   "until=2024-13-01T00:00:00Z", "after=x", "after="])
def test_a_wrong_filter_is_refused(client, query):
    problem(client.get("/v1/statements?" + query), 400, "invalid_field")


# --- results ---

EVERYTHING = """select 1::tinyint as a, 9007199254740993::bigint as b, 170141183460469231731687303715884105727::hugeint as c,
 1.50::decimal(10,2) as d, 1.5::double as e, 'nan'::double as f, '-inf'::double as g, 'x"y,z' as h, true as i,
 date '1969-12-31' as j, time '10:00:00.5' as k, timestamp '1969-12-31 23:59:59.5' as l,
 uuid '00000000-0000-0000-0000-000000000001' as n, interval 1 day as o, '\\x00\\xff'::blob as p, [1, null] as q,
 {'a': 1, 'b': 'x'} as r, map {'k': 1} as s, null as t, 18446744073709551615::ubigint as v, '{"z":[1]}'::json as w"""


def test_a_result_as_json_has_native_values(client):
    a = client.result(client.run(EVERYTHING)["handle"])
    assert a.status == 200 and a.type == "application/json" and set(a.json) == {"columns", "rows", "row_count"}
    assert a.json["row_count"] == 1
    row = dict(zip((c["name"] for c in a.json["columns"]), a.json["rows"][0]))
    assert all(set(c) == {"name", "type", "nullable"} for c in a.json["columns"])
    assert (row["a"], row["b"], row["e"], row["i"], row["t"], row["v"]) == (1, 9007199254740993, 1.5, True, None,
                                                                            18446744073709551615)
    assert row["c"] == "170141183460469231731687303715884105727" and row["d"] == "1.50"
    assert row["f"] == "NaN" and row["g"] == "-Infinity" and row["h"] == 'x"y,z'
    assert row["j"] == "1969-12-31" and row["k"].startswith("10:00:00.5") and row["n"].endswith("0001")
    assert row["l"].startswith("1969-12-31") and "23:59:59.5" in row["l"] and isinstance(row["o"], str)
    assert base64.b64decode(row["p"]) == b"\x00\xff"
    assert row["q"] == [1, None] and row["r"] == {"a": 1, "b": "x"} and row["s"] == {"k": 1}


def test_a_result_as_ndjson_is_an_object_a_row(client):
    a = client.result(client.run("select i as a, 'x' || i as b from range(3) t(i)")["handle"], "application/x-ndjson")
    assert a.status == 200 and a.type.startswith("application/x-ndjson")
    assert [json.loads(line) for line in a.text.splitlines()] == [{"a": i, "b": f"x{i}"} for i in range(3)]


def test_a_result_as_csv_has_a_header_and_quotes_what_needs_it(client):
    sql = "select * from (values (1, 'plain'), (2, 'a,b'), (3, 'say \"x\"'), (4, 'two\nlines'), (5, null), (6, '')) t(id, \"te,xt\")"
    a = client.result(client.run(sql)["handle"], "text/csv")
    assert a.status == 200 and a.type.startswith("text/csv")
    assert list(csv.reader(io.StringIO(a.text, newline=""))) == [
        ["id", "te,xt"], ["1", "plain"], ["2", "a,b"], ["3", 'say "x"'], ["4", "two\nlines"], ["5", ""], ["6", ""]]
    assert '5,\r\n' in a.text and '6,""' in a.text  # NULL and empty text differ


def test_a_result_as_parquet_is_a_parquet_file(client):
    a = client.result(client.run("select i as a, 'x' || i as b from range(1000) t(i)")["handle"], PARQUET)
    assert a.status == 200 and a.type == PARQUET
    assert a.body[:4] == b"PAR1" and a.body[-4:] == b"PAR1"
    footer = int.from_bytes(a.body[-8:-4], "little")
    assert 0 < footer < len(a.body) - 8


def test_an_unknown_format_is_a_406(client):
    handle = client.run("select 1")["handle"]
    problem(client.result(handle, "image/png"), 406, "not_acceptable")


@pytest.mark.parametrize("accept, kind", [("*/*", "application/json"), ("text/*", "text/csv"),
                                          ("text/html, text/csv;q=0.5", "text/csv"),
                                          ("text/csv;q=0.1, application/json;q=0.9", "application/json")])
def test_the_best_acceptable_format_is_chosen(client, accept, kind):
    handle = client.run("select 1")["handle"]
    assert client.result(handle, accept).type.startswith(kind)


@pytest.mark.parametrize("submit", ["native", "snowflake"])
def test_a_large_result_is_whole_in_every_format(client, submit):
    sql = "select i as a, 'row ' || i as b from range(30000) t(i)"
    handle = (client.run(sql)["handle"] if submit == "native" else client.submit(sql).json["statementHandle"])
    rows = [[i, f"row {i}"] for i in range(30000)]
    body = client.result(handle).json
    assert body["rows"] == rows and body["row_count"] == 30000
    lines = client.result(handle, "application/x-ndjson").text.splitlines()
    assert [list(json.loads(line).values()) for line in lines] == rows
    table = list(csv.reader(io.StringIO(client.result(handle, "text/csv").text)))[1:]
    assert table == [[str(i), b] for i, b in rows]


def test_a_large_result_is_gzipped_when_accepted(client):
    handle = client.run("select i from range(30000) t(i)")["handle"]
    a = client.request("GET", f"/v1/statements/{handle}/result", headers={"Accept-Encoding": "gzip"})
    assert a.encoding == "gzip" and a.json["row_count"] == 30000


def test_a_result_without_rows_has_its_columns(client):
    handle = client.run("select 1 as a where false")["handle"]
    assert client.result(handle).json == {"columns": [{"name": "a", "type": "INTEGER", "nullable": True}], "rows": [],
                                          "row_count": 0}
    assert client.result(handle, "text/csv").text.strip() == "a"
    assert client.result(handle, "application/x-ndjson").text == ""


def test_a_thousand_columns_come_back(client):
    sql = "select " + ", ".join(f"{i} as c{i}" for i in range(1000))
    assert client.rows(sql) == [list(range(1000))]


def test_changes_and_definitions_end_with_a_result(client):
    name = unique("made")
    client.run(f"create table {name}(a int)")
    assert client.rows(f"insert into {name} values (1), (2)") == [[2]]
    assert client.rows(f"select sum(a) from {name}") == [["3"]]
    client.run(f"drop table {name}")


def test_a_result_that_is_not_finished_is_a_409(client, long):
    problem(client.result(long), 409, "not_finished")


def test_an_expired_result_is_a_410_and_later_a_404(server):
    client = server().client
    handle = client.run("select 1", ttl_seconds=500)["handle"]
    client.advance(400)
    assert client.result(handle).status == 200
    client.advance(101)
    problem(client.result(handle), 410, "result_expired")
    problem(client.document(handle), 410, "result_expired")
    assert client.status(handle).json["code"] == "000710"
    client.advance(8 * 86400)
    problem(client.document(handle), 404, "not_found")


# --- events ---

def events(text):
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            yield fields["event"], json.loads(fields["data"])


def test_events_of_a_finished_statement_end_with_done(client):
    handle = client.run("select 1")["handle"]
    a = client.get(f"/v1/statements/{handle}/events", Accept="text/event-stream")
    assert a.status == 200 and a.type.startswith("text/event-stream")
    got = list(events(a.text))
    assert [name for name, _ in got] == ["status", "done"]
    assert got[-1][1] == client.document(handle).json


def test_events_of_a_running_statement_tell_of_its_end(client, long):
    with Stream(client, f"/v1/statements/{long}/events") as stream:
        got = [stream.next()]
        client.cancel(long)
        while (event := stream.next()) is not None:
            got.append(event)
    got = [(event["event"], json.loads(event["data"])) for event in got]
    states = [document["status"] for name, document in got if name == "status"]
    assert states == ["RUNNING", "CANCELED"] and got[-1][0] == "done" and got[-1][1]["status"] in ENDED


def test_many_watchers_of_one_statement_all_hear_its_end(client, long):
    *answers, _ = in_parallel(*[lambda: client.get(f"/v1/statements/{long}/events")] * 5,
                              *[lambda: client.document(long, wait=3600)] * 5, when_parked(client, 5, lambda: client.cancel(long)))
    assert all(a.status == 200 and '"CANCELED"' in a.text for a in answers)


def test_a_watcher_that_leaves_changes_nothing(shared, client, long):
    with shared.socket() as s:
        s.sendall(f"GET /v1/statements/{long}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"200" in s.recv(1000)
    assert client.document(long).json["status"] == "RUNNING"


def test_a_statement_of_another_client_is_listed_while_it_runs(shared, long):
    until(lambda: long in [i["handle"] for i in Client(shared).get("/v1/statements?status=RUNNING").json["items"]],
          "the statement in the list")
