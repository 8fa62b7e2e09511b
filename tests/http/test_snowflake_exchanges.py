"""The worked exchanges of the specification's section 11, one by one, as it writes them: bodies and headers are compared whole,
but for handles, request ids, times, and sizes that it invented."""
import gzip
import json
import re

import pytest

from mayfly import Client, Server, unique, until, uuid_like

COMMON = {"Authorization": "Bearer dev-token", "X-Snowflake-Authorization-Token-Type": "PROGRAMMATIC_ACCESS_TOKEN",
          "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "example/1.0", "Accept-Encoding": "gzip"}
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
RUNNING = {"code": "333334",
           "message": "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."}
UNKNOWN = "01c8b2f0-0001-0a2c-0000-000100a4ffff"


def post(client, body, query=""):
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.request("POST", "/api/v2/statements" + query, text, COMMON)


def get(client, path, **headers):
    return client.request("GET", "/api/v2/statements/" + path, headers={**COMMON, **headers})


def column(name, kind, nullable=True, precision=None, scale=None, length=None, byte_length=None, table=None):
    database, schema, table = ("SHOP", "PUBLIC", table) if table else ("", "", "")
    return {"name": name, "database": database, "schema": schema, "table": table, "type": kind, "nullable": nullable,
            "precision": precision, "scale": scale, "length": length, "byteLength": byte_length, "collation": None}


def counter(name):
    return column(name, "fixed", False, 19, 0)


def result_set(columns, data, sizes, request_id=None, **more):
    """The ResultSet of section 4.1 in its order; `more` stands where that section has it."""
    whole = {"resultSetMetaData": {"numRows": len(data), "format": "jsonv2", "partitionInfo": sizes, "rowType": columns},
             "data": data, "code": "090001"}
    if "statementHandles" in more:
        whole["statementHandles"] = more["statementHandles"]
    whole.update({"statementStatusUrl": None, "requestId": request_id, "sqlState": "00000", "statementHandle": None,
                  "message": "Statement executed successfully.", "createdOn": None})
    if "stats" in more:
        whole["stats"] = more["stats"]
    return whole


def same(answer, status, wanted):
    """Is this the answer, member by member and in order? Its handle."""
    assert answer.status == status and answer.type == "application/json", answer
    said = answer.json
    assert list(said) == list(wanted), answer
    handle, request_id = said["statementHandle"], said.get("requestId")
    assert uuid_like(handle)
    if "requestId" in wanted:
        assert request_id == wanted["requestId"] if wanted["requestId"] else re.fullmatch(UUID, request_id)
        assert said["statementStatusUrl"] == f"/api/v2/statements/{handle}?requestId={request_id}"
        assert isinstance(said["createdOn"], int)
    elif "statementStatusUrl" in wanted:
        assert said["statementStatusUrl"] == f"/api/v2/statements/{handle}"
    left = {k: v for k, v in said.items() if k not in ("statementHandle", "requestId", "statementStatusUrl", "createdOn")}
    assert left == {k: v for k, v in wanted.items() if k in left}
    return handle


def failed(answer, status, code, message, sqlstate, handle=...):
    """The error body of section 4.4, its members in their order; its handle."""
    wanted = {"code": code, "message": message, "sqlState": sqlstate, "statementHandle": answer.json.get("statementHandle")}
    assert answer.status == status and answer.type == "application/json" and "Link" not in answer.headers, answer
    assert list(answer.json.items()) == list(wanted.items())
    assert handle is ... and uuid_like(wanted["statementHandle"]) or wanted["statementHandle"] == handle
    return wanted["statementHandle"]


def links(answer, handle):
    """The rels of the Link header with their partitions; a request id of its own in each."""
    one = rf'</api/v2/statements/{handle}\?requestId=({UUID})&partition=(\d+)>; rel="(\w+)"'
    assert re.fullmatch(f"{one}(,{one})*", answer.headers["Link"]), answer.headers["Link"]
    found = re.findall(one, answer.headers["Link"])
    assert len({request_id for request_id, _, _ in found}) == len(found)
    return [(rel, int(partition)) for _, partition, rel in found]


def size(data):
    return sum(len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()) for row in data)


def one_part(data):
    return [{"rowCount": len(data), "uncompressedSize": size(data)}]


@pytest.fixture
def shop(shared):
    """The table that the section uses, in a tenant of its own."""
    client = Client(shared, tenant=unique("shop"))
    for sql in ("create table items (id number(38,0) not null, name varchar, price number(10,2))",
                "insert into items values (1, 'kettle', 24.90), (2, 'lamp', null)"):
        a = client.submit(sql, database="SHOP", schema="PUBLIC")
        assert a.status == 200, a
    return client


ITEMS = [column("ID", "fixed", False, 38, 0, table="ITEMS"), column("NAME", "text", True, None, None, 16777216, 67108864, table="ITEMS"),
         column("PRICE", "fixed", True, 10, 2, table="ITEMS")]
QUERY = {"statement": "select id, name, price from items order by id", "database": "SHOP", "schema": "PUBLIC", "warehouse": "DEV_WH",
         "timeout": 60}


def test_11_1_plain_query(shop):
    request_id = "7d1f3a52-0000-4c1e-9a00-000000000001"
    a = post(shop, QUERY, "?requestId=" + request_id)
    assert a.encoding == "gzip"
    handle = same(a, 200, result_set(ITEMS, [["1", "kettle", "24.90"], ["2", "lamp", None]],
                                     [{"rowCount": 2, "uncompressedSize": 39}], request_id))
    assert links(a, handle) == [("first", 0), ("last", 0)]
    b = post(shop, QUERY, "?nullable=false")
    same(b, 200, result_set(ITEMS, [["1", "kettle", "24.90"], ["2", "lamp", "null"]], [{"rowCount": 2, "uncompressedSize": 41}]))


def test_11_2_every_bind_in_every_cell_out(shop):
    a = post(shop, '{"statement": "select ?::number(10,4) n, ? r, ? t, ? b, ? d, ? tm, ? ntz, ? tz, ? bin, parse_json(?) v, ? nothing", '
             '"bindings": {"1": {"type": "FIXED", "value": "12.50"}, "2": {"type": "REAL", "value": "-0.75"}, '
             '"3": {"type": "TEXT", "value": "Zo\u00eb"}, "4": {"type": "BOOLEAN", "value": "true"}, '
             '"5": {"type": "DATE", "value": "1709164800000"}, "6": {"type": "TIME", "value": "47107250000000"}, '
             '"7": {"type": "TIMESTAMP_NTZ", "value": "1709211907250000000"}, '
             '"8": {"type": "TIMESTAMP_TZ", "value": "1709211907250000000 1560"}, "9": {"type": "BINARY", "value": "00ff"}, '
             '"10": {"type": "TEXT", "value": "{\\"tags\\":[\\"a\\",null]}"}, "11": {"type": "TEXT", "value": null}}}')
    data = [["12.5000", "-0.75", "Zo\u00eb", "true", "19782", "47107.250000000", "1709211907.250000000", "1709211907.250000000 1560",
             "00FF", "{\n  \"tags\": [\n    \"a\",\n    null\n  ]\n}", None]]
    same(a, 200, result_set([
        column("N", "fixed", True, 10, 4), column("R", "real"), column("T", "text", True, None, None, 3, 12), column("B", "boolean"),
        column("D", "date"), column("TM", "time", True, 0, 9), column("NTZ", "timestamp_ntz", True, 0, 9),
        column("TZ", "timestamp_tz", True, 0, 9), column("BIN", "binary", True, None, None, 2, 2), column("V", "variant"),
        column("NOTHING", "text", True, None, None, 134217728, 134217728)], data, one_part(data)))


def test_11_3_asynchronous_submit_and_poll(shop):
    count = 6001215
    assert shop.submit(f"create table big_orders as select i as id from range({count}) t(i)", database="SHOP", schema="PUBLIC").status == 200
    a = post(shop, {"statement": "select count(*) from big_orders", "database": "SHOP", "schema": "PUBLIC", "timeout": 0},
             "?async=true&requestId=7d1f3a52-0000-4c1e-9a00-000000000003")
    handle = same(a, 202, {**RUNNING, "statementHandle": None, "statementStatusUrl": None})
    assert "Link" not in a.headers

    def ended():
        b = get(shop, handle)
        if b.status == 202:
            assert same(b, 202, {**RUNNING, "statementHandle": None, "statementStatusUrl": None}) == handle and "Link" not in b.headers
            return None
        return b

    b = until(ended, "the count")
    assert same(b, 200, result_set([column("COUNT(*)", "fixed", False, 18, 0)], [[str(count)]], [{"rowCount": 1, "uncompressedSize": 11}])) == handle


def test_11_4_several_partitions(shop):
    assert shop.submit("create table numbers as select i::number(10,0) as n from range(40000) t(i)", database="SHOP", schema="PUBLIC").status == 200
    assert shop.submit("alter table numbers alter column n set not null", database="SHOP", schema="PUBLIC").status == 200
    a = post(shop, {"statement": "select n, 'row-' || n as s from numbers order by n", "database": "SHOP", "schema": "PUBLIC"})
    said = a.json
    info, handle = said["resultSetMetaData"]["partitionInfo"], said["statementHandle"]
    parts = len(info)
    assert parts >= 3 and a.encoding == "gzip"
    assert [list(p) for p in info] == [["rowCount", "uncompressedSize", "compressedSize"]] * parts
    rows = [[str(i), f"row-{i}"] for i in range(40000)]
    wanted = result_set([column("N", "fixed", False, 10, 0, table="NUMBERS"), column("S", "text", True, None, None, 134217728, 134217728)],
                        rows, info)
    said_columns = said["resultSetMetaData"]["rowType"]
    assert said_columns[1] == wanted["resultSetMetaData"]["rowType"][1]
    assert {k: said_columns[0][k] for k in ("name", "type", "nullable", "precision", "scale")} == {
        "name": "N", "type": "fixed", "nullable": False, "precision": 10, "scale": 0}
    assert list(said) == list(wanted) and said["resultSetMetaData"]["numRows"] == 40000
    assert links(a, handle) == [("first", 0), ("next", 1), ("last", parts - 1)]
    got = list(said["data"])
    for i in range(1, parts):
        b = get(shop, f"{handle}?partition={i}", **{"Accept-Encoding": "identity"})
        assert b.status == 200 and b.headers["Content-Encoding"] == "gzip" and b.type == "application/json"
        page = json.loads(gzip.decompress(b.raw))
        assert list(page) == ["data"] and len(page["data"]) == info[i]["rowCount"] and size(page["data"]) == info[i]["uncompressedSize"]
        assert len(b.raw) == info[i]["compressedSize"]
        assert b.raw == get(shop, f"{handle}?partition={i}").raw
        following = [("next", i + 1)] if i + 1 < parts else []
        assert links(b, handle) == [("first", 0), ("prev", i - 1), *following, ("last", parts - 1)]
        got += page["data"]
    assert got == rows
    failed(get(shop, f"{handle}?partition=9"), 400, "391922", "Invalid partition parameter. The partition must be long type parsable and "
           f"between 0 and {parts - 1}, but '9' is specified.", "22023", handle)


def canceled(handle):
    return {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled", "statementHandle": handle,
            "statementStatusUrl": f"/api/v2/statements/{handle}"}


def test_11_5_cancel(shop):
    handle = shop.start("call system$wait(60)")
    shop.running(handle)
    for _ in range(2):
        a = shop.request("POST", f"/api/v2/statements/{handle}/cancel", b"", COMMON)
        assert a.status == 200 and list(a.json.items()) == list(canceled(handle).items())
        failed(shop.poll(handle), 422, "000604", "SQL execution canceled", "57014", handle)
    for other in (UNKNOWN, shop.submit("select 1").json["statementHandle"]):
        a = shop.request("POST", f"/api/v2/statements/{other}/cancel", b"{}", COMMON)
        assert a.status == 200 and list(a.json.items()) == list(canceled(other).items())


def test_11_6_statement_timeout(shop):
    a = post(shop, '{"statement": "call system$wait(30)", "timeout": 2}')
    handle = failed(a, 408, "000630", "Statement reached its statement or warehouse timeout of 2 second(s) and was canceled.", "57014")
    assert get(shop, handle).body == a.body


@pytest.mark.parametrize("body, status, code, message, sqlstate, handle", [
    ('{"statement": "selec 1"}', 422, "001003", "SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.", "42000", ...),
    ('{"statement": "select * from no_such", "database": "SHOP", "schema": "PUBLIC"}', 422, "002003",
     "SQL compilation error:\nObject 'NO_SUCH' does not exist or not authorized.", "42S02", ...),
    ('{"statement": "  -- nothing"}', 400, "000900", "SQL compilation error:\nEmpty SQL statement.", "42601", None),
    ('{"statement": "commit"}', 422, "391911", "Command not supported by SQL API: COMMIT", "0A000", ...),
])
def test_11_7_errors_of_every_day(shop, body, status, code, message, sqlstate, handle):
    failed(post(shop, body), status, code, message, sqlstate, handle)


def test_11_7_no_payload_and_no_such_handle(shop):
    a = post(shop, '{"statement": ')
    assert a.status == 400 and a.json == {"code": "390142", "message": "Incoming request does not contain a valid payload."}
    failed(get(shop, UNKNOWN), 400, "000709", f"Statement {UNKNOWN} not found", "02000", UNKNOWN)


def test_11_8_insert_with_array_binds(shop):
    a = post(shop, '{"statement": "insert into items values (?, ?, ?)", "database": "SHOP", "schema": "PUBLIC", "bindings": '
             '{"1": {"type": "FIXED", "value": ["3", "4"]}, "2": {"type": "TEXT", "value": ["mug", "pan"]}, '
             '"3": {"type": "FIXED", "value": ["7.00", null]}}}')
    same(a, 200, result_set([counter("number of rows inserted")], [["2"]], [{"rowCount": 1, "uncompressedSize": 5}],
                            stats={"numRowsInserted": 2, "numRowsDeleted": 0, "numRowsUpdated": 0, "numDmlDuplicates": 0}))
    assert post(shop, QUERY).json["data"][2:] == [["3", "mug", "7.00"], ["4", "pan", None]]


def test_11_9_multi_statement_transaction(shop):
    body = {"statement": "begin; update items set price = price * 2 where id = 1; select price from items where id = 1; commit;",
            "database": "SHOP", "schema": "PUBLIC", "parameters": {"MULTI_STATEMENT_COUNT": "4"}}
    a = post(shop, body)
    children = a.json.get("statementHandles")
    same(a, 200, result_set([column("multiple statement execution", "text", True, None, None, 134217728, 134217728)],
                            [["Multiple statements executed successfully."]], [{"rowCount": 1, "uncompressedSize": 46}],
                            statementHandles=children))
    assert len(children) == 4 and children == sorted(children) and all(uuid_like(c) for c in children)
    select = get(shop, children[2]).json
    assert select["data"] == [["49.80"]] and [c["name"] for c in select["resultSetMetaData"]["rowType"]] == ["PRICE"]
    for child in (children[0], children[3]):
        assert get(shop, child).json["data"] == [["Statement executed successfully."]]
    assert get(shop, children[1]).json["stats"] == {"numRowsInserted": 0, "numRowsDeleted": 0, "numRowsUpdated": 1, "numDmlDuplicates": 0}
    again = get(shop, a.json["statementHandle"]).json
    assert again["statementHandles"] == children and again["data"] == a.json["data"]
    body["parameters"]["MULTI_STATEMENT_COUNT"] = "3"
    failed(post(shop, body), 422, "000008", "Actual statement count 4 did not match the desired statement count 3.", "0A000")


def test_11_10_safe_resend(shop):
    request_id = "7d1f3a52-0000-4c1e-9a00-000000000018"
    body = {"statement": "insert into items values (9, 'once', 1)", "database": "SHOP", "schema": "PUBLIC"}
    first = post(shop, body, "?requestId=" + request_id)
    again = post(shop, body, f"?requestId={request_id}&retry=true")
    same(again, 200, result_set([counter("number of rows inserted")], [["1"]], [{"rowCount": 1, "uncompressedSize": 5}], request_id,
                                stats={"numRowsInserted": 1, "numRowsDeleted": 0, "numRowsUpdated": 0, "numDmlDuplicates": 0}))
    assert again.body == first.body
    assert [row[0] for row in post(shop, QUERY).json["data"]].count("9") == 1


def test_11_11_bad_token(tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"alg": "HS256", "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}]}))
    server = Server({"auth.mode": "jwt", "auth.jwt_keys": str(keys)})
    try:
        for kind, code, words in (("KEYPAIR_JWT", "390144", rf"JWT token is invalid\. \[{UUID}\]"),
                                  ("OAUTH", "390303", rf"Invalid OAuth access token\. \[{UUID}\]"),
                                  ("PROGRAMMATIC_ACCESS_TOKEN", "394400", r"Programmatic access token is invalid\.")):
            a = server.client.request("POST", "/api/v2/statements", {"statement": "select 1"},
                                      {**COMMON, "X-Snowflake-Authorization-Token-Type": kind})
            assert a.status == 401 and a.type == "application/json" and list(a.json) == ["code", "message"], a
            assert a.json["code"] == code and re.fullmatch(words, a.json["message"]), a
    finally:
        server.check_end()
