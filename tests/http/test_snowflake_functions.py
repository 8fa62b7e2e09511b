"""Snowflake's functions and operators: expression by expression, the cell and the type that the service answers.

Types: fixed(scale), else the name on the wire; None: not looked at.
"""
import datetime

import pytest

from mayfly import Client, unique

F0, F6, TEXT, REAL, BOOL = "fixed(0)", "fixed(6)", "text", "real", "boolean"
DATE, TIME, NTZ, LTZ, TZ, BYTES = "date", "time", "timestamp_ntz", "timestamp_ltz", "timestamp_tz", "binary"


def days(text):
    return str((datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days)


def seconds(text, fraction="000000000"):
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return f"{int(moment.timestamp())}.{fraction}"


def clock(text, fraction="000000000"):
    h, m, s = map(int, text.split(":"))
    return f"{h * 3600 + m * 60 + s}.{fraction}"


OPERATORS = [
    ("1/3", "0.333333", F6), ("2/3", "0.666667", F6), ("-1/3", "-0.333333", F6), ("-2/3", "-0.666667", F6),
    ("7/2", "3.500000", F6), ("0/5", "0.000000", F6), ("null/0", None, None), ("null/1", None, None),
    ("10.25/3", "3.41666667", "fixed(8)"), ("1.5/2", "0.7500000", "fixed(7)"), ("1.000001/2", "0.500000500000", "fixed(12)"),
    ("1::float/4", "0.25", REAL), ("1/4::float", "0.25", REAL), ("1234567890123456789/7", "176366841446208112.714286", F6),
    ("1e2::float/8", "12.5", REAL),
    ("5 % 3", "2", F0), ("-7 % 3", "-1", F0), ("7.5 % 2", "1.5", "fixed(1)"), ("mod(7, 3)", "1", F0), ("mod(-7, 3)", "-1", F0),
    ("'a' || 'b'", "ab", TEXT), ("'a' || 1", "a1", TEXT), ("1 || 2", "12", TEXT), ("'a' || 1.50", "a1.50", TEXT),
    ("'a' || true", "atrue", TEXT), ("'a' || null", None, None),
    ("null = null", None, None), ("null and false", "false", BOOL), ("null or true", "true", BOOL), ("null and true", None, BOOL),
    ("not null::boolean", None, BOOL), ("1 in (2, null)", None, BOOL), ("1 not in (2, null)", None, BOOL), ("1 in (1, null)", "true", BOOL),
    ("'abc' like 'a%'", "true", BOOL), ("'a%c' like 'a^%c' escape '^'", "true", BOOL), ("'abc' like 'a^%c' escape '^'", "false", BOOL),
    ("'ABC' like 'abc'", "false", BOOL), ("'ABC' ilike 'abc'", "true", BOOL), ("'a' < 'B'", "false", BOOL), ("'a' = 'a '", "false", BOOL),
    ("'Z' < 'a'", "true", BOOL), ("5 between 1 and 5", "true", BOOL), ("1 <> 2", "true", BOOL), ("1 != 1", "false", BOOL),
    ("'2024-01-31'::date + 1", days("2024-02-01"), DATE), ("'2024-03-01'::date - '2024-02-01'::date", "29", F0),
    ("'2024-03-01'::date - 1", days("2024-02-29"), DATE),
]

CONDITIONS = [
    ("iff(1 > 0, 'a', 'b')", "a", TEXT), ("iff(null, 1, 2)", "2", F0), ("nvl(null, 1)", "1", F0), ("nvl(2, 1)", "2", F0),
    ("ifnull(null, 'x')", "x", TEXT), ("nvl2(1, 2, 3)", "2", F0), ("nvl2(null, 2, 3)", "3", F0), ("coalesce(null, null, 3)", "3", F0),
    ("zeroifnull(null)", "0", F0), ("zeroifnull(5)", "5", F0), ("nullifzero(0)", None, None), ("nullifzero(5)", "5", F0),
    ("nullif(1, 1)", None, None), ("nullif(1, 2)", "1", F0), ("equal_null(null, null)", "true", BOOL), ("equal_null(1, null)", "false", BOOL),
    ("equal_null(1, 1)", "true", BOOL), ("decode(2, 1, 'a', 2, 'b')", "b", TEXT), ("decode(3, 1, 'a', 2, 'b', 'z')", "z", TEXT),
    ("decode(null, null, 'n')", "n", TEXT), ("decode(5, 1, 2)", None, None), ("decode(4, 1, 'a', 2, 'b', 3, 'c', 4, 'd', 'e')", "d", TEXT),
    ("greatest(1, 3, 2)", "3", F0), ("greatest(1, null)", None, None), ("least(3, 1, 2)", "1", F0), ("least(1, null)", None, None),
    ("greatest('a', 'b')", "b", TEXT), ("greatest_ignore_nulls(1, null, 2)", "2", F0), ("least_ignore_nulls(1, null, 2)", "1", F0),
    ("booland(1, 0)", "false", BOOL), ("boolor(1, 0)", "true", BOOL), ("boolxor(1, 1)", "false", BOOL), ("boolnot(0)", "true", BOOL),
    ("div0(1, 0)", "0.000000", F6), ("div0(10, 4)", "2.500000", F6), ("div0(null, 0)", None, None), ("div0null(1, null::int)", "0.000000", F6),
]

NUMBERS = [
    ("round(2.5)", "3", F0), ("round(-2.5)", "-3", F0), ("round(1234.5678, 2)", "1234.57", "fixed(2)"), ("round(155, -1)", "160", F0),
    ("round(-155, -1)", "-160", F0), ("round(2.5::number(38,1), 0)", "3", F0), ("round(2.5, 0, 'HALF_TO_EVEN')", "2", F0),
    ("round(1.5::float)", "2", REAL), ("trunc(1.789, 1)", "1.7", None), ("trunc(-1.9)", "-1", F0), ("truncate(1.789, 2)", "1.78", None),
    ("trunc(189, -1)", "180", F0), ("ceil(1.1)", "2", F0), ("floor(-1.1)", "-2", F0), ("ceil(135.135, 2)", "135.14", "fixed(2)"),
    ("ceil(-135.135, 2)", "-135.13", "fixed(2)"), ("floor(135.135, 1)", "135.1", "fixed(1)"), ("floor(-135.135, 1)", "-135.2", "fixed(1)"),
    ("ceil(151, -1)", "160", F0), ("floor(159, -1)", "150", F0), ("abs(-1.5)", "1.5", "fixed(1)"), ("sign(-3)", "-1", F0),
    ("square(3)", "9", REAL), ("cbrt(27)", "3", REAL), ("sqrt(16)", "4", REAL), ("power(2, 10)", "1024", REAL), ("exp(0)", "1", REAL),
    ("log(2, 8)", "3", REAL), ("ln(1)", "0", REAL), ("factorial(5)", "120", F0), ("factorial(20)", "2432902008176640000", F0),
    ("width_bucket(290000, 200000, 600000, 4)", "1", F0), ("width_bucket(100, 0, 10, 5)", "6", F0), ("width_bucket(-1, 0, 10, 5)", "0", F0),
    ("bitand(6, 3)", "2", F0), ("bitor(6, 3)", "7", F0), ("bitxor(6, 3)", "5", F0), ("bitnot(5)", "-6", F0),
    ("bitshiftleft(1, 4)", "16", F0), ("bitshiftright(16, 2)", "4", F0), ("bitshiftright(-16, 2)", "-4", F0), ("getbit(11, 1)", "1", F0),
    ("getbit(11, 2)", "0", F0), ("bitand(6::number(38,0), 3)", "2", F0), ("degrees(pi())", "180", REAL),
    ("to_number('12.3')", "12", F0), ("to_number('12.5')", "13", F0), ("to_number('-12.5')", "-13", F0), ("to_number(' 1e3 ')", "1000", F0),
    ("to_number(12.5)", "13", F0), ("to_number('12.345', 10, 2)", "12.35", "fixed(2)"), ("to_decimal('12.345', 10, 1)", "12.3", "fixed(1)"),
    ("to_numeric('7')", "7", F0), ("to_number('1,234.56', '9,999.99', 10, 2)", "1234.56", "fixed(2)"), ("to_number('$3,741.72', '$9,999.99', 6, 2)", "3741.72", "fixed(2)"),
    ("try_to_number('abc')", None, F0), ("try_to_number('7')", "7", F0), ("try_to_decimal('x', 10, 2)", None, "fixed(2)"), ("to_number(true)", "1", F0),
    ("to_double('1.5e3')", "1500", REAL), ("to_double('nan')", "NaN", REAL), ("try_to_double('x')", None, REAL), ("to_double(1.5)", "1.5", REAL),
    ("to_boolean('yes')", "true", BOOL), ("to_boolean('T')", "true", BOOL), ("to_boolean('off')", "false", BOOL), ("to_boolean(0)", "false", BOOL),
    ("to_boolean(2.5)", "true", BOOL), ("try_to_boolean('maybe')", None, BOOL), ("to_boolean(true)", "true", BOOL),
]

TEXTS = [
    ("length('héllo')", "5", F0), ("len(123)", "3", F0), ("length('')", "0", F0), ("length(x'0102')", "2", F0), ("octet_length('é')", "2", F0),
    ("bit_length('é')", "16", F0), ("length(null)", None, F0), ("substr('abcdef', 2, 3)", "bcd", TEXT), ("substr('abcdef', 0, 2)", "ab", TEXT),
    ("substr('abcdef', -3, 2)", "de", TEXT), ("substr('abc', -9)", "", TEXT), ("substr('abc', 2, -1)", "", TEXT), ("substring('abc', 2)", "bc", TEXT),
    ("substr('abc', 2::number(38,0))", "bc", TEXT), ("substr('éàü', 2, 1)", "à", TEXT), ("substr(x'010203', 2, 1)", "02", BYTES),
    ("left('abc', 2)", "ab", TEXT), ("left('abc', -1)", "", TEXT), ("right('abc', 2)", "bc", TEXT), ("right('abc', 0)", "", TEXT),
    ("charindex('b', 'abcb')", "2", F0), ("charindex('b', 'abcb', 3)", "4", F0), ("charindex('z', 'a')", "0", F0), ("position('b' in 'abc')", "2", F0),
    ("position('b', 'abcb', 3)", "4", F0), ("startswith('abc', 'a')", "true", BOOL), ("endswith('abc', 'c')", "true", BOOL),
    ("contains('abc', 'b')", "true", BOOL), ("contains('a', null)", None, BOOL), ("insert('abcdef', 3, 2, 'zz')", "abzzef", TEXT),
    ("insert('abc', 1, 2, 'Z')", "Zc", TEXT), ("replace('abab', 'b')", "aa", TEXT), ("replace('abab', 'b', 'x')", "axax", TEXT),
    ("translate('abc', 'ab', 'x')", "xc", TEXT), ("lpad('a', 3, '*')", "**a", TEXT), ("lpad('abc', 2, '*')", "ab", TEXT), ("lpad('a', 3)", "  a", TEXT),
    ("rpad('a', 3, 'xy')", "axy", TEXT), ("rpad('abc', 2)", "ab", TEXT), ("lpad('a', -1, 'x')", "", TEXT), ("repeat('ab', 2)", "abab", TEXT),
    ("repeat('ab', 0)", "", TEXT), ("space(3)", "   ", TEXT), ("reverse('abc')", "cba", TEXT), ("reverse(x'0102')", "0201", BYTES),
    ("upper('aé')", "AÉ", TEXT), ("lower('AÉ')", "aé", TEXT), ("trim('  a ')", "a", TEXT), ("trim('xxaxx', 'x')", "a", TEXT),
    ("ltrim('0012', '0')", "12", TEXT), ("rtrim('12.500', '0')", "12.5", TEXT), ("trim(12)", "12", TEXT), ("rtrimmed_length('ab  ')", "2", F0),
    ("chr(65)", "A", TEXT), ("char(97)", "a", TEXT), ("ascii('A')", "65", F0), ("ascii('')", "0", F0), ("unicode('é')", "233", F0), ("unicode('')", "0", F0),
    ("initcap('hello wORLD')", "Hello World", TEXT), ("initcap('the-quick_brown')", "The-Quick_Brown", TEXT), ("initcap('a_b c', '_')", "A_B c", TEXT),
    ("initcap('éa')", "Éa", TEXT), ("strtok('a.b.c', '.', 2)", "b", TEXT), ("strtok('  a b')", "a", TEXT), ("strtok('a.b', '.', 5)", None, TEXT),
    ("strtok('user@snowflake.com', '@.', 3)", "com", TEXT), ("split_part('a.b.c', '.', 2)", "b", TEXT), ("split_part('a.b.c', '.', -1)", "c", TEXT),
    ("split_part('a.b', '.', 0)", "a", TEXT), ("split_part('a', '.', 5)", "", TEXT), ("split_part('abc', '', 1)", "abc", TEXT),
    ("split_part('127.0.0.1', '.', -2)", "0", TEXT), ("split_part('|a|b|c|', '|', 1)", "", TEXT),
    ("split('a,b', ',')", '[\n  "a",\n  "b"\n]', "array"), ("split('ab', ',')", '[\n  "ab"\n]', "array"), ("strtok_to_array('a b')", '[\n  "a",\n  "b"\n]', "array"),
    ("concat('a', 'b', 'c')", "abc", TEXT), ("concat('a', 1)", "a1", TEXT), ("concat('a', null)", None, TEXT), ("concat_ws('-', 'a', 'b')", "a-b", TEXT),
    ("concat_ws('-', 'a', null)", None, TEXT), ("soundex('Robert')", "R163", TEXT), ("soundex('Rupert')", "R163", TEXT), ("soundex('Ashcraft')", "A261", TEXT),
    ("soundex('Tymczak')", "T522", TEXT), ("editdistance('kitten', 'sitting')", "3", F0), ("editdistance('kitten', 'sitting', 2)", "2", F0),
    ("jarowinkler_similarity('Snowflake', 'Oracle')", "61", F0), ("jarowinkler_similarity('Gute nacht', 'Ich weis nicht')", "56", F0),
    ("jarowinkler_similarity('święta', 'swieta')", "77", F0), ("jarowinkler_similarity('', '')", "0", F0),
]

PATTERNS = [
    ("regexp_like('abc', 'a.c')", "true", BOOL), ("regexp_like('xabc', 'a.c')", "false", BOOL), ("regexp_like('ABC', 'abc', 'i')", "true", BOOL),
    ("rlike('800-456-7891', '[2-9]\\\\d{2}-\\\\d{3}-\\\\d{4}')", "true", BOOL), ("'abc' rlike '.*c'", "true", BOOL), ("'abc' not rlike 'b'", "true", BOOL),
    ("regexp_like('a\\nc', 'a.c')", "false", BOOL), ("regexp_like('a\\nc', 'a.c', 's')", "true", BOOL),
    ("regexp_count('a1b22c333', '[0-9]+')", "3", F0), ("regexp_count('abcabc', 'a', 2)", "1", F0), ("regexp_count('ABab', 'a', 1, 'i')", "2", F0),
    ("regexp_substr('a1b22c333', '[0-9]+')", "1", TEXT), ("regexp_substr('a1b22c333', '[0-9]+', 1, 2)", "22", TEXT), ("regexp_substr('abc', 'z')", None, TEXT),
    ("regexp_substr('a1b22', '([a-z])([0-9]+)', 1, 2, 'e', 2)", "22", TEXT), ("regexp_substr('a1b22', '([a-z])([0-9]+)', 1, 2, 'e')", "b", TEXT),
    ("regexp_substr('ABC', 'b', 1, 1, 'i')", "B", TEXT), ("regexp_substr_all('a1_b2', '[a-z][0-9]')", '[\n  "a1",\n  "b2"\n]', "array"),
    ("regexp_replace('abcabc', 'b')", "acac", TEXT), ("regexp_replace('abcabc', 'b', 'X')", "aXcaXc", TEXT), ("regexp_replace('abcabc', 'b', 'X', 3)", "abcaXc", TEXT),
    ("regexp_replace('abcabcabc', 'b', 'X', 1, 2)", "abcaXcabc", TEXT), ("regexp_replace('ABC', 'b', 'X', 1, 0, 'i')", "AXC", TEXT),
    ("regexp_replace('first middle last', '(.*) (.*) (.*)', '\\\\3, \\\\1 \\\\2')", "last, first middle", TEXT),
    ("regexp_instr('abcabc', 'b')", "2", F0), ("regexp_instr('abcabc', 'b', 1, 2)", "5", F0), ("regexp_instr('abcabc', 'bc', 1, 1, 1)", "4", F0),
    ("regexp_instr('abc', 'z')", "0", F0), ("regexp_instr('abcabc', 'B', 3, 1, 0, 'i')", "5", F0), ("regexp_instr(null, 'a')", None, F0),
]

BINARIES = [
    ("to_binary('616263')", "616263", BYTES), ("to_binary('YWJj', 'BASE64')", "616263", BYTES), ("to_binary('abc', 'UTF-8')", "616263", BYTES),
    ("try_to_binary('zz')", None, BYTES), ("hex_encode('abc')", "616263", TEXT), ("hex_encode('jkl', 0)", "6a6b6c", TEXT), ("hex_encode('jkl')", "6A6B6C", TEXT),
    ("hex_decode_string('616263')", "abc", TEXT), ("hex_decode_binary('616263')", "616263", BYTES), ("try_hex_decode_string('6')", None, TEXT),
    ("base64_encode('Snowflake')", "U25vd2ZsYWtl", TEXT), ("base64_decode_string('U25vd2ZsYWtl')", "Snowflake", TEXT),
    ("base64_decode_binary('YWJj')", "616263", BYTES), ("try_base64_decode_string('!!')", None, TEXT),
    ("md5('abc')", "900150983cd24fb0d6963f7d28e17f72", TEXT), ("md5_hex('abc')", "900150983cd24fb0d6963f7d28e17f72", TEXT),
    ("md5_binary('abc')", "900150983CD24FB0D6963F7D28E17F72", BYTES), ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d", TEXT),
    ("sha1_hex('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d", TEXT), ("sha2('abc', 224)", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7", TEXT),
    ("sha2('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", TEXT),
    ("sha2_hex('abc', 256)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", TEXT), ("length(sha2('abc', 384))", "96", F0),
    ("length(sha2('abc', 512))", "128", F0), ("length(sha2_binary('abc'))", "32", F0),
    ("uuid_string('fe971b24-9572-4005-b22f-351e9c09274d', 'foo')", "dc0b6f65-fca6-5b4b-9d37-ccc3fde1f3e2", TEXT), ("length(uuid_string())", "36", F0),
    ("length(randstr(5, random()))", "5", F0), ("uniform(1, 10, random()) between 1 and 10", "true", BOOL), ("uniform(1, 1, random())", "1", F0),
    ("uniform(0::float, 1::float, random()) between 0 and 1", "true", BOOL), ("random() = random()", "false", BOOL),
    ("uniform(1, 1000000, 7) = uniform(1, 1000000, 7)", "true", BOOL), ("hash('a', 1) = hash('a', 1)", "true", BOOL), ("hash('a') = hash('b')", "false", BOOL),
]

FORMATS = [
    ("to_varchar(12.50)", "12.50", TEXT), ("to_char(1)", "1", TEXT), ("to_varchar(1.5::float)", "1.5", TEXT), ("to_varchar(1::float)", "1", TEXT),
    ("to_varchar(true)", "true", TEXT), ("to_varchar('2024-01-02'::date)", "2024-01-02", TEXT), ("to_varchar('10:20:30'::time)", "10:20:30", TEXT),
    ("to_varchar('2024-01-02 03:04:05.678'::timestamp_ntz)", "2024-01-02 03:04:05.678", TEXT), ("to_varchar(null)", None, TEXT),
    ("to_varchar(x'00ff')", "00FF", TEXT), ("to_varchar(x'616263', 'UTF-8')", "abc", TEXT), ("to_varchar(x'616263', 'BASE64')", "YWJj", TEXT),
    ("to_varchar('2024-01-02 03:04:05 +02:00'::timestamp_tz)", "2024-01-02 03:04:05.000 +0200", TEXT),
    ("to_varchar('2024-01-02 03:04:05'::timestamp_ltz)", "2024-01-02 03:04:05.000 +0000", TEXT),
    ("to_char(12.5, '999,990.00')", "      12.50", TEXT), ("to_char(1234567, '9,999,999')", " 1,234,567", TEXT), ("to_char(-12.391, '$99.0')", "-$12.4", TEXT),
    ("to_char(0, '$99.0')", "  $0.0", TEXT), ("to_char(5, '000')", " 005", TEXT), ("to_char(1234, '999')", "####", TEXT), ("to_char(12, 'S99')", "+12", TEXT),
    ("to_char(-12, 'S99')", "-12", TEXT), ("to_char(-12454.12, '99,999.99MI')", "12,454.12-", TEXT), ("to_char(12.3, 'FM999.00')", "12.30", TEXT),
    ("to_char(3987, 'S0XXX')", "+0F93", TEXT), ("to_char(3987, '0XXX')", " 0F93", TEXT), ("to_char(-12.391, 'TME')", "-1.2391E1", TEXT),
    ("to_char(-12.391, 'TM9')", "-12.391", TEXT), ("to_char(0.01, 'B9,999.0')", "      .0", TEXT), ("to_char(-12.391, '\">\"$99.0\"<\"')", ">-$12.4<", TEXT),
    ("to_char(null, '99')", None, TEXT),
    ("to_char('2024-01-02'::date, 'YYYY/MM/DD')", "2024/01/02", TEXT), ("to_char('2024-01-02'::date, 'DY, DD MON YY')", "Tue, 02 Jan 24", TEXT),
    ("to_char('2024-01-02 13:04:05.678'::timestamp_ntz, 'HH12:MI:SS.FF3 AM')", "01:04:05.678 PM", TEXT), ("to_char('2024-03-01'::date, 'MMMM')", "March", TEXT),
    ("to_char('10:20:30'::time, 'HH24-MI')", "10-20", TEXT), ("to_char('2024-01-02 03:04:05 +02:00'::timestamp_tz, 'HH24 TZH:TZM')", "03 +02:00", TEXT),
]

DATES = [
    ("to_date('2024-01-02')", days("2024-01-02"), DATE), ("to_date('02-JAN-2024')", days("2024-01-02"), DATE), ("to_date('1/2/2024')", days("2024-01-02"), DATE),
    ("to_date('2024-01-02T10:00:00')", days("2024-01-02"), DATE), ("to_date('31536000')", days("1971-01-01"), DATE),
    ("to_date('2024.02.01', 'YYYY.MM.DD')", days("2024-02-01"), DATE), ("try_to_date('x')", None, DATE), ("date('2024-01-02')", days("2024-01-02"), DATE),
    ("to_date('2024-01-02 10:00:00'::timestamp_ntz)", days("2024-01-02"), DATE), ("to_date(null)", None, DATE),
    ("to_time('10:20:30')", clock("10:20:30"), TIME), ("to_time('101112', 'HH24MISS')", clock("10:11:12"), TIME), ("try_to_time('x')", None, TIME),
    ("time('10:00:01')", clock("10:00:01"), TIME), ("to_time('2024-01-01 10:00:00'::timestamp_ntz)", clock("10:00:00"), TIME),
    ("to_timestamp('2024-01-02 03:04:05')", seconds("2024-01-02T03:04:05"), NTZ), ("to_timestamp_ntz('2024-01-02 03:04:05 +09:00')", seconds("2024-01-02T03:04:05"), NTZ),
    ("to_timestamp(1700000000)", "1700000000.000000000", NTZ), ("to_timestamp(1700000000123, 3)", "1700000000.123000000", NTZ),
    ("to_timestamp('1700000000123')", "1700000000.123000000", NTZ), ("to_timestamp(1.5)", "1.500000000", NTZ), ("to_timestamp(-1.5)", "-1.500000000", NTZ),
    ("to_timestamp('04/05/2024 01:02:03', 'mm/dd/yyyy hh24:mi:ss')", seconds("2024-04-05T01:02:03"), NTZ), ("try_to_timestamp('x')", None, NTZ),
    ("to_timestamp('2024-01-02'::date)", seconds("2024-01-02T00:00:00"), NTZ), ("to_timestamp_ltz('2024-01-02 03:04:05 +09:00')", seconds("2024-01-01T18:04:05"), LTZ),
    ("to_timestamp_ltz(1700000000)", "1700000000.000000000", LTZ), ("to_timestamp_tz('2024-01-02 03:04:05 +02:00')", seconds("2024-01-02T01:04:05") + " 1560", TZ),
    ("to_timestamp_tz('2024-01-02 03:04:05')", seconds("2024-01-02T03:04:05") + " 1440", TZ), ("try_to_timestamp_tz('x')", None, TZ),
    ("dateadd(day, 1, '2024-02-28'::date)", days("2024-02-29"), DATE), ("dateadd('month', 1, '2024-01-31'::date)", days("2024-02-29"), DATE),
    ("dateadd(year, 1, '2024-02-29'::date)", days("2025-02-28"), DATE), ("dateadd(quarter, 1, '2024-01-31'::date)", days("2024-04-30"), DATE),
    ("dateadd(week, -1, '2024-01-08'::date)", days("2024-01-01"), DATE), ("dateadd(hour, 2, '2024-01-01'::date)", seconds("2024-01-01T02:00:00"), NTZ),
    ("dateadd(day, 1, '2024-02-28')", seconds("2024-02-29T00:00:00"), NTZ), ("dateadd(minute, 90, '10:00:00'::time)", clock("11:30:00"), TIME),
    ("dateadd(hour, 2, '23:00:00'::time)", clock("01:00:00"), TIME), ("dateadd(day, 1.6, '2024-01-01'::date)", days("2024-01-03"), DATE),
    ("dateadd(month, -1, '2024-03-31 10:00:00'::timestamp_ntz)", seconds("2024-02-29T10:00:00"), NTZ), ("timestampadd(second, 1, '2024-01-01 00:00:00'::timestamp_ntz)", seconds("2024-01-01T00:00:01"), NTZ),
    ("dateadd(day, null, '2024-01-01'::date)", None, DATE), ("dateadd(hour, 1, '2024-01-01 00:00:00 +02:00'::timestamp_tz)", seconds("2023-12-31T23:00:00") + " 1560", TZ),
    ("datediff(day, '2024-01-01', '2024-01-05'::date)", "4", F0), ("datediff(month, '2024-01-31'::date, '2024-02-01'::date)", "1", F0),
    ("datediff(year, '2023-12-31', '2024-01-01')", "1", F0), ("datediff(week, '2024-01-07'::date, '2024-01-08'::date)", "1", F0),
    ("datediff(week, '2024-01-08'::date, '2024-01-14'::date)", "0", F0), ("datediff(quarter, '2024-03-31', '2024-04-01')", "1", F0),
    ("datediff(hour, '2024-01-01 00:59:59', '2024-01-01 01:00:00')", "1", F0), ("datediff(second, '10:00:00'::time, '10:01:00'::time)", "60", F0),
    ("datediff(day, '2024-01-05', '2024-01-01')", "-4", F0), ("timediff(minute, '2024-01-01 00:00:59', '2024-01-01 00:01:00')", "1", F0),
    ("date_trunc('month', '2024-02-15'::date)", days("2024-02-01"), DATE), ("date_trunc(month, '2024-02-15 10:00:00'::timestamp_ntz)", seconds("2024-02-01T00:00:00"), NTZ),
    ("trunc('2024-02-15'::date, 'month')", days("2024-02-01"), DATE), ("date_trunc('week', '2024-01-07'::date)", days("2024-01-01"), DATE),
    ("date_trunc('quarter', '2024-05-05'::date)", days("2024-04-01"), DATE), ("date_trunc('hour', '10:30:00'::time)", clock("10:00:00"), TIME),
    ("date_part(year, '2024-02-15'::date)", "2024", F0), ("extract(month from '2024-02-15'::date)", "2", F0), ("date_part('epoch_second', '2024-01-01'::timestamp_ntz)", "1704067200", F0),
    ("date_part(epoch_millisecond, '1969-12-31'::date)", "-86400000", F0), ("date_part(nanosecond, '2024-01-01 00:00:00.123456'::timestamp_ntz)", "123456000", F0),
    ("date_part(timezone_hour, '2024-01-01 00:00:00 +02:00'::timestamp_tz)", "2", F0), ("year('2024-02-15'::date)", "2024", F0), ("quarter('2024-05-05'::date)", "2", F0),
    ("month('2024-02-15'::date)", "2", F0), ("day('2024-02-15'::date)", "15", F0), ("hour('2024-01-01 05:06:07'::timestamp_ntz)", "5", F0),
    ("minute('2024-01-01 05:06:07'::timestamp_ntz)", "6", F0), ("second('05:06:07'::time)", "7", F0), ("dayofweek('2024-01-07'::date)", "0", F0),
    ("dayofweekiso('2024-01-07'::date)", "7", F0), ("dayofyear('2024-12-31'::date)", "366", F0), ("weekiso('2024-12-30'::date)", "1", F0),
    ("week('2024-01-01'::date)", "1", F0), ("yearofweek('2024-12-30'::date)", "2025", F0), ("yearofweekiso('2024-12-30'::date)", "2025", F0),
    ("last_day('2024-02-05'::date)", days("2024-02-29"), DATE), ("last_day('2024-02-05'::date, 'year')", days("2024-12-31"), DATE),
    ("last_day('2024-05-05'::date, quarter)", days("2024-06-30"), DATE), ("last_day('2024-01-01'::date, week)", days("2024-01-07"), DATE),
    ("monthname('2024-01-01'::date)", "Jan", TEXT), ("dayname('2024-01-01'::date)", "Mon", TEXT), ("add_months('2024-02-29'::date, 1)", days("2024-03-31"), DATE),
    ("add_months('2024-01-31'::date, 1)", days("2024-02-29"), DATE), ("add_months('2024-01-15'::date, -1)", days("2023-12-15"), DATE),
    ("add_months('2024-02-29 10:00:00'::timestamp_ntz, 12)", seconds("2025-02-28T10:00:00"), NTZ),
    ("months_between('2019-03-15'::date, '2019-02-15'::date)", "1.000000", F6), ("months_between('2019-03-31'::date, '2019-02-28'::date)", "1.000000", F6),
    ("months_between('2019-03-01'::date, '2019-02-15'::date)", "0.548387", F6), ("next_day('2024-01-01'::date, 'mo')", days("2024-01-08"), DATE),
    ("next_day('2024-01-01'::date, 'Friday')", days("2024-01-05"), DATE), ("previous_day('2024-01-01'::date, 'mo')", days("2023-12-25"), DATE),
    ("previous_day('2024-01-03'::date, 'su')", days("2023-12-31"), DATE),
    ("date_from_parts(2024, 1, 31)", days("2024-01-31"), DATE), ("date_from_parts(2010, 1, 100)", days("2010-04-10"), DATE),
    ("date_from_parts(2010, 25, 1)", days("2012-01-01"), DATE), ("date_from_parts(2024, 3, 0)", days("2024-02-29"), DATE),
    ("date_from_parts(2004, -1, -1)", days("2003-10-30"), DATE), ("time_from_parts(12, 34, 56)", clock("12:34:56"), TIME), ("time_from_parts(0, 100, 0)", clock("01:40:00"), TIME),
    ("timestamp_from_parts(2013, 4, 5, 12, 0, 0)", seconds("2013-04-05T12:00:00"), NTZ), ("timestamp_ntz_from_parts(2013, 4, 5, 24, 0, 0)", seconds("2013-04-06T00:00:00"), NTZ),
    ("timestamp_from_parts('2024-01-01'::date, '10:00:00'::time)", seconds("2024-01-01T10:00:00"), NTZ), ("timestamp_ltz_from_parts(2013, 4, 5, 12, 0, 0)", seconds("2013-04-05T12:00:00"), LTZ),
    ("timestamp_tz_from_parts(2024, 2, 29, 13, 5, 7, 0, 'Europe/Paris')", seconds("2024-02-29T12:05:07") + " 1500", TZ),
    ("time_slice('2019-02-28'::date, 4, 'DAY')", days("2019-02-25"), DATE), ("time_slice('2019-02-28'::date, 3, 'MONTH', 'END')", days("2019-04-01"), DATE),
    ("time_slice('2019-02-28 01:23:45'::timestamp_ntz, 4, 'HOUR', 'START')", seconds("2019-02-28T00:00:00"), NTZ),
    ("convert_timezone('America/Los_Angeles', 'America/New_York', '2024-01-01 14:00:00'::timestamp_ntz)", seconds("2024-01-01T17:00:00"), NTZ),
    ("convert_timezone('Europe/Warsaw', 'UTC', '2024-01-01 00:00:00'::timestamp_ntz)", seconds("2023-12-31T23:00:00"), NTZ),
    ("convert_timezone('Asia/Tokyo', '2024-01-01 00:00:00 +00:00'::timestamp_tz)", seconds("2024-01-01T00:00:00") + " 1980", TZ),
    ("current_timestamp() between '2020-01-01'::timestamp_ltz and '2999-01-01'::timestamp_ltz", "true", BOOL), ("current_date = current_date()", "true", BOOL),
    ("abs(datediff(second, sysdate(), getdate()::timestamp_ntz)) < 5", "true", BOOL), ("current_time(3) is not null", "true", BOOL),
]

TABLES = {"operators": OPERATORS, "conditions": CONDITIONS, "numbers": NUMBERS, "texts": TEXTS, "patterns": PATTERNS,
          "binaries": BINARIES, "formats": FORMATS, "dates": DATES}


def told(column):
    return f"fixed({column['scale']})" if column["type"] == "fixed" else column["type"]


def evaluate(client, expression, **fields):
    answer = client.submit(f"select {expression}", **fields)
    if answer.status != 200:
        return f"{answer.json.get('code')} {answer.json.get('message')}", None
    return answer.json["data"][0][0], told(answer.json["resultSetMetaData"]["rowType"][0])


@pytest.mark.parametrize("table", TABLES)
def test_every_expression_has_snowflakes_answer(shared, table):
    client = Client(shared, tenant="snowflake-functions")
    wrong = []
    for expression, cell, kind in TABLES[table]:
        got, got_kind = evaluate(client, expression)
        if got != cell or (kind and got_kind != kind):
            wrong.append(f"{expression}: {got!r} {got_kind}, not {cell!r} {kind}")
    assert not wrong, "\n".join(wrong)


ERRORS = [
    ("1/0", "100051", "22012", "Division by zero"), ("1.5/0.0", "100051", "22012", "Division by zero"), ("1::float/0", "100051", "22012", "Division by zero"),
    ("5 % 0", "100051", "22012", "Division by zero"), ("mod(5, 0)", "100051", "22012", "Division by zero"),
    ("to_number('abc')", "100038", "22018", "Numeric value 'abc' is not recognized"), ("to_double('x')", "100038", "22018", "Numeric value 'x' is not recognized"),
    ("to_decimal('x', 10, 2)", "100038", "22018", "Numeric value 'x' is not recognized"),
    ("to_boolean('maybe')", "100037", "22018", "Boolean value 'maybe' is not recognized"), ("to_date('abc')", "100040", "22007", "Date 'abc' is not recognized"),
    ("to_date('2024-02-30')", "100040", "22007", "Date '2024-02-30' is not recognized"), ("to_timestamp('abc')", "100035", "22007", "Timestamp 'abc' is not recognized"),
    ("to_time('abc')", "100108", "22007", "Time 'abc' is not recognized"), ("to_date('x', 'YYYY-MM-DD')", "100096", "22007", "Can't parse 'x' as date with format 'YYYY-MM-DD'"),
    ("to_binary('zz')", "100115", "22000", "The following string is not a legal hex-encoded value: 'zz'"),
]


def test_errors_have_snowflakes_codes_and_words(client):
    for expression, code, state, message in ERRORS:
        answer = client.submit(f"select {expression}")
        assert answer.status == 422, expression
        assert (answer.json["code"], answer.json["sqlState"], answer.json["message"]) == (code, state, message), expression


def test_untaken_branches_do_not_fail(client):
    assert client.cells("select iff(n = 0, 0, 10 / n), case when n = 0 then null else 1 / n end from (values (0), (4)) t(n)") == [
        ["0.000000", None], ["2.500000", "0.250000"]]


def test_functions_of_columns_with_nulls(client):
    name = unique("f")
    client.cells(f"create table {name}(s varchar, n number(38,0), d date, f float)")
    client.cells(f"insert into {name} values ('abc', 2, '2024-01-31', 1.5), (null, null, null, null)")
    expressions = ("left(s, n)", "n / 3", "dateadd(month, n, d)", "to_char(d, 'YYYY')", "lpad(s, n + 3, '-')", "regexp_instr(s, 'c')", "f / n",
                   "split_part(s, 'b', n)", "sha2(s)", "datediff(day, d, '2024-02-01')", "to_varchar(f)", "round(f, 0)", "try_to_number(s)")
    first, second = client.cells(f"select {', '.join(expressions)} from {name} order by s")
    assert first[:8] == ["ab", "0.666667", days("2024-03-31"), "2024", "--abc", "3", "0.75", "c"] and first[9:] == ["1", "1.5", "2", None]
    assert second == [None] * len(expressions)


def test_placeholders_stand_for_any_type(client):
    text = {"1": {"type": "TEXT", "value": "2024-01-31"}}
    assert client.cells("select to_date(?)", text) == [[days("2024-01-31")]]
    assert client.cells("select dateadd(month, 1, ?)", text) == [[seconds("2024-02-29T00:00:00")]]
    assert client.cells("select length(?)", text) == [["10"]]
    number = {"1": {"type": "FIXED", "value": "7"}}
    assert client.cells("select ? / 2", number) == [["3.500000"]]
    assert client.cells("select to_varchar(?)", number) == [["7"]]
    assert client.cells("select nvl(?, 1)", number) == [["7"]]
    assert client.cells("select dateadd(day, ?, '2024-01-01'::date)", number) == [[days("2024-01-08")]]


def test_aggregates_and_windows(client):
    rows = "(values (1, true, 6), (2, false, 3), (4, true, null)) t(n, b, x)"
    assert client.cells(f"select avg(n), avg(distinct n), avg(x), sum(n) / count(*), median(n), boolor_agg(b), booland_agg(b), boolxor_agg(b) from {rows}") == [
        ["2.333333", "2.333333", "4.500000", "2.333333", "2.000", "true", "false", "false"]]
    assert client.cells(f"select bitand_agg(x), bitor_agg(x), bitxor_agg(n), count_if(b), variance_pop(n) from {rows}") == [["2", "7", "7", "2", "1.5555555555555554"]]
    assert client.cells(f"select listagg(n, ',') within group (order by n desc), any_value(b) from {rows}") == [["4,2,1", "true"]]
    assert client.cells(f"select boolor_agg(b) over (order by n rows unbounded preceding), conditional_true_event(n > 1) over (order by n) from {rows} order by n") == [
        ["true", "0"], ["true", "1"], ["true", "2"]]
    assert client.cells(f"select round(ratio_to_report(n) over (), 3) from {rows} order by n") == [["0.143"], ["0.286"], ["0.571"]]
    assert client.cells(f"select avg(n) from {rows} where n > 9") == [[None]]


def test_null_order(client):
    rows = "(values (1), (null), (2)) t(n)"
    assert client.cells(f"select n from {rows} order by n") == [["1"], ["2"], [None]]
    assert client.cells(f"select n from {rows} order by n desc") == [[None], ["2"], ["1"]]


def test_the_sessions_time_zone(client):
    zone = {"parameters": {"TIMEZONE": "America/New_York"}}

    def cell(expression):
        return evaluate(client, expression, **zone)[0]

    assert cell("to_timestamp_ltz('2024-07-02 03:04:05')") == seconds("2024-07-02T07:04:05")
    assert cell("to_varchar(to_timestamp_ltz('2024-07-02 03:04:05'))") == "2024-07-02 03:04:05.000 -0400"
    assert cell("to_timestamp_tz('2024-01-02 03:04:05')") == seconds("2024-01-02T08:04:05") + " 1140"
    assert cell("to_date(to_timestamp_ltz(1704067200))") == days("2023-12-31")
    assert cell("hour(to_timestamp_ltz(1704067200))") == "19"
    assert cell("to_varchar(dateadd(hour, 1, to_timestamp_ltz('2024-03-10 01:30:00')))") == "2024-03-10 03:30:00.000 -0400"


def test_generated_rows_and_chance(client):
    assert client.cells("select seq4() from table(generator(rowcount => 3)) order by 1") == [["0"], ["1"], ["2"]]
    assert client.cells("select count(distinct r), count(distinct u) from (select random() r, uuid_string() u from table(generator(rowcount => 100)))") == [["100", "100"]]
    assert client.cells("select min(u) >= 1, max(u) <= 6, count(distinct u) from (select uniform(1, 6, random()) u from table(generator(rowcount => 500)))") == [
        ["true", "true", "6"]]


def test_what_a_client_can_make_big_has_a_limit(client):
    for expression in ("length(repeat('x', 100000000000))", "randstr(100000000000, 1)", "lpad('x', 2147483647, 'y')"):
        answer = client.submit(f"select {expression}")
        assert answer.status == 422, (expression, answer)
    assert client.cell("select 1") == "1"
