"""readers - what part_pyiceberg and part_duckdb share: Pythons with pinned packages, and a space with every type that tables keep."""
import datetime
import glob
import importlib
import os
import sys
import uuid
from decimal import Decimal

import needs

sys.path.insert(0, os.path.join(needs.ROOT, "tests", "http"))

PYICEBERG = [
    "pyiceberg==0.12.0", "pyarrow==26.0.1", "annotated-types==0.8.0", "cachetools==8.0.1", "certifi==2026.10.18", "charset-normalizer==3.5.2",
    "click==8.5.1", "fsspec==2026.9.0", "idna==3.20", "markdown-it-py==4.3.0", "mdurl==0.1.2", "mmh3==5.3.1", "pydantic==2.14.3",
    "pydantic-core==2.50.4", "pygments==2.21.0", "pyparsing==3.3.3", "pyroaring==1.2.0", "python-dateutil==4.0.0", "requests==2.34.2",
    "rich==15.0.0", "strictyaml==1.7.3", "tenacity==9.2.1", "typing-extensions==4.16.0", "typing-inspection==0.4.5", "urllib3==2.8.0",
    "zstandard==0.25.0",
]
DUCKDB = [
    "duckdb==1.5.5", "duckdb-extension-avro==1.5.5", "duckdb-extension-httpfs==1.5.5", "duckdb-extension-iceberg==1.5.5",
    "pytz==2026.6",
]

UTC = datetime.timezone.utc
NAN = float("nan")

# name, DuckDB's type, Iceberg's type, SQL of three values, what they are in Python. A fourth row is all NULL.
TYPES = [
    ("b", "BOOLEAN", "boolean", ["true", "false", "true"], [True, False, True]),
    ("i8", "TINYINT", "int", ["-128", "0", "127"], [-128, 0, 127]),
    ("i16", "SMALLINT", "int", ["-32768", "0", "32767"], [-32768, 0, 32767]),
    ("i32", "INTEGER", "int", ["-2147483648", "0", "2147483647"], [-2147483648, 0, 2147483647]),
    ("i64", "BIGINT", "long", ["-9223372036854775808", "9007199254740993", "9223372036854775807"],
     [-9223372036854775808, 9007199254740993, 9223372036854775807]),
    ("u8", "UTINYINT", "int", ["0", "128", "255"], [0, 128, 255]),
    ("u16", "USMALLINT", "int", ["0", "32768", "65535"], [0, 32768, 65535]),
    ("u32", "UINTEGER", "long", ["0", "2147483648", "4294967295"], [0, 2147483648, 4294967295]),
    ("u64", "UBIGINT", "decimal(20, 0)", ["0", "9223372036854775808", "18446744073709551615"],
     [Decimal(0), Decimal(9223372036854775808), Decimal(18446744073709551615)]),
    ("f", "FLOAT", "float", ["'-0.0'", "-1.5", "3.25"], [-0.0, -1.5, 3.25]),
    ("fnan", "FLOAT", "float", ["'NaN'", "-1.5", "'Infinity'"], [NAN, -1.5, float("inf")]),
    ("d", "DOUBLE", "double", ["'-0.0'", "-2.25", "1e300"], [-0.0, -2.25, 1e300]),
    ("zeros", "DOUBLE", "double", ["0.0", "'-0.0'", "0.0"], [0.0, -0.0, 0.0]),
    ("dnan", "DOUBLE", "double", ["'NaN'", "'-Infinity'", "0.5"], [NAN, float("-inf"), 0.5]),
    ("dec9", "DECIMAL(9,2)", "decimal(9, 2)", ["-12.34", "-1234567.89", "0.01"],
     [Decimal("-12.34"), Decimal("-1234567.89"), Decimal("0.01")]),
    ("dec18", "DECIMAL(18,4)", "decimal(18, 4)", ["-99999999999999.9999", "-0.0001", "1"],
     [Decimal("-99999999999999.9999"), Decimal("-0.0001"), Decimal("1.0000")]),
    ("dec38", "DECIMAL(38,10)", "decimal(38, 10)", ["-9999999999999999999999999999.9999999999", "-0.5", "12345678901234567890.5"],
     [Decimal("-9999999999999999999999999999.9999999999"), Decimal("-0.5000000000"), Decimal("12345678901234567890.5000000000")]),
    ("dec20", "DECIMAL(20,3)", "decimal(20, 3)", ["-12345678901234567.891", "0", "1.5"],
     [Decimal("-12345678901234567.891"), Decimal("0.000"), Decimal("1.500")]),
    ("huge", "HUGEINT", "decimal(38, 0)", ["-5", "0", "12345678901234567890123456789"],
     [Decimal(-5), Decimal(0), Decimal(12345678901234567890123456789)]),
    ("dt", "DATE", "date", ["'1969-12-31'", "'0001-01-01'", "'2024-02-29'"],
     [datetime.date(1969, 12, 31), datetime.date(1, 1, 1), datetime.date(2024, 2, 29)]),
    ("t", "TIME", "time", ["'00:00:00'", "'01:02:03.000004'", "'23:59:59.999999'"],
     [datetime.time(0), datetime.time(1, 2, 3, 4), datetime.time(23, 59, 59, 999999)]),
    ("ts", "TIMESTAMP", "timestamp", ["'1969-12-31 23:59:59.999999'", "'1900-01-01 00:00:00'", "'2262-04-12 00:00:00'"],
     [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(1900, 1, 1), datetime.datetime(2262, 4, 12)]),
    ("tz", "TIMESTAMPTZ", "timestamptz", ["'1969-12-31 23:59:59.5+00'", "'1901-01-01 00:00:00+00'", "'2024-07-01 02:00:00+02'"],
     [datetime.datetime(1969, 12, 31, 23, 59, 59, 500000, UTC), datetime.datetime(1901, 1, 1, tzinfo=UTC), datetime.datetime(2024, 7, 1, tzinfo=UTC)]),
    ("tss", "TIMESTAMP_S", "timestamp", ["'1969-12-31 23:59:59'", "'1970-01-01 00:00:00'", "'2024-01-01 00:00:00'"],
     [datetime.datetime(1969, 12, 31, 23, 59, 59), datetime.datetime(1970, 1, 1), datetime.datetime(2024, 1, 1)]),
    ("tsms", "TIMESTAMP_MS", "timestamp", ["'1969-12-31 23:59:59.001'", "'1970-01-01 00:00:00'", "'2024-01-01 00:00:00.999'"],
     [datetime.datetime(1969, 12, 31, 23, 59, 59, 1000), datetime.datetime(1970, 1, 1), datetime.datetime(2024, 1, 1, 0, 0, 0, 999000)]),
    ("tsns", "TIMESTAMP_NS", "timestamp", ["'1969-12-31 23:59:59.000001'", "'1970-01-01 00:00:00'", "'2024-01-01 00:00:00.5'"],
     [datetime.datetime(1969, 12, 31, 23, 59, 59, 1), datetime.datetime(1970, 1, 1), datetime.datetime(2024, 1, 1, 0, 0, 0, 500000)]),
    ("s", "VARCHAR", "string", ["''", "'üñ€😀 and much longer than sixteen characters'", "'zz'"],
     ["", "üñ€😀 and much longer than sixteen characters", "zz"]),
    ("high", "VARCHAR", "string", ["repeat(chr(1114111), 20)", "'a'", "repeat('~', 17)"], [chr(1114111) * 20, "a", "~" * 17]),
    ("bl", "BLOB", "binary", [r"'\x00\xFF'", r"'\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF'", "''"],
     [b"\x00\xff", b"\xff" * 18, b""]),
    ("u", "UUID", "uuid", ["'6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
     [uuid.UUID("6b1f0d3e-6b0c-4c0e-8f5e-9a4f0f1f6d01"), uuid.UUID(int=0), uuid.UUID(int=2 ** 128 - 1)]),
    ("e", "ENUM('a', 'b')", "string", ["'a'", "'b'", "'a'"], ["a", "b", "a"]),
    ("j", "JSON", "string", ["'{\"k\": 1}'", "'[]'", "'null'"], ['{"k": 1}', "[]", "null"]),
    ("bits", "BIT", "string", ["'101'", "'0'", "'1'"], ["101", "0", "1"]),
    ("iv", "INTERVAL", "string", ["'1 day'", "'-2 months'", "'1 hour'"], ["1 day", "-2 months", "01:00:00"]),
    ("ttz", "TIMETZ", "string", ["'01:02:03+02'", "'00:00:00+00'", "'23:59:59-01'"], ["01:02:03+02", "00:00:00+00", "23:59:59-01"]),
    ("l", "INTEGER[]", "list<int>", ["[1, NULL, -3]", "[]", "[7]"], [[1, None, -3], [], [7]]),
    ("arr", "INTEGER[2]", "list<int>", ["[1, 2]", "[3, NULL]", "[-5, 6]"], [[1, 2], [3, None], [-5, 6]]),
    ("st", "STRUCT(x INTEGER, y VARCHAR)", "struct", ["{'x': 1, 'y': 'z'}", "{'x': NULL, 'y': NULL}", "{'x': -1, 'y': ''}"],
     [{"x": 1, "y": "z"}, {"x": None, "y": None}, {"x": -1, "y": ""}]),
    ("m", "MAP(VARCHAR, INTEGER)", "map<string, int>", ["MAP {'k': 1, 'l': NULL}", "MAP {}", "MAP {'': -1}"],
     [[("k", 1), ("l", None)], [], [("", -1)]]),
    ("deep", "STRUCT(p DECIMAL(10,2), q DATE)[]", "list", ["[{'p': -1.25, 'q': '1969-12-31'}, NULL]", "[]", "[{'p': NULL, 'q': NULL}]"],
     [[{"p": Decimal("-1.25"), "q": datetime.date(1969, 12, 31)}, None], [], [{"p": None, "q": None}]]),
]


def select(rows):
    """SELECT of these rows of TYPES (3 is the one of NULLs), by n, their number."""
    def one(n):
        cells = [f"({'NULL' if n == 3 else sql[n]})::{duck} AS {name}" for name, duck, _, sql, _ in TYPES]
        return f"SELECT {n}::INTEGER AS n, {', '.join(cells)}, NULL AS untyped"
    return "SELECT * FROM (" + " UNION ALL BY NAME ".join(one(n) for n in rows) + ")"


def expected(name, n):
    return None if n == 3 else next(values for other, _, _, _, values in TYPES if other == name)[n]


def within(*pins):
    """Goes on in a Python that has these packages of PyPI."""
    python = needs.python(*pins)
    if sys.executable != python:
        os.execv(python, [python, "-B", *sys.argv])


def duckdb():
    """A DuckDB with the extensions of the packages, whose signatures by DuckDB are checked as always."""
    c = importlib.import_module("duckdb").connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in ("avro", "httpfs", "iceberg"):
        package = os.path.dirname(importlib.import_module("duckdb_extension_" + name).__file__)
        files = glob.glob(os.path.join(package, "**", name + ".duckdb_extension"), recursive=True)
        assert len(files) == 1, files
        c.execute(f"LOAD '{files[0]}'")
    c.execute("SET TimeZone = 'UTC'")
    return c
