"""SHOW, DESCRIBE and INFORMATION_SCHEMA on /api/v2: columns, kinds, filters, scopes, and whose objects are shown."""
import json

import pytest

from mayfly import Client, unique
from session import Session

TABLES = ["created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes", "owner",
          "retention_time", "automatic_clustering", "change_tracking", "is_external", "enable_schema_evolution", "owner_role_type",
          "is_event", "is_hybrid", "is_iceberg", "is_dynamic", "is_immutable", "is_interactive", "row_timestamp", "error_logging"]
DESCRIBE = ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment", "policy name",
            "privacy domain", "write default"]
TERSE = ["created_on", "name", "kind", "database_name", "schema_name"]
KEYS = ["created_on", "database_name", "schema_name", "table_name", "column_name", "key_sequence", "constraint_name", "rely", "comment"]
NOWHERE = "SQL compilation error:\nObject does not exist, or operation cannot be performed."


def columns(answer):
    return [c["name"] for c in answer.json["resultSetMetaData"]["rowType"]]


def listed(client, sql, *wanted, **fields):
    """Its rows as objects, or the values of these columns."""
    a = client.submit(sql, **fields)
    assert a.status == 200, a
    rows = [dict(zip(columns(a), row)) for row in a.json["data"]]
    return [tuple(row[w] for w in wanted) if len(wanted) > 1 else row[wanted[0]] for row in rows] if wanted else rows


def refused(client, sql, code, sqlstate, message=None, **fields):
    a = client.submit(sql, **fields)
    assert a.status == 422 and (a.json["code"], a.json["sqlState"]) == (code, sqlstate), a
    assert message is None or a.json["message"] == message, a


@pytest.fixture(scope="module")
def shop(shared):
    """A tenant with a few objects."""
    client = Client(shared, tenant=unique("shop"))
    for sql in ("create table items (id number(38,0) not null, name varchar, price number(10,2) default 1.5, made timestamp_ntz)",
                "create table it_ems (a int)", "create table \"Mixed\" (a boolean, b float, c date, d binary)",
                "create view cheap as select id, name from items where price < 10", "create sequence numbers start with 5 increment by 2",
                "create schema other", "create table other.elsewhere (x int)", "insert into items values (1, 'kettle', 24.9, null)",
                "comment on table items is 'what we sell'", "comment on column items.name is 'what it is called'"):
        assert client.submit(sql).status == 200, sql
    return client


# --- SHOW ---

def test_show_tables_has_the_columns_of_the_service(shop):
    a = shop.submit("show tables")
    assert columns(a) == TABLES
    row = next(r for r in listed(shop, "show tables") if r["name"] == "ITEMS")
    assert (row["database_name"], row["schema_name"], row["kind"], row["comment"], row["rows"]) == (
        "MAYFLY", "PUBLIC", "TABLE", "what we sell", "1")
    kinds = {c["name"]: c["type"] for c in a.json["resultSetMetaData"]["rowType"]}
    assert (kinds["created_on"], kinds["name"], kinds["rows"]) == ("timestamp_ltz", "text", "fixed")


@pytest.mark.parametrize("sql, names", [
    ("show tables", ["ITEMS", "IT_EMS", "Mixed"]),
    ("SHOW TABLES;", ["ITEMS", "IT_EMS", "Mixed"]),
    ("show tables like 'ite%'", ["ITEMS"]),
    ("show tables like 'IT\\\\_%'", ["IT_EMS"]),
    ("show tables like 'it_ms'", ["ITEMS"]),
    ("show tables like 'it''ems'", []),
    ("show tables starts with 'IT'", ["ITEMS", "IT_EMS"]),
    ("show tables starts with 'it'", []),
    ("show tables limit 1", ["ITEMS"]),
    ("show tables limit 5 from 'ITEMS'", ["IT_EMS", "Mixed"]),
    ("show tables like '%' in schema public starts with 'M' limit 3", ["Mixed"]),
    ("show tables in other", ["ELSEWHERE"]),
    ("show tables in schema other", ["ELSEWHERE"]),
    ("show tables in mayfly.other", ["ELSEWHERE"]),
    ("show tables in schema", ["ITEMS", "IT_EMS", "Mixed"]),
    ("show tables in database", ["ELSEWHERE", "ITEMS", "IT_EMS", "Mixed"]),
    ("show tables in database mayfly", ["ELSEWHERE", "ITEMS", "IT_EMS", "Mixed"]),
    ("show tables in account", ["ELSEWHERE", "ITEMS", "IT_EMS", "Mixed"]),
    ("show tables in account like 'else%'", ["ELSEWHERE"]),
    ("show objects", ["CHEAP", "ITEMS", "IT_EMS", "Mixed"]),
    ("show views", ["CHEAP"]),
    ("show terse views in schema public", ["CHEAP"]),
    ("show sequences", ["NUMBERS"]),
    ("show schemas", ["INFORMATION_SCHEMA", "OTHER", "PUBLIC"]),
    ("show schemas like 'oth%' in database mayfly", ["OTHER"]),
    ("show schemas in mayfly", ["INFORMATION_SCHEMA", "OTHER", "PUBLIC"]),
    ("show databases", ["MAYFLY"]),
    ("show terse databases like 'may%'", ["MAYFLY"]),
    ("show stages", []), ("show procedures", []), ("show user functions", []), ("show functions like 'x'", []),
    ("show warehouses", ["COMPUTE_WH"]),
    ("show variables", []), ("show transactions", []),
])
def test_show_chooses_by_pattern_and_scope(shop, sql, names):
    assert listed(shop, sql, "name") == names


def test_the_context_of_the_request_is_the_scope(shop):
    assert listed(shop, "show tables", "name", schema="OTHER") == ["ELSEWHERE"]
    assert listed(shop, "show warehouses", "name", "is_current", warehouse="DEV_WH") == [("DEV_WH", "Y")]
    assert ("OTHER", "Y") in listed(shop, "show schemas", "name", "is_current", schema="OTHER")


@pytest.mark.parametrize("kind", ["tables", "objects", "views", "schemas", "databases"])
def test_terse_has_five_columns(shop, kind):
    assert columns(shop.submit(f"show terse {kind}")) == TERSE


def test_history_adds_when_it_was_dropped(shop):
    names = columns(shop.submit("show tables history"))
    assert names == TABLES[:11] + ["dropped_on"] + TABLES[11:]


def test_show_columns_tells_types_as_json(shop):
    rows = listed(shop, "show columns in table items")
    assert [r["column_name"] for r in rows] == ["ID", "NAME", "PRICE", "MADE"]
    assert json.loads(rows[0]["data_type"]) == {"type": "FIXED", "precision": 38, "scale": 0, "nullable": False}
    assert json.loads(rows[1]["data_type"])["type"] == "TEXT"
    assert json.loads(rows[2]["data_type"]) == {"type": "FIXED", "precision": 10, "scale": 2, "nullable": True}
    assert json.loads(rows[3]["data_type"]) == {"type": "TIMESTAMP_NTZ", "precision": 0, "scale": 9, "nullable": True}
    assert [r["null?"] for r in rows] == ["NOT_NULL", "true", "true", "true"]
    assert rows[1]["comment"] == "what it is called"
    assert listed(shop, "show columns like 'NA%' in items", "column_name") == ["NAME"]
    assert set(listed(shop, "show columns in schema other", "table_name")) == {"ELSEWHERE"}


def test_show_parameters_by_pattern(shop):
    assert listed(shop, "show parameters like 'timezone' in session", "key", "value", "type",
                  parameters={"TIMEZONE": "Asia/Tokyo"}) == [("TIMEZONE", "Asia/Tokyo", "STRING")]
    assert len(listed(shop, "show parameters")) > 10


def test_keys_are_told_though_nothing_enforces_them(fresh):
    fresh.cells("create table pk_t (a int, \"b b\" int, c int unique, constraint mine primary key (a, \"b b\"), unique (c, a))")
    fresh.cells("create table one_t (id int autoincrement primary key, n varchar(7))")
    fresh.cells("insert into pk_t values (1, 1, 1), (1, 1, 1)")
    a = fresh.submit("show primary keys in table pk_t")
    assert columns(a) == KEYS
    assert listed(fresh, "show primary keys in table pk_t", "column_name", "key_sequence", "constraint_name") == [("A", "1", "MINE"), ("b b", "2", "MINE")]
    assert listed(fresh, "show primary keys", "table_name", "column_name") == [("ONE_T", "ID"), ("PK_T", "A"), ("PK_T", "b b")]
    assert sorted(listed(fresh, "show unique keys in pk_t", "column_name", "key_sequence")) == [("A", "2"), ("C", "1"), ("C", "1")]
    assert listed(fresh, "describe table pk_t", "name", "primary key", "unique key", "null?") == [
        ("A", "Y", "Y", "N"), ("b b", "Y", "N", "N"), ("C", "N", "Y", "Y")]
    assert listed(fresh, "describe table one_t", "name", "type", "primary key") == [("ID", "NUMBER(38,0)", "Y"), ("N", "VARCHAR(7)", "N")]
    assert fresh.cells("select constraint_type, count(*) from information_schema.table_constraints group by 1 order by 1") == [["PRIMARY KEY", "2"], ["UNIQUE", "2"]]
    assert listed(fresh, "show sequences") == []
    assert listed(fresh, "describe table one_t", "default") == ["IDENTITY START 1 INCREMENT 1 NOORDER", None]
    assert listed(fresh, "show columns in one_t", "default", "autoincrement")[0] == ("", "IDENTITY START 1 INCREMENT 1 NOORDER")
    assert fresh.cells("select is_identity, identity_start, column_default from information_schema.columns where table_name = 'ONE_T' order by ordinal_position"
                       ) == [["YES", "1", None], ["NO", None, None]]
    fresh.cells("create table none_t (a int)")
    assert listed(fresh, "show primary keys in none_t") == []
    assert columns(fresh.submit("show imported keys in pk_t"))[1:4] == ["pk_database_name", "pk_schema_name", "pk_table_name"]


@pytest.mark.parametrize("sql, code, sqlstate, message", [
    ("show tables in schema nope", "002043", "02000", NOWHERE),
    ("show tables in database nope", "002043", "02000", NOWHERE),
    ("show tables in nope.public", "002043", "02000", NOWHERE),
    ("show schemas in database nope", "002043", "02000", NOWHERE),
    ("show columns in table nope", "002003", "42S02", "SQL compilation error:\nTable 'NOPE' does not exist or not authorized."),
    ("show primary keys in nope", "002003", "42S02", None),
    ("describe table nope", "002003", "42S02", "SQL compilation error:\nTable 'NOPE' does not exist or not authorized."),
    ("describe table other.nope", "002003", "42S02", "SQL compilation error:\nTable 'OTHER.NOPE' does not exist or not authorized."),
    ("desc view \"no'pe\"", "002003", "42S02", "SQL compilation error:\nView 'no'pe' does not exist or not authorized."),
    ("describe schema nope", "002043", "02000", NOWHERE),
    ("describe database nope", "002043", "02000", NOWHERE),
    ("show nonsense", "000002", "0A000", "Unsupported feature 'SHOW NONSENSE'."),
    ("describe warehouse w", "000002", "0A000", "Unsupported feature 'DESCRIBE WAREHOUSE'."),
    ("show tables like", "001003", "42000", "SQL compilation error:\nsyntax error line 1 at position 16 unexpected '<EOF>'."),
    ("show tables like items", "001003", "42000", "SQL compilation error:\nsyntax error line 1 at position 17 unexpected 'items'."),
    ("show tables\n  order by 1", "001003", "42000", "SQL compilation error:\nsyntax error line 2 at position 2 unexpected 'order'."),
    ("show", "001003", "42000", None),
    ("describe table", "001003", "42000", None),
    ("describe table a.b.c.d", "001003", "42000", None),
    ("describe table items type = stage", "001003", "42000", None),
])
def test_what_is_not_there_or_not_understood(shop, sql, code, sqlstate, message):
    refused(shop, sql, code, sqlstate, message)


# --- DESCRIBE ---

def test_describe_a_table(shop):
    a = shop.submit("describe table items")
    assert columns(a) == DESCRIBE
    rows = listed(shop, "desc table items type = columns", "name", "type", "kind", "null?", "primary key")
    assert rows == [("ID", "NUMBER(38,0)", "COLUMN", "N", "N"), ("NAME", "VARCHAR(16777216)", "COLUMN", "Y", "N"),
                    ("PRICE", "NUMBER(10,2)", "COLUMN", "Y", "N"), ("MADE", "TIMESTAMP_NTZ(9)", "COLUMN", "Y", "N")]
    assert listed(shop, "describe table \"Mixed\"", "type") == ["BOOLEAN", "FLOAT", "DATE", "BINARY(8388608)"]
    assert listed(shop, "describe table items", "comment")[1] == "what it is called"
    assert listed(shop, "describe mayfly.other.elsewhere", "name") == ["X"]


def test_describe_a_view_a_schema_and_a_database(shop):
    a = shop.submit("describe view cheap")
    assert columns(a) == DESCRIBE[:-1]
    assert listed(shop, "desc view cheap", "name", "type") == [("ID", "NUMBER(38,0)"), ("NAME", "VARCHAR(16777216)")]
    assert columns(shop.submit("describe schema public")) == ["created_on", "name", "kind"]
    assert ("CHEAP", "VIEW") in listed(shop, "describe schema public", "name", "kind")
    assert ("OTHER", "SCHEMA") in listed(shop, "describe database mayfly", "name", "kind")


# --- INFORMATION_SCHEMA ---

def test_information_schema(shop):
    assert listed(shop, "select table_name, table_type from information_schema.tables where table_schema = 'PUBLIC' order by 1",
                  "TABLE_NAME", "TABLE_TYPE") == [("CHEAP", "VIEW"), ("ITEMS", "BASE TABLE"), ("IT_EMS", "BASE TABLE"), ("Mixed", "BASE TABLE")]
    rows = listed(shop, "select * from mayfly.information_schema.columns where table_name = 'ITEMS' order by ordinal_position")
    assert [(r["COLUMN_NAME"], r["ORDINAL_POSITION"], r["IS_NULLABLE"], r["DATA_TYPE"], r["CHARACTER_MAXIMUM_LENGTH"], r["NUMERIC_PRECISION"],
             r["NUMERIC_SCALE"], r["DATETIME_PRECISION"]) for r in rows] == [
        ("ID", "1", "NO", "NUMBER", None, "38", "0", None), ("NAME", "2", "YES", "TEXT", "16777216", None, None, None),
        ("PRICE", "3", "YES", "NUMBER", None, "10", "2", None), ("MADE", "4", "YES", "TIMESTAMP_NTZ", None, None, None, "9")]
    assert listed(shop, "select schema_name from information_schema.schemata order by 1", "SCHEMA_NAME") == ["INFORMATION_SCHEMA", "OTHER", "PUBLIC"]
    assert listed(shop, "select database_name from information_schema.databases", "DATABASE_NAME") == ["MAYFLY"]
    assert listed(shop, "select table_name from \"INFORMATION_SCHEMA\".\"VIEWS\"", "TABLE_NAME") == ["CHEAP"]
    assert listed(shop, "select sequence_name, start_value, \"INCREMENT\" from information_schema.sequences", "SEQUENCE_NAME", "START_VALUE", "INCREMENT") == [
        ("NUMBERS", "5", "2")]
    assert shop.cells("select count(*) from information_schema.functions") == [["0"]]
    assert shop.cells("select count(*) from information_schema.table_constraints where constraint_type = 'UNIQUE'") == [["0"]]
    assert shop.cells("select t.table_name, c.column_name from information_schema.tables t join information_schema.columns c "
                      "on t.table_name = c.table_name where c.column_name = 'X'") == [["ELSEWHERE", "X"]]


def test_information_schema_knows_no_other_views(shop):
    refused(shop, "select * from information_schema.no_such", "002003", "42S02")


# --- whose objects are shown ---

SHOWS = ["show tables in account", "show objects in account", "show views in account", "show columns in account", "show schemas in account",
         "show databases", "show primary keys in account", "show sequences in account", "show user functions in account", "show variables",
         "select * from information_schema.tables", "select * from information_schema.columns", "select * from information_schema.table_constraints",
         "describe schema public", "describe database mayfly"]


def test_nothing_of_another_tenant_session_or_of_the_server_is_shown(shared):
    ours, theirs = Client(shared, tenant=unique("ours")), Client(shared, tenant=unique("theirs"))
    theirs.cells("create table hush_tenant (hush_a int)")
    one, two = Session(ours), Session(ours)
    one.table("hush_session", "hush_b int", rows=[[1]])
    for sql in SHOWS:
        for text in (ours.submit(sql), two.submit(sql)):
            assert text.status == 200, (sql, text)
            for word in ("hush", "HUSH", "_sf", "__eph", "\"mutable\"", "\"memory\"", "\"system\"", "\"temp\"", one.hex):
                assert word not in text.text, (sql, word, text)


def test_a_session_sees_its_tables_beside_the_tenants(shared):
    client = Client(shared, tenant=unique("tenant"))
    client.cells("create table kept (a int)")
    client.cells("create table both_ways (a int)")
    session = Session(client)
    session.table("made", "n integer, t text", rows=[[1, "x"]])
    session.submit("create table both_ways (b varchar not null)")

    def asked(sql, *wanted):
        return listed(session, sql, *wanted)

    assert asked("show tables", "name", "kind") == [("BOTH_WAYS", "TEMPORARY"), ("BOTH_WAYS", "TABLE"), ("KEPT", "TABLE"), ("made", "TEMPORARY")] or \
        sorted(asked("show tables", "name", "kind")) == sorted([("BOTH_WAYS", "TEMPORARY"), ("BOTH_WAYS", "TABLE"), ("KEPT", "TABLE"), ("made", "TEMPORARY")])
    assert asked("describe table made", "name", "type") == [("n", "NUMBER(38,0)"), ("t", "VARCHAR(16777216)")]
    assert asked("describe table both_ways", "name", "null?") == [("B", "N")]
    assert asked(f"describe table {session.ref('made')}", "name") == ["n", "t"]
    assert asked("show columns in table made", "column_name") == ["n", "t"]
    assert listed(client, "show tables", "name") == ["BOTH_WAYS", "KEPT"]
    assert listed(client, "describe table both_ways", "name") == ["A"]


@pytest.mark.parametrize("text", ["x' or '1' = '1", "%'; drop table items; --", "\\", "'", "\"", "a\\'b", "\u00e9%", "x" * 5000])
def test_patterns_and_names_are_only_text(shop, text):
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    assert listed(shop, f"show tables like {quoted}") == []
    assert listed(shop, f"show tables starts with {quoted} limit 3 from {quoted}") == []
    name = '"' + text.replace('"', '""') + '"'
    refused(shop, f"show tables in schema {name}", "002043", "02000", NOWHERE)
    assert shop.submit(f"describe table {name}").status == 422
    assert len(listed(shop, "show tables")) == 3
