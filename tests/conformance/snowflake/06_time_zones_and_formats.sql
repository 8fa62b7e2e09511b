# Time zones and formats
# TIMESTAMP_LTZ is an instant shown in the session's zone, TIMESTAMP_TZ keeps the offset it was written with. On the wire both are seconds since
# 1970 unless a format was asked for.

--parameter TIMEZONE=America/Los_Angeles
select '2024-02-29 13:05:07'::timestamp_ltz as a, '2024-07-01 12:00:00'::timestamp_ltz as b;
--> A: timestamp_ltz(9) | B: timestamp_ltz(9)
2024-02-29 21:05:07 | 2024-07-01 19:00:00

select convert_timezone('America/Los_Angeles', 'UTC', '2024-02-29 05:05:07'::timestamp_ntz) as a;
--> A: timestamp_ntz
2024-02-29 13:05:07

--parameter TIMEZONE=Europe/Paris
select timestamp_ltz_from_parts(2024, 2, 29, 13, 5, 7) as a, to_timestamp_ltz('2024-02-29 13:05:07') as b;
--> A: timestamp_ltz | B: timestamp_ltz
2024-02-29 12:05:07 | 2024-02-29 12:05:07

--parameter TIMEZONE=America/New_York
select dateadd(day, 1, '2024-03-09 12:00:00'::timestamp_ltz) as a;
--> A: timestamp_ltz
2024-03-10 16:00:00

--parameter BINARY_OUTPUT_FORMAT=HEX
select x'00ff' as b;
--> B: binary
00FF

--script
alter session set timezone = 'Asia/Tokyo';
select '2024-02-29 22:05:07'::timestamp_ltz as a;
--> A: timestamp_ltz
2024-02-29 13:05:07

--parameter ROWS_PER_RESULTSET=2
select column1 as n from values (1), (2), (3) order by 1;
--> N: number
1
2
