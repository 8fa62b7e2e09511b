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

select convert_timezone('America/Los_Angeles', 'UTC', '2024-02-29 05:05:07'::timestamp_ntz) as a;
--> A: timestamp_ntz
2024-02-29 13:05:07

select convert_timezone('Asia/Tokyo', '2024-02-29 13:05:07 +00:00'::timestamp_tz) as a;
--> A: timestamp_tz
2024-02-29 22:05:07 +09:00

select to_char('2024-02-29 15:05:07 +02:00'::timestamp_tz, 'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM') as a;
--> A: text
2024-02-29T15:05:07+02:00

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

--parameter BINARY_OUTPUT_FORMAT=HEX
select x'00ff' as b;
--> B: binary
00FF

--query nullable=false
select null as a, 'x' as b, null::int as c;
--> A: text | B: text | C: number
"null" | x | null

--script
alter session set timezone = 'Asia/Tokyo';
select '2024-02-29 22:05:07'::timestamp_ltz as a;
--> A: timestamp_ltz
2024-02-29 13:05:07

select datediff(hour, '2024-02-29 15:05:07 +02:00'::timestamp_tz, '2024-02-29 15:05:07 +00:00'::timestamp_tz) as a;
--> A: number
2

--parameter ROWS_PER_RESULTSET=2
select column1 as n from values (1), (2), (3) order by 1;
--> N: number
1
2
