"""Snowflake's types on the wire: what a bind, a cast and a column are told as, and what their cells hold."""
import pytest


def row_type(answer):
    return answer.json["resultSetMetaData"]["rowType"]


def bind(kind, value):
    return {"1": {"type": kind, "value": value}}


def told(client, sql, **kw):
    a = client.submit(sql, **kw)
    assert a.status == 200, a
    c = row_type(a)[0]
    return c["type"], c["precision"], c["scale"], a.json["data"][0][0]


# --- times with fewer digits, and with an offset ---

@pytest.mark.parametrize("sql,want", [
    ("select '2024-02-29 13:05:07.256789'::timestamp_ntz", ("timestamp_ntz", 0, 9, "1709211907.256789000")),
    ("select '2024-02-29 13:05:07.256789'::timestamp_ntz(3)", ("timestamp_ntz", 0, 3, "1709211907.256")),
    ("select '2024-02-29 13:05:07.256789'::timestamp(6)", ("timestamp_ntz", 0, 6, "1709211907.256789")),
    ("select '2024-02-29 13:05:07.256789'::timestamp_ntz(0)", ("timestamp_ntz", 0, 0, "1709211907")),
    ("select '1969-12-31 23:59:59.5'::timestamp_ntz(1)", ("timestamp_ntz", 0, 1, "-0.5")),
    ("select cast('2024-02-29 13:05:07.256789' as timestamp_ntz(2))", ("timestamp_ntz", 0, 2, "1709211907.25")),
    ("select try_cast('2024-02-29 13:05:07.256789' as datetime(4))", ("timestamp_ntz", 0, 4, "1709211907.2567")),
    ("select '2024-02-29 13:05:07.256789+02:00'::timestamp_ltz(3)", ("timestamp_ltz", 0, 3, "1709204707.256")),
    ("select '13:05:07.256789'::time", ("time", 0, 9, "47107.256789000")),
    ("select '13:05:07.256789'::time(3)", ("time", 0, 3, "47107.256")),
    ("select '13:05:07.256789'::time(0)", ("time", 0, 0, "47107")),
    ("select '2024-02-29 15:05:07.25 +02:00'::timestamp_tz", ("timestamp_tz", 0, 9, "1709211907.250000000 1560")),
    ("select '2024-02-29 15:05:07.25 +0200'::timestamp_tz(3)", ("timestamp_tz", 0, 3, "1709211907.250 1560")),
    ("select '2024-02-29T13:05:07Z'::timestamp with time zone", ("timestamp_tz", 0, 9, "1709211907.000000000 1440")),
    ("select '2024-02-29 13:05:07'::timestamp without time zone", ("timestamp_ntz", 0, 9, "1709211907.000000000")),
    ("select '1969-12-31 15:59:59.5 -08:00'::timestamp_tz", ("timestamp_tz", 0, 9, "-0.500000000 960")),
    ("select '2024-02-29 15:05:07 +02:00'::timestamp_tz::timestamp_ntz", ("timestamp_ntz", 0, 9, "1709219107.000000000")),
    ("select '2024-02-29 15:05:07 +02:00'::timestamp_tz::timestamp_ltz", ("timestamp_ltz", 0, 9, "1709211907.000000000")),
    ("select '2024-02-29 23:05:07 -08:00'::timestamp_tz::date", ("date", None, None, "19782")),
    ("select '2024-02-29 23:05:07 -08:00'::timestamp_tz::time", ("time", 0, 9, "83107.000000000")),
    ("select '2024-02-29 23:05:07.5 -08:00'::timestamp_tz::varchar", ("text", None, None, "2024-02-29 23:05:07.500 -0800")),
    ("select '2024-02-29'::date::timestamp_tz", ("timestamp_tz", 0, 9, "1709164800.000000000 1440")),
    ("select null::timestamp_tz", ("timestamp_tz", 0, 9, None)),
    ("select try_cast('x' as timestamp_tz)", ("timestamp_tz", 0, 9, None)),
])
def test_a_type_of_time_is_told_with_its_digits(client, sql, want):
    assert told(client, sql) == want


def test_a_text_that_is_no_instant_is_an_error(client):
    a = client.submit("select 'x'::timestamp_tz")
    assert a.status == 422 and "Timestamp 'x' is not recognized" in a.json["message"], a


def test_columns_keep_their_types(client):
    for sql in ("create or replace table types_kept (id number, tz timestamp_tz, n3 timestamp_ntz(3), l6 timestamp_ltz(6), t0 time(0), n9 timestamp_ntz)",
                "insert into types_kept values (1, '2024-02-29 15:05:07.25 +02:00', '2024-02-29 13:05:07.256789', '2024-02-29 13:05:07.256789', '13:05:07.9', '2024-02-29')"):
        assert client.submit(sql).status == 200
    for sql in ("select * from types_kept", "select id, tz, n3, l6, t0, n9 from (select * from types_kept) s", "with x as (select * from types_kept) select * from x",
                "select * from types_kept union all select * from types_kept where false",
                "select id, max(tz) tz, min(n3) n3, any_value(l6) l6, coalesce(t0, t0) t0, n9 from types_kept group by id, t0, n9"):
        a = client.submit(sql)
        assert a.status == 200, a
        assert [(c["type"], c["scale"]) for c in row_type(a)[1:]] == [("timestamp_tz", 9), ("timestamp_ntz", 3), ("timestamp_ltz", 6), ("time", 0),
                                                                      ("timestamp_ntz", 9)], sql
        assert a.json["data"] == [["1", "1709211907.250000000 1560", "1709211907.256", "1709211907.256789", "47107", "1709164800.000000000"]]


def test_values_with_an_offset_compare_with_all_times(client):
    assert client.submit("create or replace table types_tz (tz timestamp_tz, l timestamp_ltz, n timestamp_ntz, d date)").status == 200
    assert client.submit("insert into types_tz values ('2024-02-29 15:00:00 +02:00', '2024-02-29 13:00:00', '2024-02-29 12:00:00', '2024-03-01')").status == 200
    row = client.submit("select tz > n, tz < d, tz = l, tz > '2024-02-29 14:00:00 +02:00', tz < '2024-03-01'::timestamp_ltz, year(tz), hour(tz), "
                        "tz between '2024-01-01' and '2025-01-01' from types_tz").json["data"][0]
    assert row[0] == "true" and row[1] == "true" and row[3:] == ["true", "true", "2024", "15", "true"], row
    tz = bind("TIMESTAMP_TZ", "1709211600000000000 1440")
    for sql in ("select count(*) from types_tz where l <= ?", "select count(*) from types_tz where n < ?", "select count(*) from types_tz where d > ?"):
        assert client.cell(sql, tz) == "1", sql


@pytest.mark.parametrize("sql,want", [
    ("'2024-02-29 15:05:07.25 +02:00'::timestamp_tz + interval '1 day'", "1709298307.250000000 1560"),
    ("interval '1 hour, 5 minutes' + '2024-02-29 15:05:07.25 +02:00'::timestamp_tz", "1709215807.250000000 1560"),
    ("'2024-01-31 23:30:00 +05:30'::timestamp_tz + interval '1 month'", "1709229600.000000000 1770"),  # 29 February, where it is written
    ("'2024-02-29 15:05:07.25 +02:00'::timestamp_tz - interval '13 months' + interval '1 year'", "1706533507.250000000 1560"),
    ("'2024-12-31 23:30:00 -08:00'::timestamp_tz - interval '12 months'", "1704094200.000000000 960"),
    ("null::timestamp_tz + interval '1 day'", None),
    ("'2024-01-31 23:30:00 +05:30'::timestamp_tz - '2024-01-31 23:30:00 +00:00'::timestamp_tz", "-05:30:00"),
])
def test_a_sum_with_an_interval_keeps_the_offset(client, sql, want):
    a = client.submit(f"select {sql}", parameters={"TIMEZONE": "America/New_York"})
    assert a.status == 200 and a.json["data"] == [[want]], a
    assert row_type(a)[0]["type"] == ("text" if want == "-05:30:00" else "timestamp_tz")


def test_an_interval_has_a_name_without_as(client):
    a = client.submit("select interval '1 day' e, '2024-01-01'::date + interval '1 hour' \"Later\", interval '2' day, interval '3' hours h")
    assert a.status == 200 and [c["name"] for c in row_type(a)][:2] == ["E", "Later"] and row_type(a)[3]["name"] == "H", a
    assert a.json["data"] == [["1 day", "1704070800.000000000", "2 days", "03:00:00"]], a


def test_a_sum_beyond_all_years_is_an_error(client):
    for sql in ("'9999-12-31 00:00:00 +00:00'::timestamp_tz + interval '200000 years'", "'0001-01-01 00:00:00 +00:00'::timestamp_tz - interval '178000000 years'"):
        a = client.submit(f"select {sql}")
        assert a.status == 422 and "out of range" in a.json["message"], a


def test_what_is_least_by_a_time_with_an_offset(client):
    rows = "(values (1, '2024-01-01 12:00 +10:00'), (2, '2024-01-01 03:00 +00:00'), (3, null)) v(i, t)"  # 1 is before 2, its clock is behind
    a = client.submit(f"select min_by(i, t::timestamp_tz), max_by(i, t::timestamp_tz) from {rows}")
    assert a.status == 200 and a.json["data"] == [["1", "2"]], a


def test_columns_of_other_digits_meet(client):
    table = "types_digits"
    client.submit(f"create or replace table {table}(z3 timestamp_tz(3), z6 timestamp_tz(6), n3 timestamp_ntz(3), n6 timestamp_ntz(6), l0 timestamp_ltz(0), l3 timestamp_ltz(3), t0 time(0), t3 time(3))")
    moment = "'2024-01-01 00:00:00.123456'"
    client.submit(f"insert into {table} values ({moment}, {moment}, {moment}, {moment}, {moment}, {moment}, '01:02:03.4567', '01:02:03.4567')")
    client.submit(f"insert into {table}(z3, z6, n3, n6, l0, l3, t0, t3) select z6, z3, n6, n3, l3, l0, t3, t0 from {table}")
    a = client.submit(f"select z6, n6, l3, t3 from {table} order by z6 desc")
    assert a.json["data"] == [["1704067200.123456 1440", "1704067200.123456", "1704067200.123", "3723.456"],
                              ["1704067200.123000 1440", "1704067200.123000", "1704067200.000", "3723.000"]], a
    for pair in ("z3, z6", "z6, z3", "n3, n6", "n6, n3", "l0, l3", "l3, l0", "t0, t3", "t3, t0", "z3, n6", "z6, l0"):
        a, b = pair.split(", ")
        for sql in (f"select count(*) from {table} x join {table} y on x.{a} = y.{b}", f"select {a} from {table} union all select {b} from {table}",
                    f"select greatest({a}, {b}), coalesce({a}, {b}) from {table}"):
            got = client.submit(sql)
            assert got.status == 200, (sql, got)


@pytest.mark.parametrize("value,want", [
    ("to_variant('2024-02-29 15:05:07.25 +0200'::timestamp_tz)", "1709211907.250000000 1560"),
    ("parse_json('{\"t\": \"2024-02-29 15:05:07 -08:00\"}'):t", "1709247907.000000000 960"),
    ("parse_json('\"2024-02-29 15:05:07\"')", "1709237107.000000000 1140"),  # none: the session's
    ("parse_json('null')", None),
])
def test_a_variant_keeps_its_offset(client, value, want):
    for sql in (f"select {value}::timestamp_tz", f"select to_timestamp_tz({value})", f"select try_cast({value}::varchar as timestamp_tz)"):
        a = client.submit(sql, parameters={"TIMEZONE": "America/New_York"})
        assert a.status == 200 and a.json["data"] == [[want]], a


def test_an_offset_that_is_bound_is_stored(client):
    assert client.submit("create or replace table types_bound (tz timestamp_tz, n timestamp_ntz)").status == 200
    assert client.submit("insert into types_bound values (?, ?)", {"1": {"type": "TIMESTAMP_TZ", "value": "1709211907123456789 1560"},
                                                                    "2": {"type": "TIMESTAMP_NTZ", "value": "1709211907123456000"}}).status == 200
    assert client.submit("select tz, n from types_bound").json["data"] == [["1709211907.123456789 1560", "1709211907.123456000"]]


# --- lengths ---

def test_a_cast_cuts_off_and_an_insert_refuses(client):
    assert client.submit("select 'abcdef'::varchar(3), cast('abcdef' as char(2)), 'abc'::char, upper('abc'::string(2)) || 'x', ('a' || 'bcd')::varchar(2), "
                         "iff(true, 'abc', 'd')::varchar(2)::varchar(1), case when true then 'xyz' end::varchar(2), 12345::number(10,2)::varchar(3)"
                         ).json["data"] == [["abc", "ab", "a", "ABx", "ab", "a", "xy", "123"]]
    assert client.submit("create or replace table types_length (c varchar(3) not null default 'x', \"d e\" char, b binary(2), n number(5,2))").status == 200
    assert client.submit("insert into types_length values ('abc', 'x', to_binary('00ff'), 1.5)").status in (200, 422)
    a = client.submit("insert into types_length (c) values ('abcd')")
    assert a.status == 422 and "String 'abcd' is too long and would be truncated" in a.json["message"], a
    a = client.submit("insert into types_length (\"d e\") values ('{}')")
    assert a.status == 422 and "String '{}' is too long and would be truncated" in a.json["message"], a
    a = client.submit("insert into types_length (b) values (X'00ff00')")
    assert a.status == 422 and "Binary value '00FF00' is too long and would be truncated" in a.json["message"], a
    assert client.submit("insert into types_length (b) values (X'00ff')").status == 200
    assert client.submit("update types_length set c = 'abcde'").status == 422
    assert client.submit("alter table types_length drop column c").status == 200


# --- what columns are told as beside their type ---

def fields(answer, *names):
    return [tuple(c[n] for n in names) for c in row_type(answer)]


def test_literals_counts_and_binds_have_their_digits(client):
    a = client.submit("select 1, 1.50, 'abc', count(*), ?, ?, null, 1 + 1, upper('a')", {"1": {"type": "FIXED", "value": "42"}, "2": {"type": "TEXT", "value": "Zo\u00eb"}})
    assert a.status == 200, a
    assert told(client, "select ?", bindings=bind("FIXED", None))[0] == "text"
    assert fields(a, "type", "precision", "scale", "nullable", "length", "byteLength") == [
        ("fixed", 1, 0, False, None, None), ("fixed", 3, 2, False, None, None), ("text", None, None, False, 3, 12), ("fixed", 18, 0, False, None, None),
        ("fixed", 2, 0, True, None, None), ("text", None, None, True, 3, 12), ("text", None, None, True, 134217728, 134217728),
        ("fixed", 38, 0, True, None, None), ("text", None, None, True, 134217728, 134217728)]


def test_a_column_is_told_with_its_table(client):
    assert client.submit("create or replace table types_told (id number(38,0) not null, name varchar, code varchar(10) not null, b binary(4), p number(10,2))").status == 200
    want = [("ID", "MAYFLY", "PUBLIC", "TYPES_TOLD", False, 38, 0, None, None), ("NAME", "MAYFLY", "PUBLIC", "TYPES_TOLD", True, None, None, 16777216, 67108864),
            ("CODE", "MAYFLY", "PUBLIC", "TYPES_TOLD", False, None, None, 10, 40), ("B", "MAYFLY", "PUBLIC", "TYPES_TOLD", True, None, None, 4, 4),
            ("P", "MAYFLY", "PUBLIC", "TYPES_TOLD", True, 10, 2, None, None)]
    keys = ("name", "database", "schema", "table", "nullable", "precision", "scale", "length", "byteLength")
    for sql in ("select * from types_told", "select id, name, code, b, p from types_told", "select t.id, t.name, t.code, t.b, t.p from mayfly.public.types_told t where 1 = 1",
                "select t.* from types_told t order by 1"):
        a = client.submit(sql)
        assert a.status == 200 and fields(a, *keys) == want, sql
    a = client.submit("select x.id, y.id from types_told x left join types_told y on x.id = y.id")
    assert fields(a, "nullable", "table") == [(False, "TYPES_TOLD"), (True, "TYPES_TOLD")]
    a = client.submit("select id + 1, x.n from (select id as n from types_told) x, types_told")
    assert fields(a, "table")[0] == ("",)
    assert client.submit("alter table types_told add column more varchar").status == 200
    assert fields(client.submit("select * from types_told"), "name")[5:] == [("MORE",)]
    assert client.submit("drop table types_told").status == 200
    assert client.submit("create table types_told (id varchar(5))").status == 200
    assert fields(client.submit("select * from types_told"), "name", "length") == [("ID", 5)]


# --- output formats ---

@pytest.mark.parametrize("parameters,sql,type_,cell", [
    ({"DATE_OUTPUT_FORMAT": "YYYY-MM-DD"}, "select '2024-02-29'::date", "date", "2024-02-29"),
    ({"date_output_format": "DY, DD MON YYYY"}, "select '1969-12-31'::date", "date", "Wed, 31 Dec 1969"),
    ({"TIME_OUTPUT_FORMAT": "HH24:MI:SS.FF"}, "select '13:05:07.25'::time", "time", "13:05:07.250000000"),
    ({"TIME_OUTPUT_FORMAT": "HH12:MI AM"}, "select '00:05:07.25'::time", "time", "12:05 AM"),
    ({"TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DDTHH24:MI:SS.FFTZH:TZM"}, "select '2024-02-29 13:05:07.25'::timestamp_ntz", "timestamp_ntz",
     "2024-02-29T13:05:07.250000000+00:00"),
    ({"TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DDTHH24:MI:SS.FFTZH:TZM"}, "select '2024-02-29 13:05:07.25 +02:00'::timestamp_tz", "timestamp_tz",
     "2024-02-29T13:05:07.250000000+02:00"),
    ({"TIMESTAMP_TZ_OUTPUT_FORMAT": "HH24:MI TZHTZM", "TIMESTAMP_OUTPUT_FORMAT": "YYYY"}, "select '2024-02-29 13:05:07.25 -03:30'::timestamp_tz", "timestamp_tz", "13:05 -0330"),
    ({"TIMESTAMP_LTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI TZH:TZM", "TIMEZONE": "America/New_York"}, "select '2024-07-01 16:00:00Z'::timestamp_ltz", "timestamp_ltz",
     "2024-07-01 12:00 -04:00"),
    ({"TIMESTAMP_LTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI TZH:TZM", "TIMEZONE": "America/New_York"}, "select '2024-03-10 06:59:00Z'::timestamp_ltz", "timestamp_ltz",
     "2024-03-10 01:59 -05:00"),
    ({"TIMESTAMP_LTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI TZH:TZM", "TIMEZONE": "America/New_York"}, "select '2024-03-10 07:00:00Z'::timestamp_ltz", "timestamp_ltz",
     "2024-03-10 03:00 -04:00"),
    ({"BINARY_OUTPUT_FORMAT": "BASE64"}, "select x'00ff'", "binary", "AP8="),
    ({"BINARY_OUTPUT_FORMAT": "hex"}, "select x'00ff'", "binary", "00FF"),
    ({"DATE_OUTPUT_FORMAT": "AUTO"}, "select '2024-02-29'::date", "date", "19782"),
])
def test_a_format_changes_the_cell_and_not_the_type(client, parameters, sql, type_, cell):
    a = client.submit(sql, parameters=parameters)
    assert a.status == 200, a
    assert row_type(a)[0]["type"] == type_ and a.json["data"] == [[cell]]


EVERY_FORMAT = {"DATE_OUTPUT_FORMAT": "DD/MM/YY", "TIME_OUTPUT_FORMAT": "HH12 AM", "TIMESTAMP_OUTPUT_FORMAT": "YYYY|MON", "BINARY_OUTPUT_FORMAT": "BASE64",
                "TIMEZONE": "Asia/Tokyo"}
FORMATTED = ("select '2024-02-29'::date d, '13:05:07.25'::time t, '2024-02-29 13:05:07.25'::timestamp_ntz n, '2024-02-29 13:05:07 +02:00'::timestamp_tz z,"
             " '2024-02-29 23:05:07 +02:00'::timestamp_ltz l, x'00ff' b, 'a|b' s, null::date e")


@pytest.mark.parametrize("query,null", [({}, None), ({"nullable": "false"}, "null")])
def test_a_format_is_not_in_the_native_form(client, query, null):
    a = client.submit(FORMATTED, parameters=EVERY_FORMAT, query=query)
    assert a.status == 200, a
    row = ["29/02/24", "01 PM", "2024|Feb", "2024|Feb", "2024|Mar", "AP8=", "a|b", null]  # March has begun in Tokyo
    handle = a.json["statementHandle"]
    assert a.json["data"] == [row] and client.status(handle).json["data"] == [row]
    native = client.result(handle).json
    assert [c["type"] for c in native["columns"]] == ["DATE", "TIME", "TIMESTAMP", "TIMESTAMP_TZ", "TIMESTAMP WITH TIME ZONE", "BLOB", "VARCHAR", "DATE"]
    assert native["rows"] == [["2024-02-29", "13:05:07.250000", "2024-02-29T13:05:07.250000", "2024-02-29T13:05:07.000000000+02:00",
                               "2024-02-29T21:05:07.000000Z", "AP8=", "a|b", None]]


def test_later_partitions_have_the_format_too(client):
    a = client.submit("select dateadd(day, seq4(), '2024-01-01'::date) d from table(generator(rowcount => 30000)) order by d",
                      parameters={"DATE_OUTPUT_FORMAT": "DD.MM.YYYY"})
    assert a.status == 200 and len(a.json["resultSetMetaData"]["partitionInfo"]) > 1, a
    handle, first = a.json["statementHandle"], a.json["data"]
    second = client.status(handle, partition=1).json["data"]
    assert first[0] == ["01.01.2024"] and len(second) > 0 and all(len(cell) == 10 and cell[2] == cell[5] == "." for cell, in second)
    rows = client.result(handle).json["rows"]
    assert len(rows) == 30000 and rows[0] == ["2024-01-01"] and rows[len(first)][0].split("-")[::-1] == second[0][0].split(".")


@pytest.mark.parametrize("name,value", [("DATE_OUTPUT_FORMAT", "YYYY-QQ"), ("TIMESTAMP_NTZ_OUTPUT_FORMAT", "foo"), ("BINARY_OUTPUT_FORMAT", "OCTAL"),
                                        ("TIME_OUTPUT_FORMAT", "DD" * 65)])
def test_a_format_with_an_unknown_element_is_refused_at_once(client, name, value):
    a = client.submit("select 1", parameters={name: value})
    assert a.status == 422 and (a.json["code"], a.json["sqlState"]) == ("001008", "22023"), a
    assert name in a.json["message"]
