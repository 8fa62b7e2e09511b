"""What comes beside the text of a statement on /api/v2: array binds, parameters, context, headers, refusals."""
import gzip
import json

import pytest

from mayfly import Client, unique


def failure(answer, status, code, sqlstate=None, message=None):
    assert answer.status == status and answer.json["code"] == code, answer
    assert sqlstate is None or answer.json["sqlState"] == sqlstate, answer
    assert message is None or answer.json["message"] == message, answer
    return answer.json


# --- array binds ---

@pytest.fixture
def table(client):
    name = unique("batch")
    client.cells(f"create table {name} (a int, b varchar, c number(10,2))")
    return name


def arrays(**values):
    return {name.lstrip("_"): {"type": kind, "value": value} for name, (kind, value) in values.items()}


def test_a_scalar_beside_arrays_is_for_every_row(client, table):
    a = client.submit(f"insert into {table} values (?, ?, ?)",
                      arrays(_1=("FIXED", ["1", "2", None]), _2=("TEXT", "same"), _3=("FIXED", ["1.5", None, "-3"])))
    assert a.status == 200 and a.json["data"] == [["3"]] and a.json["stats"]["numRowsInserted"] == 3, a
    assert client.cells(f"select * from {table} order by a") == [["1", "same", "1.50"], ["2", "same", None], [None, "same", "-3.00"]]


def test_arrays_of_one_value_are_a_batch_of_one(client, table):
    a = client.submit(f"insert into {table} values (?, ?, 1)", arrays(_1=("FIXED", ["1"]), _2=("TEXT", ["x"])))
    assert a.status == 200 and a.json["stats"]["numRowsInserted"] == 1, a


def test_a_batch_of_any_statement_runs_once_a_row_or_not_at_all(client, table):
    client.cells(f"insert into {table} values (1, 'x', 1), (2, 'y', 2), (3, 'z', 3)")
    a = client.submit(f"update {table} set b = ? where a = ?", arrays(_1=("TEXT", ["p", "q"]), _2=("FIXED", ["1", "3"])))
    assert a.status == 200 and a.json["stats"]["numRowsUpdated"] == 2, a
    assert client.cells(f"select b from {table} order by a") == [["p"], ["y"], ["q"]]
    a = client.submit(f"insert into {table} values (?, 'w', 1)", arrays(_1=("FIXED", ["7", "not a number"])))
    failure(a, 422, "002086", "22000")
    assert client.cell(f"select count(*) from {table}") == "3"


def test_arrays_of_several_lengths_are_refused_with_a_handle(client, table):
    a = client.submit(f"insert into {table} values (?, ?, 1)", arrays(_1=("FIXED", ["1", "2"]), _2=("TEXT", ["x"])))
    body = failure(a, 422, "002099", "42601",
                   "SQL compilation error:\nBatch size of 1 for bind variable 2 not the same as previous size of 2.")
    assert client.status(body["statementHandle"]).json == body


def test_an_empty_array_binds_nothing(client, table):
    failure(client.submit(f"insert into {table} values (?, 'x', 1)", arrays(_1=("FIXED", []))), 422, "002049", "42601")


@pytest.mark.parametrize("value", [[1], ["1", True], [["1"]], [{"a": 1}]])
def test_cells_of_arrays_are_texts_or_null(client, table, value):
    failure(client.submit(f"insert into {table} values (?, 'x', 1)", arrays(_1=("FIXED", value))), 400, "390142")


@pytest.mark.parametrize("value", [1, 1.5, True, {"a": 1}])
def test_a_value_that_is_no_text_is_a_bad_payload(client, value):
    failure(client.submit("select ?", arrays(_1=("FIXED", value))), 400, "390142")


@pytest.mark.parametrize("kind", ["VARIANT", "OBJECT", "ARRAY", "variant", "NO_SUCH", ""])
def test_a_type_that_cannot_be_bound_fails_the_statement(client, kind):
    for value in ("1", ["1"]):
        body = failure(client.submit("select ?", arrays(_1=(kind, value))), 422, "002040", "42601",
                       f"SQL compilation error:\nUnsupported data type '{kind}'.")
        assert client.status(body["statementHandle"]).json == body
    assert client.cell("select ?", arrays(_1=(kind, None))) is None


# --- parameters ---

@pytest.mark.parametrize("key", ["ROWS_PER_RESULTSET", "rows_per_resultset"])
@pytest.mark.parametrize("value, rows", [("2", 2), (2, 2), ("0", 5), (0, 5), (7, 5)])
def test_rows_per_resultset_caps_the_rows(client, key, value, rows):
    a = client.submit("select i from range(5) t(i)", parameters={key: value})
    assert a.status == 200 and len(a.json["data"]) == a.json["resultSetMetaData"]["numRows"] == rows, a


@pytest.mark.parametrize("name", ["ROWS_PER_RESULTSET", "MULTI_STATEMENT_COUNT"])
@pytest.mark.parametrize("value", ["many", -1, "-1", 1.5, True, []])
def test_a_parameter_that_is_no_count_fails_the_statement(client, name, value):
    body = failure(client.submit("select 1", parameters={name: value}), 422, "001008", "22023")
    assert body["message"].startswith("SQL compilation error:\ninvalid value [") and f"'{name}'" in body["message"]
    assert body["statementHandle"]


def test_a_query_tag_has_a_limit(client):
    assert client.submit("select 1", parameters={"QUERY_TAG": "x" * 2000}).status == 200
    failure(client.submit("select 1", parameters={"QUERY_TAG": "x" * 2001}), 422, "001008", "22023")


@pytest.mark.parametrize("parameters", [None, [], "x", {}, {"USE_CACHED_RESULT": False, "CLIENT_RESULT_CHUNK_SIZE": 16, "NO_SUCH": {"a": 1}},
                                        {"TIMEZONE": None, "QUERY_TAG": 7}])
def test_other_parameters_are_taken_or_ignored(client, parameters):
    assert client.cell("select 1", parameters=parameters) == "1"


@pytest.mark.parametrize("sql, parameters, cell", [
    ("select '2024-02-29'::date", {"DATE_OUTPUT_FORMAT": "DD.MM.YYYY"}, "29.02.2024"),
    ("select '13:05:07.25'::time", {"time_output_format": "HH24:MI:SS.FF"}, "13:05:07.250000000"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", {"TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DDTHH24:MI:SS.FF3"}, "2024-02-29T13:05:07.250"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", {"TIMESTAMP_OUTPUT_FORMAT": "YYYY"}, "2024"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", {"TIMESTAMP_OUTPUT_FORMAT": "YYYY", "TIMESTAMP_NTZ_OUTPUT_FORMAT": "MM"}, "02"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", {"TIMESTAMP_NTZ_OUTPUT_FORMAT": "MM", "TIMESTAMP_OUTPUT_FORMAT": "YYYY"}, "02"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", {"TIMESTAMP_LTZ_OUTPUT_FORMAT": "YYYY"}, "1709211907.250000000"),
    ("select x'00ff'", {"BINARY_OUTPUT_FORMAT": "BASE64"}, "AP8="),
])
def test_output_formats_are_the_texts_of_cells(client, sql, parameters, cell):
    a = client.submit(sql, parameters=parameters)
    assert a.status == 200 and a.json["data"] == [[cell]], a
    plain = client.submit(sql).json["resultSetMetaData"]["rowType"]
    assert [c["type"] for c in a.json["resultSetMetaData"]["rowType"]] == [c["type"] for c in plain]


# --- context ---

def test_the_context_is_the_bodys_and_ends_with_the_request(shared):
    client = Client(shared, tenant=unique("context"))
    client.cells("create table t as select 'here' as a", database="ONE", schema="S")
    client.cells("create table t as select 'there' as a", database="TWO", schema="S")
    assert client.cell("select a from t", database="ONE", schema="S") == "here"
    assert client.cell("select a from t", database="two", schema="s") == "there"
    assert client.cell("select a from one.s.t") == "here"
    assert client.submit("select a from t").status == 422
    assert client.cells("select current_database(), current_schema(), current_warehouse(), current_role()", database="ONE", schema="S",
                        warehouse="W", role="R") == [["ONE", "S", "W", "R"]]


@pytest.mark.parametrize("field", ["database", "schema", "warehouse", "role"])
def test_a_context_that_is_no_text_is_a_bad_payload(client, field):
    for value in (1, True, [], {}):
        failure(client.submit("select 1", **{field: value}), 400, "390142")
    assert client.cell("select 1", **{field: None}) == "1"


# --- headers ---

def test_a_gzipped_request_is_taken(client):
    body = gzip.compress(json.dumps({"statement": "select 7"}).encode())
    a = client.request("POST", "/api/v2/statements", body, {"Content-Encoding": "gzip"})
    assert a.status == 200 and a.json["data"] == [["7"]], a


def test_a_wrong_content_type_has_a_body_too(client):
    a = client.submit("select 1", headers={"Content-Type": "text/plain"})
    assert a.status == 415 and a.type == "application/json" and set(a.json) == {"code", "message"}, a


def test_too_many_requests_have_their_code(server):
    client = server(tenants__max_statements=2).client
    for _ in range(2):
        client.start("call system$wait(20)")
    a = client.submit("select 1")
    assert a.status == 429 and a.json["code"] == "390505" and a.json["message"] == "Too many requests." and a.headers["Retry-After"], a


def test_a_strict_server_wants_a_user_agent(server):
    client = server(snowflake_api__strict_user_agent="true").client
    for agent in (None, "", " ", "curl", "curl/", "/1.0", "curl/8.0 (", "curl/8.0)", "a/b,c", "curl/8.0 (x) (", "(x) curl/8.0", "curl /8.0"):
        for path, method in (("/api/v2/statements", "POST"), ("/api/v2/statements/x", "GET"), ("/api/v2/statements/x/cancel", "POST")):
            a = client.request(method, path, {"statement": "select 1"} if method == "POST" else None, {"User-Agent": agent})
            assert a.status == 400 and a.json["code"] == "391903" and set(a.json) == {"code", "message"}, (agent, a)
    for agent in ("curl/8.0", "example/1.0", "Mozilla/5.0 (X11; Linux (x86_64)) Gecko/20100101 Firefox/1.0", "a/1 b c/2 (d \\) e)"):
        assert client.submit("select 1", headers={"User-Agent": agent}).status == 200, agent
    assert client.get("/v1/statements", **{"User-Agent": None}).status == 200


def test_a_canceled_or_expired_handle_is_canceled_again_and_read_as_gone(server):
    client = server().client
    handle = client.submit("select 1", headers={"X-Mayfly-Result-TTL": "1"}).json["statementHandle"]
    client.advance(5)
    a = client.status(handle)
    failure(a, 400, "000710", "02000")
    assert a.json["statementHandle"] == handle
    assert client.cancel(handle).json["code"] == "000604"


# --- handles ---

def test_handles_of_one_server_are_ordered_as_their_statements(client):
    handles = [client.submit("select 1").json["statementHandle"] for _ in range(50)]
    assert handles == sorted(set(handles))
    a = client.submit("; ".join(["select 1"] * 50), parameters={"MULTI_STATEMENT_COUNT": "0"}).json
    handles = [a["statementHandle"]] + a["statementHandles"]
    assert handles == sorted(set(handles))


# --- errors ---

@pytest.mark.parametrize("sql", ["select " + "1 + " * 2000 + "1", "select " + "(" * 20000 + "1" + ")" * 20000])
def test_what_is_nested_too_deep_is_told_without_the_engines_words(client, sql):
    a = client.submit(sql)
    assert a.status == 422 and a.json["code"] == "001003", a
    assert "max_expression_depth" not in a.json["message"] and "exhausted" not in a.json["message"], a
