"""What is bound comes back as its cell: every type over its whole range, by chance with a seed and at its ends."""
import random
import struct

import pytest

SEED, VALUES, AT_ONCE = 20261122, 400, 100
DAYS = (-719162, 2932896)  # 0001-01-01 and 9999-12-31
NANOS = 10 ** 9


def seconds(ns):
    return ("-" if ns < 0 else "") + f"{abs(ns) // NANOS}.{abs(ns) % NANOS:09d}"


def fixed(r):
    digits = str(r.randint(1, 9)) + "".join(r.choices("0123456789", k=r.randint(0, 37)))
    scale = r.randint(0, len(digits) - 1)
    text = r.choice(("", "-")) + (digits[:-scale] + "." + digits[-scale:] if scale else digits)
    return text, text


def date(r, days=None):
    days = r.randint(*DAYS) if days is None else days
    return str(days * 86400000), str(days)


def time(r):
    ns = r.randint(0, 86400 * NANOS - 1)
    return str(ns), seconds(ns)


def instant(r):
    """Any nanosecond that 64 bits hold, any microsecond beyond."""
    near, years = r.randint(-2 ** 63 + 10 ** 6, 2 ** 63 - 1), r.randint(DAYS[0] * 86400 * 10 ** 6, DAYS[1] * 86400 * 10 ** 6) * 1000
    ns = r.choice((near, years, r.randint(-2 * NANOS, 2 * NANOS)))
    return str(ns), seconds(ns)


def whole_instant(r):
    """Microseconds: what TIMESTAMP_LTZ holds."""
    ns = int(instant(r)[0]) // 1000 * 1000
    return str(ns), seconds(ns)


def zoned(r):
    text, cell = instant(r)
    offset = r.randint(-840, 840) + 1440
    return f"{text} {offset}", f"{cell} {offset}"


def text(r):
    value = "".join(chr(r.choice((r.randint(32, 126), r.randint(0xA0, 0xD7FF), r.randint(0x10000, 0x10FFFF)))) for _ in range(r.randint(0, 40)))
    return value, value


def binary(r):
    value = r.randbytes(r.randint(0, 60))
    return value.hex(), value.hex().upper()


def boolean(r):
    value = r.choice(("true", "false", "1", "0"))
    return value, "true" if value in ("true", "1") else "false"


NINES = "9" * 38
KINDS = {
    "FIXED": (fixed, [(v, v) for v in (NINES, "-" + NINES, "0", "0." + "0" * 36 + "1", NINES[:1] + "." + NINES[1:], "-0." + NINES[:37])]),
    "DATE": (date, [date(None, d) for d in (*DAYS, -1, 0, 1)]),
    "TIME": (time, [("0", "0.000000000"), ("86399999999999", "86399.999999999"), ("1", "0.000000001")]),
    "TIMESTAMP_NTZ": (instant, [("-1", "-0.000000001"), ("-500000000", "-0.500000000"), ("-1000000001", "-1.000000001")]),
    "TIMESTAMP_LTZ": (whole_instant, [("-1000", "-0.000001000"), ("-500000000", "-0.500000000")]),
    "TIMESTAMP_TZ": (zoned, [("-1 1440", "-0.000000001 1440"), ("0 600", "0.000000000 600"), ("0 2280", "0.000000000 2280")]),
    "TEXT": (text, [("", ""), ("'\"\\\n\t\u2028", "'\"\\\n\t\u2028"), ("null", "null")]),
    "BINARY": (binary, [("", ""), ("00", "00"), ("ff" * 1000, "FF" * 1000)]),
    "BOOLEAN": (boolean, []),
}


def cells_of(client, kind, values):
    """One row, as many columns."""
    binds = {str(i + 1): {"type": kind, "value": v} for i, v in enumerate(values)}
    a = client.submit("select " + ", ".join(["?"] * len(values)), binds)
    assert a.status == 200, a
    return a.json["data"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_bound_comes_back(client, kind):
    make, ends = KINDS[kind]
    r = random.Random(f"{SEED} {kind}")
    pairs = ends + [make(r) for _ in range(VALUES)]
    for i in range(0, len(pairs), AT_ONCE):
        some = pairs[i:i + AT_ONCE]
        assert list(zip((v for v, _ in some), cells_of(client, kind, [v for v, _ in some]))) == some


def test_every_finite_double_comes_back(client):
    r = random.Random(f"{SEED} REAL")
    drawn = (struct.unpack("<d", r.randbytes(8))[0] for _ in range(2 * VALUES))
    values = [v for v in drawn if v - v == 0] + [0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e22, 123456789.0]
    for i in range(0, len(values), AT_ONCE):
        some = values[i:i + AT_ONCE]
        assert [float(cell) for cell in cells_of(client, "REAL", [repr(v) for v in some])] == some


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_them_goes_into_a_table_and_comes_back(client, kind):
    """The same by array binds, in one column: of numbers and instants what the column's type holds."""
    types = {"FIXED": "number(38,10)", "TEXT": "varchar", "TIMESTAMP_NTZ": "timestamp_ntz", "TIME": "time"}
    make, _ = KINDS[kind]
    r = random.Random(f"{SEED} batch {kind}")
    pairs = [make(r) for _ in range(VALUES)]
    if kind == "FIXED":
        pairs = [(f"{n}.{m:010d}",) * 2 for n, m in ((r.randint(1, 10 ** 28 - 1), r.randint(0, 10 ** 10 - 1)) for _ in range(VALUES))]
    if kind in ("TIMESTAMP_NTZ", "TIME"):
        pairs = [(str(ns), seconds(ns)) for ns in (int(v) // 1000 * 1000 for v, _ in pairs)]
    table = f"batch_{kind.lower()}"
    client.submit(f"create or replace table {table} (i int, v {types.get(kind, kind)})")
    a = client.submit(f"insert into {table} values (?, ?)", {"1": {"type": "FIXED", "value": [str(i) for i in range(len(pairs))]},
                                                             "2": {"type": kind, "value": [v for v, _ in pairs]}})
    assert a.status == 200 and a.json["data"] == [[str(len(pairs))]], a
    a = client.submit(f"select v from {table} order by i")
    assert [row[0] for row in a.json["data"]] == [cell for _, cell in pairs]
