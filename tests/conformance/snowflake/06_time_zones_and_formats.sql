# Time zones and formats
# TIMESTAMP_LTZ is an instant shown in the session's zone, TIMESTAMP_TZ keeps the offset it was written with. On the wire both are seconds since
# 1970 unless a format was asked for.

--parameter TIMEZONE=America/Los_Angeles
select '2024-02-29 13:05:07'::timestamp_ltz as a, '2024-07-01 12:00:00'::timestamp_ltz as b;
--> A: timestamp_ltz(9) | B: timestamp_ltz(9)
2024-02-29 21:05:07 | 2024-07-01 19:00:00

select '2024-02-29 15:05:07 +02:00'::timestamp_tz as a, '2024-02-29 05:05:07 -0800'::timestamp_tz as b;
--> A: timestamp_tz(9) | B: timestamp_tz(9)
2024-02-29 15:05:07 +02:00 | 2024-02-29 05:05:07 -08:00

select '2024-02-29 13:05:07Z'::timestamp_tz as a, '2024-02-29T13:05:07+05:30'::timestamp_tz as b;
--> A: timestamp_tz | B: timestamp_tz
2024-02-29 13:05:07 +00:00 | 2024-02-29 13:05:07 +05:30

--parameter TIMEZONE=America/Los_Angeles
select '2024-02-29 13:05:07'::timestamp_tz as a;
--> A: timestamp_tz
2024-02-29 13:05:07 -08:00

select convert_timezone('America/Los_Angeles', 'UTC', '2024-02-29 05:05:07'::timestamp_ntz) as a;
--> A: timestamp_ntz
2024-02-29 13:05:07

select convert_timezone('Asia/Tokyo', '2024-02-29 13:05:07 +00:00'::timestamp_tz) as a;
--> A: timestamp_tz
2024-02-29 22:05:07 +09:00

--parameter TIMEZONE=Asia/Tokyo
select '2024-02-29 20:00:00 +00:00'::timestamp_ltz::date as a, '2024-02-29 20:00:00 +00:00'::timestamp_tz::date as b;
--> A: date | B: date
2024-03-01 | 2024-02-29

--parameter TIMEZONE=Asia/Tokyo
select '2024-02-29 20:00:00 +00:00'::timestamp_ltz::timestamp_ntz as a, hour('2024-02-29 20:00:00 +00:00'::timestamp_ltz) as b;
--> A: timestamp_ntz | B: number
2024-03-01 05:00:00 | 5

--parameter TIMEZONE=Asia/Tokyo
select to_char('2024-02-29 20:00:00 +00:00'::timestamp_ltz, 'YYYY-MM-DD HH24:MI TZH:TZM') as a;
--> A: text
2024-03-01 05:00 +09:00

select to_char('2024-02-29 15:05:07 +02:00'::timestamp_tz, 'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM') as a;
--> A: text
2024-02-29T15:05:07+02:00

select '2024-02-29 15:05:07 +02:00'::timestamp_tz = '2024-02-29 13:05:07 +00:00'::timestamp_tz as a;
--> A: boolean
true

create table instants (id int, at timestamp_tz);
--ok

insert into instants values (1, '2024-02-29 15:05:07 +02:00'), (2, '2024-02-29 13:05:07 +00:00'), (3, '2024-02-29 12:00:00 -08:00'), (4, '1969-12-31 23:00:00 -01:00'), (5, '1970-01-01 01:00:00 +01:00');
--> number of rows inserted: number(19,0)
5

select id, at from instants order by at, id;
--> ID: number | AT: timestamp_tz
4 | 1969-12-31 23:00:00 -01:00
5 | 1970-01-01 01:00:00 +01:00
1 | 2024-02-29 15:05:07 +02:00
2 | 2024-02-29 13:05:07 +00:00
3 | 2024-02-29 12:00:00 -08:00

select count(*) as n, min(id) as first from instants group by at order by at;
--> N: number | FIRST: number
2 | 4
2 | 1
1 | 3

select count(distinct at) as n, count(*) as total from instants;
--> N: number | TOTAL: number
3 | 5

select a.id, b.id as other from instants a join instants b on a.at = b.at and a.id < b.id order by a.id;
--> ID: number | OTHER: number
1 | 2
4 | 5

select id from instants where at >= '2024-02-29 14:05:07 +01:00'::timestamp_tz order by id;
--> ID: number
1
2
3

select id, row_number() over (partition by at order by id desc) as n, dense_rank() over (order by at desc) as place from instants order by id;
--> ID: number | N: number | PLACE: number
1 | 2 | 2
2 | 1 | 2
3 | 1 | 1
4 | 2 | 3
5 | 1 | 3

select max(at) as last, min(at) = '1970-01-01 00:00:00 +00:00'::timestamp_tz as first from instants;
--> LAST: timestamp_tz | FIRST: boolean
2024-02-29 12:00:00 -08:00 | true

select '2024-02-29 15:05:07 +02:00'::timestamp_tz::varchar as a;
--> A: text
2024-02-29 15:05:07.000 +0200

select timestamp_tz_from_parts(2024, 2, 29, 13, 5, 7, 0, 'Europe/Paris') as a;
--> A: timestamp_tz
2024-02-29 13:05:07 +01:00

--parameter TIMEZONE=Europe/Paris
select timestamp_ltz_from_parts(2024, 2, 29, 13, 5, 7) as a, to_timestamp_ltz('2024-02-29 13:05:07') as b;
--> A: timestamp_ltz | B: timestamp_ltz
2024-02-29 12:05:07 | 2024-02-29 12:05:07

select date_part(timezone_hour, '2024-02-29 15:05:07 +02:00'::timestamp_tz) as a, date_part(epoch_second, '2024-02-29 15:05:07 +02:00'::timestamp_tz) as b;
--> A: number | B: number
2 | 1709211907

select dateadd(hour, 1, '2024-02-29 15:05:07 +02:00'::timestamp_tz) as a;
--> A: timestamp_tz
2024-02-29 16:05:07 +02:00

--parameter TIMEZONE=America/New_York
select dateadd(day, 1, '2024-03-09 12:00:00'::timestamp_ltz) as a;
--> A: timestamp_ltz
2024-03-10 16:00:00

create table moments (id int, ltz timestamp_ltz, tz timestamp_tz(3), ntz timestamp_ntz(0), t time(3));
--ok

insert into moments values (1, '2024-02-29 13:05:07+00:00', '2024-02-29 15:05:07.1239 +02:00', '2024-02-29 13:05:07', '13:05:07.1239'), (2, '1969-12-31 23:59:59.5+00:00', '1969-12-31 23:59:59.5 -01:00', '1969-12-31 23:59:59', '00:00:00');
--> number of rows inserted: number(19,0) not null
2

select ltz, tz, ntz, t from moments order by id;
--> LTZ: timestamp_ltz(9) | TZ: timestamp_tz(3) | NTZ: timestamp_ntz(0) | T: time(3)
2024-02-29 13:05:07 | 2024-02-29 15:05:07.123 +02:00 | 2024-02-29 13:05:07 | 13:05:07.123
1969-12-31 23:59:59.5 | 1969-12-31 23:59:59.5 -01:00 | 1969-12-31 23:59:59 | 00:00:00

select id from moments where tz < '2024-02-29 13:30:00 +00:00'::timestamp_tz order by tz;
--> ID: number(38,0)
2
1

select max(tz) as a, min(ltz) as b from moments;
--> A: timestamp_tz(3) | B: timestamp_ltz
2024-02-29 15:05:07.123 +02:00 | 1969-12-31 23:59:59.5

--parameter DATE_OUTPUT_FORMAT=DD.MM.YYYY
select '2024-02-29'::date as d;
--> D: date
"29.02.2024"

--parameter TIME_OUTPUT_FORMAT=HH12:MI AM
select '13:05:07'::time as t;
--> T: time
"01:05 PM"

--parameter TIMESTAMP_OUTPUT_FORMAT=YYYY-MM-DD HH24:MI:SS
select '2024-02-29 13:05:07'::timestamp_ntz as a, '2024-02-29 15:05:07 +02:00'::timestamp_tz as b;
--> A: timestamp_ntz | B: timestamp_tz
"2024-02-29 13:05:07" | "2024-02-29 15:05:07"

--parameter TIMESTAMP_NTZ_OUTPUT_FORMAT=YYYY-MM-DDTHH24:MI:SS.FF
select '2024-02-29 13:05:07.25'::timestamp_ntz as a;
--> A: timestamp_ntz
"2024-02-29T13:05:07.250000000"

--parameter TIMEZONE=Asia/Tokyo
--parameter TIMESTAMP_LTZ_OUTPUT_FORMAT=YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM
select '2024-02-29 13:05:07.25 +00:00'::timestamp_ltz as a;
--> A: timestamp_ltz
"2024-02-29 22:05:07.250 +0900"

--parameter TIMESTAMP_TZ_OUTPUT_FORMAT=DY, DD MON YYYY HH24:MI TZH:TZM
select '2024-02-29 15:05:07 +02:00'::timestamp_tz as a;
--> A: timestamp_tz
"Thu, 29 Feb 2024 15:05 +02:00"

--parameter BINARY_OUTPUT_FORMAT=BASE64
select x'534e4f57' as b;
--> B: binary
U05PVw==

--parameter BINARY_OUTPUT_FORMAT=HEX
select x'00ff' as b;
--> B: binary
00FF

--parameter DATE_OUTPUT_FORMAT=YY"year"MM
select '2024-02-29'::date as d, null::date as n;
--> D: date | N: date
"24year02" | NULL

--query nullable=false
select null as a, 'x' as b, null::int as c;
--> A: text | B: text | C: number
"null" | x | null

--script
alter session set timezone = 'Asia/Tokyo';
select '2024-02-29 22:05:07'::timestamp_ltz as a;
--> A: timestamp_ltz
2024-02-29 13:05:07

--script
alter session set date_output_format = 'DD/MM/YY';
select '2024-02-29'::date::varchar as a;
--> A: text
29/02/24
--differs: output formats of a session are for the wire, not for casts to VARCHAR
--> A: text(134217728)
2024-02-29

select datediff(hour, '2024-02-29 15:05:07 +02:00'::timestamp_tz, '2024-02-29 15:05:07 +00:00'::timestamp_tz) as a;
--> A: number
2

--parameter ROWS_PER_RESULTSET=2
select column1 as n from values (1), (2), (3) order by 1;
--> N: number
1
2
