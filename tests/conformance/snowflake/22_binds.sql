# Binds

--bind FIXED "42"
select ? as n;
--> N: number(2,0)
42

--bind FIXED "-12.50"
select ? as n;
--> N: number
-12.50

--bind FIXED "12.50"
select ?::number(10,4) as n;
--> N: number(10,4)
12.5000

--bind FIXED "99999999999999999999999999999999999999"
select ? as n;
--> N: number(38,0)
99999999999999999999999999999999999999

--bind REAL "1.5e3"
select ? as r;
--> R: float
1500

--bind REAL "5e-324"
select ? as r;
--> R: float
5e-324

--bind DECFLOAT "1e10"
--bind DECFLOAT "-1.50E-2"
select ? as a, ? as b;
--> A: decfloat | B: decfloat
1e10 | -0.015
--differs: a DECFLOAT bind is a NUMBER
--> A: number | B: number
10000000000 | -0.015

--bind DECFLOAT "1e"
select ? as d;
--! 002086 22000 SQL compilation error:\nInvalid bind value (1e) for type (DECFLOAT).

--bind DECFLOAT "1e100"
select ? as d;
--> D: decfloat
1e100
--refused: a DECFLOAT bind of more than 38 digits, written out
--! 002086 22000

--bind REAL "NaN"
--bind REAL "Infinity"
--bind REAL "-Infinity"
select ? as a, ? as b, ? as c;
--> A: float | B: float | C: float
NaN | inf | -inf

--bind REAL "1e999"
select ? as r;
--> R: float
inf

--bind TEXT "Zoë"
select ? as s, length(?) as n;
--! 002049 42601 SQL compilation error: error line 1 at position 22\nBind variable ? not set.

--bind TEXT "Zoë"
select ? as s;
--> S: text
Zoë

--bind BOOLEAN "true"
--bind BOOLEAN "0"
select ? as a, ? as b;
--> A: boolean | B: boolean
true | false

--bind DATE "1709164800000"
select ? as d;
--> D: date
2024-02-29

--bind DATE "-86400000"
select ? as d;
--> D: date
1969-12-31

--bind TIME "47107250000000"
select ? as t;
--> T: time(9)
13:05:07.25

--bind TIMESTAMP_NTZ "1709211907250000000"
select ? as t;
--> T: timestamp_ntz(9)
2024-02-29 13:05:07.25

--bind TIMESTAMP_NTZ "-500000000"
select ? as t;
--> T: timestamp_ntz
1969-12-31 23:59:59.5

--bind TIMESTAMP_LTZ "1709211907250000000"
select ? as t;
--> T: timestamp_ltz(9)
2024-02-29 13:05:07.25

--bind TIMESTAMP_TZ "1709211907250000000 1560"
select ? as t;
--> T: timestamp_tz(9)
2024-02-29 15:05:07.25 +02:00

--bind TIMESTAMP_TZ "0 960"
select ? as t;
--> T: timestamp_tz
1969-12-31 16:00:00 -08:00

--bind BINARY "00ff"
select ? as b;
--> B: binary(2)
00FF

--bind TEXT null
--bind FIXED null
select ? as a, ? as b;
--> A: text | B: number
NULL | NULL
--differs: a bound NULL is text, whatever its type
--> A: text(134217728) | B: text(134217728)
NULL | NULL

--bind TEXT "{\"tags\":[\"a\",null]}"
select parse_json(?) as v;
--> V: variant
{"tags":["a",null]}

--bind FIXED "1"
--bind FIXED "2"
select :2 as b, :1 as a, :1 + :2 as c;
--> B: number | A: number | C: number
2 | 1 | 3

--bind :name TEXT "Ada"
select :name as n, upper(:name) as u;
--> N: text | U: text
Ada | ADA

--bind FIXED "1"
--bind FIXED "2"
select ? as a;
--> A: number
1

select ? as a;
--! 002049 42601 SQL compilation error: error line 1 at position 7\nBind variable ? not set.

select :1 as a;
--! 002049 42601 *Bind variable :1 not set.

--bind FIXED "abc"
select ? as a;
--! 002086 22000 SQL compilation error:\nInvalid bind value (abc) for type (FIXED).

--bind REAL "inf"
select ? as a;
--! 002086 22000 SQL compilation error:\nInvalid bind value (inf) for type (REAL).

--bind DATE "2024-02-29"
select ? as a;
--! 002086 22000

--bind BOOLEAN "maybe"
select ? as a;
--! 002086 22000

--bind BINARY "0"
select ? as a;
--! 002086 22000

--bind VARIANT "1"
select ? as a;
--! 002040 42601

--bind ARRAY "[1]"
select ? as a;
--! 002040 42601

--bind NONSENSE "1"
select ? as a;
--! 002040 42601

--bind FIXED "3"
select '?' as s, $$?$$ as d, 4::int as c, ? as n -- ?
;
--> S: text | D: text | C: number | N: number
? | ? | 4 | 3

--bind TEXT "7"
select ?::int + 1 as n;
--> N: number
8

create table b (id int, s varchar, n number(10,2), d date, t timestamp_ntz, bin binary, f boolean, v variant);
--ok

--bind TEXT "1"
--bind TEXT "one"
--bind TEXT "1.25"
--bind TEXT "2024-02-29"
--bind TEXT "2024-02-29 13:05:07"
--bind TEXT "00FF"
--bind TEXT "true"
insert into b (id, s, n, d, t, bin, f) values (?, ?, ?, ?, ?, ?, ?);
--> number of rows inserted: number
1

select id, s, n, d, t, bin, f from b;
--> ID: number | S: text | N: number | D: date | T: timestamp_ntz | BIN: binary | F: boolean
1 | one | 1.25 | 2024-02-29 | 2024-02-29 13:05:07 | 00FF | true
--differs: a text in a BINARY column is taken as its bytes
--> ID: number(38,0) | S: text(16777216) | N: number(10,2) | D: date | T: timestamp_ntz(9) | BIN: binary(8388608) | F: boolean
1 | one | 1.25 | 19782 | 1709211907.000000000 | 30304646 | true

--bind FIXED ["3", "4"]
--bind TEXT ["mug", "pan"]
--bind FIXED ["7.00", null]
insert into b (id, s, n) values (?, ?, ?);
--> number of rows inserted: number(19,0) not null
2
--stats inserted=2

select id, s, n from b where id > 1 order by id;
--> ID: number | S: text | N: number
3 | mug | 7.00
4 | pan | NULL

--bind DATE ["1709164800000", "0"]
--bind FIXED ["3", "4"]
update b set d = ? where id = ?;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
2 | 0

select d from b where id in (3, 4) order by id;
--> D: date
2024-02-29
1970-01-01

--bind FIXED ["3", "4", "5"]
delete from b where id = ?;
--> number of rows deleted: number(19,0)
2

--bind FIXED ["10", "11", "12"]
--bind TEXT ["x", "y"]
insert into b (id, s) values (?, ?);
--! 002099 42601 *atch size*

--bind FIXED ["20", "x"]
insert into b (id) values (?);
--! 002086 22000 SQL compilation error:\nInvalid bind value (x) for type (FIXED).

select count(*) as n from b where id = 20;
--> N: number
0

--bind FIXED ["30", "31"]
--bind TEXT ["{\"a\":1}", "[2]"]
insert into b (id, v) select ?, parse_json(?);
--> number of rows inserted: number
2

select id, v from b where id >= 30 order by id;
--> ID: number | V: variant
30 | {"a":1}
31 | [2]

--bind TEXT "b"
select count(*) as n from identifier(?);
--> N: number
3
--refused: IDENTIFIER of a bind variable (of a session variable or a literal it works)
--! 000002 0A000

--bind FIXED "1"
--parameter MULTI_STATEMENT_COUNT=2
select ?; select 2;
--! * *

--bind FIXED "2"
select id from b order by id limit ?;
--> ID: number
1
30

--bind TEXT "o%"
select id from b where s like ?;
--> ID: number
1

create table lz (id int, l timestamp_ltz, z timestamp_tz);
--ok

--bind TIMESTAMP_TZ "1709211907250000000 1560"
insert into lz (l) values (?);
--! 002023 22000 SQL compilation error:\nExpression type does not match column data type, expecting TIMESTAMP_LTZ(9) but got TIMESTAMP_TZ(9) for column L

--bind TIMESTAMP_TZ "1709211907250000000 1560"
insert into lz values (1, ?, null);
--! 002023 22000 SQL compilation error:\nExpression type does not match column data type, expecting TIMESTAMP_LTZ(9) but got TIMESTAMP_TZ(9) for column L

--bind TIMESTAMP_TZ "1709211907250000000 1560"
--bind TIMESTAMP_TZ "1709211907250000000 1560"
insert into lz values (1, ?::timestamp_ltz, ?);
--> number of rows inserted: number
1

select id, l, z from lz;
--> ID: number | L: timestamp_ltz | Z: timestamp_tz
1 | 2024-02-29 13:05:07.25 | 2024-02-29 15:05:07.25 +02:00
