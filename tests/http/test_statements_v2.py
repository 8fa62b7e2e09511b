"""/api/v2/statements: the Snowflake-compatible surface, by the specification's sections."""
import gzip
import json
import re
import time
import urllib.parse
import uuid

import pytest

from mayfly import ASYNC_MESSAGE, Client, in_parallel, unique, until, uuid_like

UNKNOWN = "01c8b2f0-0001-0a2c-0000-000100a4ffff"
ROW_TYPE_KEYS = {"name", "database", "schema", "table", "type", "nullable", "precision", "scale", "length", "byteLength",
                 "collation"}


def failure(answer, status, code, sqlstate=None, message=None):
    """The error body of section 4.4."""
    assert answer.status == status, answer
    body = answer.json
    assert body["code"] == code, body
    if sqlstate is not None:
        assert body["sqlState"] == sqlstate, body
    if message is not None:
        assert body["message"] == message, body
    return body


def row_type(answer):
    return answer.json["resultSetMetaData"]["rowType"]


def links(answer):
    """rel -> partition, in the order of the header; every URL has a request id of its own."""
    found = re.findall(r'</api/v2/statements/([^?]+)\?requestId=([0-9a-f-]{36})&partition=(\d+)>; rel="(\w+)"',
                       answer.headers["Link"])
    assert len({request_id for _, request_id, _, _ in found}) == len(found)
    return [(rel, int(partition)) for _, _, partition, rel in found]


def bind(kind, value):
    return {"1": {"type": kind, "value": value}}


@pytest.fixture
def items(client):
    name = unique("items")
    client.cells(f"create table {name}(id number(38,0) not null, name varchar, price number(10,2))")
    client.cells(f"insert into {name} values (1, 'kettle', 24.9), (2, 'lamp', null)")
    return name


# --- 11.1: a plain query ---

def test_a_query_answers_rows_with_their_metadata(client, items):
    request_id = str(uuid.uuid4())
    a = client.submit(f"select id, name, price from {items} order by id", query={"requestId": request_id},
                      warehouse="DEV_WH", timeout=60)
    assert a.status == 200 and a.type == "application/json"
    body = a.json
    assert body["data"] == [["1", "kettle", "24.90"], ["2", "lamp", None]]
    assert body["code"] == "090001" and body["sqlState"] == "00000"
    assert body["message"] == "Statement executed successfully."
    assert body["requestId"] == request_id
    handle = body["statementHandle"]
    assert uuid_like(handle)
    assert body["statementStatusUrl"] == f"/api/v2/statements/{handle}?requestId={request_id}"
    assert abs(body["createdOn"] - time.time() * 1000) < 60000
    meta = body["resultSetMetaData"]
    assert meta["numRows"] == 2 and meta["format"] == "jsonv2"
    assert meta["partitionInfo"] == [{"rowCount": 2, "uncompressedSize": 39}]
    assert "stats" not in body
    assert links(a) == [("first", 0), ("last", 0)]


def test_a_row_type_always_has_all_its_members(client, items):
    columns = row_type(client.submit(f"select * from {items}"))
    assert [set(c) for c in columns] == [ROW_TYPE_KEYS] * 3
    assert [(c["name"], c["type"], c["precision"], c["scale"]) for c in columns] == [
        ("ID", "fixed", 38, 0), ("NAME", "text", None, None), ("PRICE", "fixed", 10, 2)]
    assert (columns[1]["length"], columns[1]["byteLength"]) == (16777216, 67108864)


def test_metadata_comes_before_data(client):
    text = client.submit("select 1").text
    assert text.index('"resultSetMetaData"') < text.index('"data"')


def test_a_result_without_rows_still_has_types_and_one_partition(client):
    a = client.submit("select 1::number(5,2) as a, 'x' as b where false")
    assert a.json["data"] == []
    assert a.json["resultSetMetaData"]["numRows"] == 0
    assert [p["rowCount"] for p in a.json["resultSetMetaData"]["partitionInfo"]] == [0]
    assert [(c["name"], c["type"]) for c in row_type(a)] == [("A", "fixed"), ("B", "text")]


def test_nullable_false_sends_the_text_null(client, items):
    sql = f"select id, name, price from {items} order by id"
    a = client.submit(sql, query={"nullable": "false"})
    assert a.json["data"] == [["1", "kettle", "24.90"], ["2", "lamp", "null"]]
    assert a.json["resultSetMetaData"]["partitionInfo"][0]["uncompressedSize"] == 41
    assert client.submit(sql, query={"nullable": "true"}).json["data"][1][2] is None


def test_a_request_id_is_made_when_none_is_given(client):
    a = client.submit("select 1")
    assert uuid.UUID(a.json["requestId"])
    assert a.json["statementStatusUrl"].endswith("?requestId=" + a.json["requestId"])


def test_a_strange_request_id_stays_one_parameter_of_the_url(client):
    request_id = "a&b=\"c\n>\u00e9"
    a = client.submit("select 1", query={"requestId": request_id})
    assert a.json["requestId"] == request_id
    url = urllib.parse.urlsplit(a.json["statementStatusUrl"])
    assert urllib.parse.parse_qs(url.query) == {"requestId": [request_id]} and url.query.isascii()


# --- 11.2: bindings in, cells out ---

@pytest.mark.parametrize("kind, value, cell, wire", [
    ("FIXED", "-12", "-12", "fixed"),
    ("FIXED", "12.50", "12.50", "fixed"),
    ("FIXED", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678", "fixed"),
    ("REAL", "-0.75", "-0.75", "real"),
    ("REAL", "1.5e3", "1500", "real"),
    ("REAL", "NaN", "NaN", "real"),
    ("REAL", "Infinity", "inf", "real"),
    ("REAL", "-Infinity", "-inf", "real"),
    ("REAL", "1e999", "inf", "real"),
    ("DECFLOAT", "1.5", "1.5", None),
    ("TEXT", "Zoë", "Zoë", "text"),
    ("TEXT", "", "", "text"),
    ("TEXT", "O'Brien'); drop table x; -- \\ \" \n\t\x01", "O'Brien'); drop table x; -- \\ \" \n\t\x01", "text"),
    ("TEXT", "\U0001f426", "\U0001f426", "text"),
    ("BOOLEAN", "true", "true", "boolean"),
    ("BOOLEAN", "false", "false", "boolean"),
    ("BOOLEAN", "1", "true", "boolean"),
    ("BOOLEAN", "0", "false", "boolean"),
    ("DATE", "1709164800000", "19782", "date"),
    ("DATE", "0", "0", "date"),
    ("DATE", "-86400000", "-1", "date"),
    ("TIME", "47107250000000", "47107.250000000", "time"),
    ("TIME", "0", "0.000000000", "time"),
    ("TIMESTAMP_NTZ", "1709211907250000000", "1709211907.250000000", "timestamp_ntz"),
    ("TIMESTAMP_NTZ", "-500000000", "-0.500000000", "timestamp_ntz"),
    ("TIMESTAMP_NTZ", "-86400000000000", "-86400.000000000", "timestamp_ntz"),
    ("TIMESTAMP_LTZ", "1709211907250000000", "1709211907.250000000", "timestamp_ltz"),
    ("TIMESTAMP_LTZ", "-1500000000", "-1.500000000", "timestamp_ltz"),
    ("TIMESTAMP_TZ", "1709211907250000000 1560", "1709211907.250000000 1560", "timestamp_tz"),
    ("BINARY", "00ff", "00FF", "binary"),
    ("BINARY", "", "", "binary"),
])
def test_a_bound_value_comes_back_as_its_cell(client, kind, value, cell, wire):
    a = client.submit("select ? as x", bind(kind, value))
    assert a.status == 200, a
    assert a.json["data"] == [[cell]]
    assert wire is None or row_type(a)[0]["type"] == wire


def test_a_timestamp_tz_binding_is_the_instant_it_names(client):
    assert client.cell("select ?::timestamp_ltz", bind("TIMESTAMP_TZ", "1709211907250000000 1560")) == "1709211907.250000000"
    assert client.cell("select ?::timestamp_ltz", bind("TIMESTAMP_TZ", "-500000000 960")) == "-0.500000000"


@pytest.mark.parametrize("kind", ["FIXED", "REAL", "TEXT", "BOOLEAN", "DATE", "TIME", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ",
                                  "TIMESTAMP_TZ", "BINARY"])
def test_a_null_binding_of_any_type_is_null(client, kind):
    assert client.cell("select ? as x", bind(kind, None)) is None


def test_all_types_bind_in_one_statement(client):
    bindings = {str(i + 1): {"type": t, "value": v} for i, (t, v) in enumerate([
        ("FIXED", "12.50"), ("REAL", "-0.75"), ("TEXT", "Zoë"), ("BOOLEAN", "true"), ("DATE", "1709164800000"),
        ("TIME", "47107250000000"), ("TIMESTAMP_NTZ", "1709211907250000000"), ("BINARY", "00ff"),
        ("TEXT", '{"tags":["a",null]}'), ("TEXT", None)])}
    a = client.submit("select ?::number(10,4) n, ? r, ? t, ? b, ? d, ? tm, ? ntz, ? bin, parse_json(?) v, ? nothing", bindings)
    assert a.status == 200, a
    assert a.json["data"] == [["12.5000", "-0.75", "Zoë", "true", "19782", "47107.250000000", "1709211907.250000000",
                               "00FF", '{\n  "tags": [\n    "a",\n    null\n  ]\n}', None]]
    assert [c["name"] for c in row_type(a)] == ["N", "R", "T", "B", "D", "TM", "NTZ", "BIN", "V", "NOTHING"]
    assert [c["type"] for c in row_type(a)][:9] == ["fixed", "real", "text", "boolean", "date", "time", "timestamp_ntz",
                                                    "binary", "variant"]
    assert (row_type(a)[0]["precision"], row_type(a)[0]["scale"]) == (10, 4)
    assert (row_type(a)[5]["precision"], row_type(a)[5]["scale"]) == (0, 9)


def test_placeholders_by_number_and_by_name_may_repeat(client):
    rows = client.cells("select :1 a, :1 + 1 b, :name c", {"1": {"type": "FIXED", "value": "41"},
                                                          "name": {"type": "TEXT", "value": "n"}})
    assert rows == [["41", "42", "n"]]


def test_a_question_mark_in_text_or_comment_is_no_placeholder(client):
    assert client.cells("select '?' a, ? b /* ? */ -- ?\n, $$?$$ c, 1 as \"?\"", bind("FIXED", "41")) == [["?", "41", "?", "1"]]


def test_unused_bindings_and_extra_members_are_ignored(client):
    assert client.cell("select ?", {"1": {"type": "FIXED", "value": "1", "fmt": "", "schema": None},
                                    "2": {"type": "TEXT", "value": "x"}}) == "1"


def test_a_text_binding_fits_every_column_type(client):
    name = unique("casts")
    client.cells(f"create table {name}(n number(10,2), d date, b boolean, t timestamp_ntz)")
    texts = ["1.5", "2024-02-29", "true", "2024-02-29 13:05:07.25"]
    client.cells(f"insert into {name} values (?, ?, ?, ?)",
                 {str(i + 1): {"type": "TEXT", "value": v} for i, v in enumerate(texts)})
    assert client.cells(f"select * from {name}") == [["1.50", "19782", "true", "1709211907.250000000"]]


def test_a_placeholder_without_a_value_is_refused_with_its_place(client):
    failure(client.submit("select x, ?"), 422, "002049", "42601",
            "SQL compilation error: error line 1 at position 10\nBind variable ? not set.")


@pytest.mark.parametrize("kind, value", [("FIXED", "abc"), ("FIXED", ""), ("REAL", "inf"), ("REAL", "INF"), ("BOOLEAN", "maybe"),
                                         ("DATE", "x"), ("TIME", "-1"), ("TIMESTAMP_NTZ", "1.5.1"), ("TIMESTAMP_TZ", "1"),
                                         ("BINARY", "0"), ("BINARY", "zz"), ("FIXED", "9" * 42)])
def test_an_unreadable_bind_value_is_refused(client, kind, value):
    failure(client.submit("select ?", bind(kind, value)), 422, "002086", "22000",
            f"SQL compilation error:\nInvalid bind value ({value}) for type ({kind}).")


@pytest.mark.parametrize("kind", ["VARIANT", "OBJECT", "ARRAY", "NO_SUCH"])
def test_types_that_cannot_be_bound_are_refused(client, kind):
    failure(client.submit("select ?", bind(kind, "1")), 422, "002040", "42601")


@pytest.mark.parametrize("bindings", [{"1": {"type": "FIXED", "value": 7}}, {"1": {"value": "7"}}, {"1": "7"}, {"1": None}, [1],
                                      "x", {"1": {"type": 1, "value": "1"}}])
def test_bindings_of_a_wrong_shape_are_a_bad_payload(client, bindings):
    failure(client.submit("select ?", bindings), 400, "390142")


# --- 5.1: cells ---

@pytest.mark.parametrize("sql, cell", [
    ("select 12.5::number(10,4)", "12.5000"),
    ("select -0.5::number(3,1)", "-0.5"),
    ("select 0::number(10,2)", "0.00"),
    ("select -7", "-7"),
    ("select 9223372036854775807", "9223372036854775807"),
    ("select 12345678901234567890123456789012345678::number(38,0)", "12345678901234567890123456789012345678"),
    ("select 1.5::float", "1.5"),
    ("select 2::double", "2"),
    ("select 'nan'::float", "NaN"),
    ("select 'inf'::float", "inf"),
    ("select '-inf'::float", "-inf"),
    ("select 'a\"b'", 'a"b'),
    ("select true", "true"),
    ("select 1 = 2", "false"),
    ("select '1970-01-01'::date", "0"),
    ("select '1969-12-31'::date", "-1"),
    ("select '1900-03-01'::date", "-25508"),
    ("select '2024-02-29'::date", "19782"),
    ("select '00:00:00'::time", "0.000000000"),
    ("select '23:59:59.999999'::time", "86399.999999000"),
    ("select '2024-02-29 13:05:07.25'::timestamp_ntz", "1709211907.250000000"),
    ("select '1970-01-01 00:00:00'::timestamp", "0.000000000"),
    ("select '1969-12-31 23:59:59.5'::timestamp_ntz", "-0.500000000"),
    ("select '1969-12-31 23:59:58.5'::datetime", "-1.500000000"),
    ("select '1900-01-01 00:00:00.000001'::timestamp_ntz", "-2208988799.999999000"),
    ("select '2024-02-29 13:05:07.25+02'::timestamp_ltz", "1709204707.250000000"),
    ("select '1969-12-31 23:59:59.5+00'::timestamp_ltz", "-0.500000000"),
    ("select parse_json('\"s\"')", '"s"'),
    ("select 's'::variant", '"s"'),
    ("select parse_json('null')", "null"),
    ("select parse_json('{\"b\":1,\"a\":[null,2.5,\"x\"]}')", '{\n  "a": [\n    null,\n    2.5,\n    "x"\n  ],\n  "b": 1\n}'),
    ("select [1, null]", "[\n  1,\n  undefined\n]"),
    ("select null", None),
])
def test_a_value_is_encoded_as_its_cell(client, sql, cell):
    assert client.cell(sql) == cell


@pytest.mark.parametrize("value", ["0.1", "1e300", "1e-7", "123456789.123456789", "5e-324", "1.7976931348623157e308"])
def test_a_real_comes_back_exactly(client, value):
    assert float(client.cell(f"select {value}::float")) == float(value)


def test_every_cell_is_text_or_null(client):
    row = client.cells("select 1, 1.5, true, null, 'x', 1.5::float, '2024-01-01'::date, [1]")[0]
    assert all(cell is None or isinstance(cell, str) for cell in row)


@pytest.mark.parametrize("sql, wire, precision, scale, length", [
    ("select 1::number(5,2)", "fixed", 5, 2, None),
    ("select 1::int", "fixed", 38, 0, None),
    ("select 1::bigint", "fixed", 38, 0, None),
    ("select 1::byteint", "fixed", 38, 0, None),
    ("select 1::decimal(7)", "fixed", 7, 0, None),
    ("select 1::float", "real", None, None, None),
    ("select 1::double precision", "real", None, None, None),
    ("select cast(1 as real)", "real", None, None, None),
    ("select 'a'::string", "text", None, None, ...),
    ("select cast('a' as varchar(10))", "text", None, None, ...),
    ("select 'a'::text", "text", None, None, ...),
    ("select true::boolean", "boolean", None, None, None),
    ("select '2024-01-01'::date", "date", None, None, None),
    ("select '10:00:00'::time", "time", 0, 9, None),
    ("select '2024-01-01'::timestamp_ntz", "timestamp_ntz", 0, 9, None),
    ("select '2024-01-01'::timestamp", "timestamp_ntz", 0, 9, None),
    ("select '2024-01-01'::datetime", "timestamp_ntz", 0, 9, None),
    ("select '2024-01-01'::timestamp_ltz", "timestamp_ltz", 0, 9, None),
    ("select '1'::variant", "variant", None, None, None),
    ("select [1]", "array", None, None, None),
    ("select {'a': 1}", "object", None, None, None),
    ("select '2024-01-01'::timestamp_tz", "timestamp_tz", 0, 9, None),
    ("select '2024-01-01'::timestamp_ntz(3)", "timestamp_ntz", 0, 3, None),
])
def test_a_cast_to_a_snowflake_type_is_told_as_that_type(client, sql, wire, precision, scale, length):
    column = row_type(client.submit(sql))[0]
    assert (column["type"], column["precision"], column["scale"]) == (wire, precision, scale)
    assert length is ... or column["length"] == length


def test_the_time_zone_parameter_moves_local_instants(client):
    sql = "select '2024-01-01 00:00:00'::timestamp_ltz"
    assert client.cell(sql, parameters={"TIMEZONE": "UTC"}) == "1704067200.000000000"
    assert client.cell(sql, parameters={"timezone": "Asia/Tokyo"}) == "1704034800.000000000"


def test_an_unknown_time_zone_is_an_error(client):
    a = client.submit("select 1", parameters={"TIMEZONE": "Nope/Zone"})
    assert a.status == 422 and (a.json["code"], a.json["sqlState"]) == ("001008", "22023")


def test_a_time_with_an_offset_is_text(client):
    a = client.submit("select '10:00:00+02:00'::timetz")
    assert a.json["data"] == [["10:00:00.000000+02:00"]]
    assert a.json["resultSetMetaData"]["rowType"][0]["type"] == "text"


def test_a_time_zone_holds_for_its_request_only(client):
    sql = "select '2024-01-01 00:00:00'::timestamp_ltz"
    client.cell(sql, parameters={"TIMEZONE": "Asia/Tokyo"})
    assert client.cell(sql) == "1704067200.000000000"


# --- names ---

def test_unquoted_names_are_folded_to_upper_case(client):
    name = unique("Folded")
    client.cells(f'create table {name}(MixEd int, "lower" int)')
    client.cells(f"insert into {name.upper()} values (1, 2)")
    a = client.submit(f'select mixed, MIXED as b, "lower", "lower" as "Keep" from {name.lower()}')
    assert [c["name"] for c in row_type(a)] == ["MIXED", "B", "lower", "Keep"]


@pytest.mark.parametrize("item, name", [("1", "1"), ("count(*)", "COUNT(*)"), ("'nAn'::float", "'nAn'::FLOAT"),
                                        ("12.50::number(10,4)", "12.50::NUMBER(10,4)"), ("?", "?"), ("'a' || 'b'", "'a' || 'b'")])
def test_an_expression_without_a_name_is_named_by_its_text(client, item, name):
    assert row_type(client.submit("select " + item, bind("FIXED", "1")))[0]["name"] == name


@pytest.mark.parametrize("word", ["current_date", "current_timestamp", "localtimestamp", "current_user"])
def test_a_value_function_needs_no_parentheses(client, word):
    a = client.submit(f"select {word}")
    assert a.status == 200 and a.json["resultSetMetaData"]["rowType"][0]["name"] == word.upper()


def test_columns_may_have_the_same_name(client):
    a = client.submit("select 1 as a, 2 as a")
    assert [c["name"] for c in row_type(a)] == ["A", "A"] and a.json["data"] == [["1", "2"]]


# --- 11.3: asynchronous ---

def test_an_asynchronous_submit_answers_202_and_is_polled_to_its_result(client):
    a = client.submit("call system$wait(1)", query={"async": "true"}, timeout=0)
    assert a.status == 202 and a.type == "application/json"
    handle = a.json["statementHandle"]
    running = {"code": "333334", "message": ASYNC_MESSAGE, "statementHandle": handle,
               "statementStatusUrl": f"/api/v2/statements/{handle}"}
    assert a.json == running and "Link" not in a.headers
    assert client.status(handle).json == running
    b = client.poll(handle)
    assert b.status == 200 and b.json["statementHandle"] == handle and b.json["data"] == [["waited 1 seconds"]]


def test_an_asynchronous_submit_never_answers_rows(client):
    for _ in range(5):
        assert client.submit("select 1", query={"async": "TRUE"}).status == 202


@pytest.mark.parametrize("value", ["", "false", "maybe", "1"])
def test_any_other_async_is_synchronous(client, value):
    assert client.submit("select 1", query={"async": value}).status == 200


def test_a_finished_result_is_the_same_each_time_it_is_read(client):
    handle = client.start("select 42 as a")
    first, second = client.poll(handle), client.status(handle)
    for key in ("data", "createdOn", "resultSetMetaData", "statementHandle"):
        assert first.json[key] == second.json[key]


def test_a_submit_waits_only_so_long(server):
    client = server(snowflake_api__sync_wait_seconds=1).client
    a = client.submit("call system$wait(20)")
    assert a.status == 202 and a.json["message"] == ASYNC_MESSAGE
    client.cancel(a.json["statementHandle"])


def test_with_no_wait_every_submit_answers_at_once(server):
    client = server(snowflake_api__sync_wait_seconds=0).client
    a = client.submit("select 1")
    assert a.status == 202
    assert client.poll(a.json["statementHandle"]).json["data"] == [["1"]]


# --- 11.4: partitions ---

@pytest.fixture(scope="module")
def numbers(shared):
    client = Client(shared)
    a = client.submit("select i as n, 'row-' || i as s from range(20000) t(i) order by i")
    assert a.status == 200, a
    return a


def test_partitions_are_small_first_and_then_grow(numbers):
    info = numbers.json["resultSetMetaData"]["partitionInfo"]
    assert len(info) >= 3 and numbers.json["resultSetMetaData"]["numRows"] == 20000
    assert sum(p["rowCount"] for p in info) == 20000
    assert 50000 < info[0]["uncompressedSize"] < 200000
    assert info[1]["uncompressedSize"] > 1.5 * info[0]["uncompressedSize"]
    assert all(p["rowCount"] <= 10000 for p in info)
    assert len(numbers.json["data"]) == info[0]["rowCount"]


def test_partition_sizes_are_those_of_their_bytes(client, numbers):
    handle = numbers.json["statementHandle"]
    for i, p in enumerate(numbers.json["resultSetMetaData"]["partitionInfo"]):
        rows = client.status(handle, partition=i).json["data"]
        assert sum(len(json.dumps(row, separators=(",", ":"))) for row in rows) == p["uncompressedSize"]
        if i > 0:
            assert len(client.status(handle, partition=i).raw) == p["compressedSize"]


def test_all_partitions_together_hold_every_row_once(client, numbers):
    handle = numbers.json["statementHandle"]
    count = len(numbers.json["resultSetMetaData"]["partitionInfo"])
    parts = in_parallel(*[lambda i=i: client.status(handle, partition=i).json["data"] for i in reversed(range(count))])
    rows = [row for part in reversed(parts) for row in part]
    assert rows == [[str(i), f"row-{i}"] for i in range(20000)]


def test_later_partitions_are_gzipped_though_nobody_asked(client, numbers):
    a = client.status(numbers.json["statementHandle"], partition=1)
    assert a.encoding == "gzip" and a.type == "application/json"
    assert list(json.loads(gzip.decompress(a.raw))) == ["data"]


def test_partition_zero_is_the_whole_first_object(client, numbers):
    a = client.status(numbers.json["statementHandle"], partition=0)
    assert a.encoding == "" and a.json["data"] == numbers.json["data"]
    assert a.json["resultSetMetaData"] == numbers.json["resultSetMetaData"]


def test_a_large_first_answer_is_gzipped_when_offered(client, numbers):
    a = client.request("GET", f"/api/v2/statements/{numbers.json['statementHandle']}", headers={"Accept-Encoding": "gzip"})
    assert a.encoding == "gzip" and "Accept-Encoding" in a.headers.get("Vary", "")
    assert a.json["data"] == numbers.json["data"]


def test_links_name_the_neighbours(client, numbers):
    handle = numbers.json["statementHandle"]
    last = len(numbers.json["resultSetMetaData"]["partitionInfo"]) - 1
    assert links(numbers) == [("first", 0), ("next", 1), ("last", last)]
    assert links(client.status(handle, partition=1)) == [("first", 0), ("prev", 0), ("next", 2), ("last", last)]
    assert links(client.status(handle, partition=last)) == [("first", 0), ("prev", last - 1), ("last", last)]


def test_the_same_partition_twice_is_the_same_bytes(client, numbers):
    handle = numbers.json["statementHandle"]
    assert client.status(handle, partition=2).raw == client.status(handle, partition=2).raw


@pytest.mark.parametrize("partition", ["{n}", "-1", "x", "", "1.0", "0x1", " 1", "9" * 30])
def test_a_partition_that_is_none_is_refused_with_the_range(client, numbers, partition):
    n = len(numbers.json["resultSetMetaData"]["partitionInfo"])
    value = partition.format(n=n)
    body = failure(client.status(numbers.json["statementHandle"], partition=value), 400, "391922", "22023",
                   "Invalid partition parameter. The partition must be long type parsable and between 0 and "
                   f"{n - 1}, but '{value}' is specified.")
    assert body["statementHandle"] == numbers.json["statementHandle"]


def test_a_partition_holds_at_most_the_batch_size(server):
    client = server(snowflake_api__statement_storage__result_batch_size=100).client
    info = client.submit("select i from range(250) t(i)").json["resultSetMetaData"]["partitionInfo"]
    assert [p["rowCount"] for p in info] == [100, 100, 50]


def test_with_whole_first_partitions_a_small_result_is_one_answer(server):
    client = server(snowflake_api__first_partition="whole").client
    a = client.submit("select i as n, 'row-' || i as s from range(20000) t(i)")
    assert len(a.json["data"]) == 20000 and links(a) == [("first", 0), ("last", 0)]
    info = client.submit("select repeat('z', 1000) as t, i from range(31000) t(i)").json["resultSetMetaData"]["partitionInfo"]
    assert len(info) == 4 and sum(p["rowCount"] for p in info) == 31000 and all(p["rowCount"] <= 10000 for p in info[1:])


# --- 11.5: cancel ---

def canceled(handle):
    return {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled", "statementHandle": handle,
            "statementStatusUrl": f"/api/v2/statements/{handle}"}


def test_a_canceled_statement_stops_and_says_so_from_then_on(client):
    handle = client.start("call system$wait(600)")
    client.running(handle)
    a = client.cancel(handle)
    assert a.status == 200 and a.json == canceled(handle) and "Link" not in a.headers
    failure(client.poll(handle), 422, "000604", "57014", "SQL execution canceled")
    assert client.cancel(handle).json == canceled(handle)
    assert failure(client.status(handle), 422, "000604")["statementHandle"] == handle


def test_a_cancel_interrupts_a_busy_engine(client):
    handle = client.running(client.start("select count(*) from range(1000000000000) t(i) where i % 7 = 3"))
    client.cancel(handle)
    failure(client.poll(handle), 422, "000604", "57014")


def test_a_waiting_submit_hears_of_the_cancel(client):
    sql = f"call system$wait(600) -- {unique()}"

    def cancel_it():
        def find():
            items = client.get("/v1/statements?status=RUNNING").json["items"]
            return next((i["handle"] for i in items if i["sql"] == sql), None)
        client.cancel(until(find, "the statement to be listed"))

    answer, _ = in_parallel(lambda: client.submit(sql), cancel_it)
    failure(answer, 422, "000604", "57014", "SQL execution canceled")


def test_canceling_a_finished_statement_leaves_its_result(client):
    handle = client.submit("select 42").json["statementHandle"]
    assert client.cancel(handle).status == 200
    assert client.status(handle).json["data"] == [["42"]]


def test_canceling_an_unknown_statement_is_the_same_answer(client):
    assert client.cancel(UNKNOWN).json == canceled(UNKNOWN)


def test_a_cancel_ignores_its_body(client):
    handle = client.submit("select 1").json["statementHandle"]
    for body in (b"{}", b"not json"):
        assert client.request("POST", f"/api/v2/statements/{handle}/cancel", body).status == 200


# --- 11.6: timeout ---

def test_a_statement_over_its_timeout_is_a_408(client):
    a = client.submit("call system$wait(30)", timeout=1)
    body = failure(a, 408, "000630", "57014",
                   "Statement reached its statement or warehouse timeout of 1 second(s) and was canceled.")
    again = failure(client.status(body["statementHandle"]), 408, "000630", "57014")
    assert again["message"] == body["message"]


def test_a_timeout_really_interrupts_the_engine(client):
    a = client.submit("select count(*) from range(1000000000000) t(i) where i % 7 = 3", timeout=1)
    failure(a, 408, "000630", "57014")
    assert client.cell("select 1") == "1"


@pytest.mark.parametrize("timeout", [0, 60000, 604800, 9007199254740991, None])
def test_milliseconds_and_any_large_timeout_are_taken(client, timeout):
    assert client.submit("select 1", timeout=timeout).status == 200


@pytest.mark.parametrize("timeout", [-1, 1.5, "x", [], {}, True])
def test_a_timeout_that_is_no_number_is_a_bad_payload(client, timeout):
    failure(client.submit("select 1", timeout=timeout), 400, "390142")


# --- 11.7: errors of every day ---

@pytest.mark.parametrize("sql, code, sqlstate, message", [
    ("selec 1", "001003", "42000", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'."),
    ("select 1 fro", "200", None, None),
    ("select * from items where", "001003", "42000",
     "SQL compilation error:\nsyntax error line 1 at position 25 unexpected '<EOF>'."),
    ("select 1\n  +* 2", "001003", "42000", None),
    ("select * from no_such", "002003", "42S02",
     "SQL compilation error:\nObject 'NO_SUCH' does not exist or not authorized."),
    ("drop table no_such", "002003", None, None),
    ("insert into no_such values (1)", "002003", None, None),
    ("select nope from (select 1 as a)", "000904", "42000",
     "SQL compilation error: error line 1 at position 7\ninvalid identifier 'NOPE'"),
    ("select a from (select 1 as a) where nope = 1", "000904", "42000",
     "SQL compilation error: error line 1 at position 36\ninvalid identifier 'NOPE'"),
    ("select no_fn(1)", "002140", "42601", None),
    ("select sum(a), b from (select 1 as a, 2 as b)", "000979", "42601", None),
    ("select a from (select 1 a) x, (select 1 a) y", "002028", "42601", None),
    ("select 'abc'::int", "100038", "22018", "Numeric value 'abc' is not recognized"),
    ("select 'abc'::number(10,2)", "100038", "22018", "Numeric value 'abc' is not recognized"),
    ("select 'abc'::float", "100038", "22018", "Numeric value 'abc' is not recognized"),
    ("select 'x'::boolean", "100037", "22018", "Boolean value 'x' is not recognized"),
    ("select 'x'::date", "100040", "22007", "Date 'x' is not recognized"),
    ("select 'x'::timestamp", "100035", "22007", "Timestamp 'x' is not recognized"),
    ("select parse_json('{')", "100069", "22P02", None),
    ("select 100000::number(3,0)", "100046", "22003", None),
    ("select (select * from range(2))", "090150", "22000", None),
    ("select 'é🦆'\n, 'ü' x y", "001003", "42000", "SQL compilation error:\nsyntax error line 2 at position 8 unexpected 'y'."),
    ("select 1; select 2", "000008", "0A000", "Actual statement count 2 did not match the desired statement count 1."),
    ("commit", "391911", "0A000", "Command not supported by SQL API: COMMIT"),
    ("rollback", "391911", "0A000", "Command not supported by SQL API: ROLLBACK"),
    ("begin", "391911", "0A000", "Command not supported by SQL API: TRANSACTION_BEGIN"),
    ("begin transaction", "391911", "0A000", "Command not supported by SQL API: TRANSACTION_BEGIN"),
    ("use schema x", "391911", "0A000", "Command not supported by SQL API: USE"),
    ("put file:///a @b", "391911", "0A000", None),
    ("get @b file:///a", "391911", "0A000", None),
])
def test_an_error_has_its_code_state_and_words(client, sql, code, sqlstate, message):
    a = client.submit(sql)
    if code == "200":
        assert a.status == 200, a
        return
    body = failure(a, 422, code, sqlstate, message)
    assert uuid_like(body["statementHandle"]) and set(body) >= {"code", "message", "sqlState", "statementHandle"}
    assert "Link" not in a.headers
    assert "Did you mean" not in body["message"] and "Candidate" not in body["message"] and "LINE 1" not in body["message"]
    again = client.status(body["statementHandle"])
    assert again.status == 422 and again.json["code"] == code and again.json["message"] == body["message"]


@pytest.mark.parametrize("sql", ["select 1/0", "select 1 % 0", "select a/b from (select 1.5 as a, 0.0 as b)",
                                 "select sum(i / (i - 2)) from range(4) t(i)"])
def test_a_division_by_zero_is_an_error(client, sql):
    failure(client.submit(sql), 422, "100051", "22012", "Division by zero")


def test_an_error_in_an_asynchronous_statement_is_told_when_asked(client):
    handle = client.start("select * from no_such")
    body = failure(client.poll(handle), 422, "002003", "42S02")
    assert body["statementHandle"] == handle


def test_a_create_over_something_that_exists_is_an_error(client, items):
    failure(client.submit(f"create table {items}(a int)"), 422, "002002", "42710",
            f"SQL compilation error:\nObject '{items.upper()}' already exists.")


def test_a_null_in_a_not_null_column_is_an_error(client, items):
    failure(client.submit(f"insert into {items} values (null, 'x', 1)"), 422, "100072", "22000",
            "NULL result in a non-nullable column")
    assert client.cell(f"select count(*) from {items}") == "2"


def test_too_few_values_are_an_error(client, items):
    failure(client.submit(f"insert into {items} values (1)"), 422, "002020", "21S01")


@pytest.mark.parametrize("sql", ["", "   ", ";", ";;", "-- nothing", "  /* nothing */ ", "\n\t"])
def test_an_empty_statement_is_a_400_without_a_handle(client, sql):
    body = failure(client.submit(sql), 400, "000900", "42601", "SQL compilation error:\nEmpty SQL statement.")
    assert body["statementHandle"] is None


def test_a_missing_statement_is_an_empty_one(client):
    failure(client.request("POST", "/api/v2/statements", {"timeout": 1}), 400, "000900", "42601")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"x"', b"null", b'{"statement":1}', b'{"statement":["select 1"]}',
                                  b'{"statement":"select 1"', b'{"statement":"select 1"} x', b'{"statement":"\xff"}',
                                  b'{"statement":"select 1","statement":"select 2"}', b"[" * 100000,
                                  b'{"statement":"select \'\\ud800\'"}', b"\x1f\x8b\x08 no gzip"])
def test_a_body_that_is_no_payload_is_a_400(client, body):
    a = client.request("POST", "/api/v2/statements", body)
    failure(a, 400, "390142", message="Incoming request does not contain a valid payload.")
    assert "statementHandle" not in a.json


@pytest.mark.parametrize("handle", [UNKNOWN, "x", "0", "00000000-0000-0000-0000-000000000000", "select%201", "%27", "a" * 300])
def test_an_unknown_handle_is_a_400_with_that_handle(client, handle):
    a = client.status(handle)
    body = failure(a, 400, "000709", "02000")
    text = body["statementHandle"]
    assert body["message"] == f"Statement {text} not found"


def test_an_unknown_path_is_a_404(client):
    for path in ("/api/v2/nope", "/api/v2/statements/x/y", "/api/v2/statements/x/cancel/y", "/api/v1/statements"):
        assert client.get(path).status == 404, path


@pytest.mark.parametrize("method, path, allow", [("GET", "/api/v2/statements", "POST"), ("PUT", "/api/v2/statements", "POST"),
                                                 ("DELETE", f"/api/v2/statements/{UNKNOWN}", "GET"),
                                                 ("GET", f"/api/v2/statements/{UNKNOWN}/cancel", "POST")])
def test_a_wrong_method_is_a_405_with_an_empty_body(client, method, path, allow):
    a = client.request(method, path)
    assert a.status == 405 and a.raw == b"" and a.headers["Content-Length"] == "0"
    assert allow in a.headers["Allow"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json"])
def test_another_content_type_is_a_415(client, kind):
    assert client.submit("select 1", headers={"Content-Type": kind}).status == 415


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_in_any_spelling_or_no_content_type_is_taken(client, kind):
    assert client.submit("select 1", headers={"Content-Type": kind}).status == 200


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_any_usual_accept_is_taken(client, accept):
    assert client.submit("select 1", headers={"Accept": accept, "User-Agent": None}).status == 200


def test_a_trailing_slash_is_accepted(client):
    assert client.request("POST", "/api/v2/statements/", {"statement": "select 1"}).json["data"] == [["1"]]


def test_unknown_parameters_and_legacy_fields_are_ignored(client):
    a = client.submit("select 1", query={"pageSize": 10, "foo": "bar"}, resultSetMetaData={"format": "json"},
                      warehouse="NO_SUCH", role="R", foo={"bar": [1]}, parameters={"QUERY_TAG": "x", "FOO": 1, "BAR": True})
    assert a.status == 200 and a.json["data"] == [["1"]]
    assert client.status(a.json["statementHandle"], nullable="false", foo="1").status == 200


def test_one_trailing_semicolon_and_comments_are_fine(client):
    for sql in ("select 1;", "/* a */ select 1 -- b", "select 1; -- c", "// d\nselect 1"):
        assert client.cells(sql) == [["1"]], sql


@pytest.mark.parametrize("count", ["1", 1, "0", 0])
def test_a_statement_count_that_allows_one_statement_is_a_plain_result(client, count):
    a = client.submit("select 1", parameters={"MULTI_STATEMENT_COUNT": count})
    assert a.json["data"] == [["1"]] and "statementHandles" not in a.json


@pytest.mark.parametrize("sql, count, code", [
    ("select 1", "2", "000008"), ("select 1; select 2", 3, "000008"), ("select 1; select 2", 1, "000008"),
    ("select 1; select 2;;", "4", "000008")])
def test_a_statement_count_that_is_not_the_texts_is_refused(client, sql, count, code):
    a = client.submit(sql, parameters={"multi_statement_count": count})
    assert a.status == 422 and (a.json["code"], a.json["sqlState"]) == (code, "0A000")


@pytest.mark.parametrize("count", [-1, "-1", "many", 1.5, True])
def test_a_statement_count_that_is_no_count_fails_the_statement(client, count):
    a = client.submit("select 1", parameters={"MULTI_STATEMENT_COUNT": count})
    assert a.status == 422 and a.json["code"] == "001008"


# --- 11.10: safe resend ---

def test_a_resend_with_retry_runs_once(client):
    name, request_id = unique("once"), str(uuid.uuid4())
    client.cells(f"create table {name}(a int)")
    first = client.submit(f"insert into {name} values (1)", query={"requestId": request_id})
    again = client.submit(f"insert into {name} values (1)", query={"requestId": request_id, "retry": "true"})
    assert again.status == 200
    for key in ("statementHandle", "createdOn", "requestId", "data", "stats"):
        assert again.json[key] == first.json[key]
    assert client.cell(f"select count(*) from {name}") == "1"


def test_racing_resends_run_once(client):
    name, request_id = unique("race"), str(uuid.uuid4())
    client.cells(f"create table {name}(a int)")
    answers = in_parallel(*[lambda: client.submit(f"insert into {name} values (1)",
                                                  query={"requestId": request_id, "retry": "true"})] * 8)
    assert {a.status for a in answers} == {200}
    assert len({a.json["statementHandle"] for a in answers}) == 1
    assert client.cell(f"select count(*) from {name}") == "1"


def test_a_resend_of_an_unknown_request_id_is_executed(client):
    a = client.submit("select 7", query={"requestId": str(uuid.uuid4()), "retry": "true"})
    assert a.status == 200 and a.json["data"] == [["7"]]


def test_the_same_request_id_without_retry_executes_again(client):
    query = {"requestId": str(uuid.uuid4())}
    assert client.submit("select 1", query=query).json["statementHandle"] != client.submit("select 1", query=query).json[
        "statementHandle"]


def test_a_resend_while_it_runs_is_the_running_statement(client):
    query = {"requestId": str(uuid.uuid4()), "retry": "true", "async": "true"}
    a, b = (client.submit("call system$wait(30)", query=query) for _ in range(2))
    assert a.status == b.status == 202 and a.json == b.json
    client.cancel(a.json["statementHandle"])


def test_request_ids_are_of_their_tenant_only(client, fresh):
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    a, b = client.submit("select 1", query=query), fresh.submit("select 2", query=query)
    assert a.json["data"] == [["1"]] and b.json["data"] == [["2"]]


# --- 10: what is no query ---

def counters(client, sql):
    a = client.submit(sql)
    assert a.status == 200, a
    assert all((c["type"], c["precision"], c["scale"]) == ("fixed", 19, 0) for c in row_type(a))
    return [c["name"] for c in row_type(a)], a.json["data"], a.json.get("stats")


def stats(inserted=0, deleted=0, updated=0):
    return {"numRowsInserted": inserted, "numRowsDeleted": deleted, "numRowsUpdated": updated, "numDmlDuplicates": 0}


def test_changes_answer_counters_and_stats(client, items):
    assert counters(client, f"insert into {items} values (3, 'mug', 7), (4, 'pan', 8)") == (
        ["number of rows inserted"], [["2"]], stats(inserted=2))
    assert counters(client, f"update {items} set price = 1 where id > 1") == (
        ["number of rows updated", "number of multi-joined rows updated"], [["3", "0"]], stats(updated=3))
    assert counters(client, f"delete from {items} where id = 1") == (["number of rows deleted"], [["1"]], stats(deleted=1))


def test_a_change_of_no_row_has_no_stats(client, items):
    assert counters(client, f"delete from {items} where id = 99") == (["number of rows deleted"], [["0"]], None)
    assert counters(client, f"update {items} set price = 1 where id = 99")[2] is None


def test_an_insert_from_a_query_counts_its_rows(client, items):
    assert counters(client, f"insert into {items} select i, 'x', i from range(100) t(i)")[1:] == ([["100"]], stats(inserted=100))


def status_text(client, sql):
    a = client.submit(sql)
    assert a.status == 200, a
    assert [(c["name"], c["type"], c["length"], c["byteLength"]) for c in row_type(a)] == [("status", "text", 16777216, 16777216)]
    assert "stats" not in a.json
    return a.json["data"][0][0]


def test_definitions_answer_a_status_text(client):
    t, v, s, q = (unique(x).upper() for x in ("t", "v", "s", "q"))
    assert status_text(client, f"create table {t.lower()}(a int)") == f"Table {t} successfully created."
    assert status_text(client, f"create or replace table {t}(a int, b int)") == f"Table {t} successfully created."
    assert status_text(client, f"create view {v} as select * from {t}") == f"View {v} successfully created."
    assert status_text(client, f"create schema {s}") == f"Schema {s} successfully created."
    assert status_text(client, f"create sequence {q}") == f"Sequence {q} successfully created."
    assert status_text(client, f"alter table {t} add column z int") == "Statement executed successfully."
    assert status_text(client, f"drop view {v}") == f"{v} successfully dropped."
    assert status_text(client, f"drop table {t}") == f"{t} successfully dropped."
    assert status_text(client, f"drop schema {s}") == f"{s} successfully dropped."


def test_dropping_what_is_not_there_if_exists_says_so(client):
    assert status_text(client, "drop table if exists not_there") == (
        "Drop statement executed successfully (NOT_THERE already dropped).")


def test_a_truncate_answers_a_status_and_the_deleted_rows(client, items):
    a = client.submit(f"truncate table {items}")
    assert a.status == 200 and row_type(a)[0]["name"] == "status"
    assert a.json["stats"] == stats(deleted=2)
    assert client.cell(f"select count(*) from {items}") == "0"


# --- each request is a session of its own ---

def test_temporary_tables_end_with_their_request(client):
    name = unique("temp")
    assert client.submit(f"create temporary table {name}(a int)").status == 200
    failure(client.submit(f"select * from {name}"), 422, "002003", "42S02")


def test_variables_end_with_their_request(client):
    client.submit("set v = 1")
    assert client.submit("select $v").status == 422


def test_an_unknown_session_is_a_404_and_nothing_runs(client):
    name = unique("unmade")
    a = client.submit(f"create table {name}(a int)", headers={"X-Mayfly-Session": str(uuid.uuid4())})
    assert a.status == 404 and a.json["code"]
    failure(client.submit(f"select * from {name}"), 422, "002003")


def test_parallel_statements_all_succeed(client):
    answers = in_parallel(*[lambda i=i: client.cell(f"select {i} + sum(i) from range(100000) t(i)") for i in range(8)])
    assert answers == [str(4999950000 + i) for i in range(8)]
