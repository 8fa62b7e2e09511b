# Time zones and formats
# TIMESTAMP_LTZ is an instant shown in the session's zone, TIMESTAMP_TZ keeps the offset it was written with. On the wire both are seconds since
# 1970 unless a format was asked for.

--parameter TIMEZONE=America/Los_Angeles
select '2024-02-29 13:05:07'::timestamp_ltz as a, '2024-07-01 12:00:00'::timestamp_ltz as b;
--> A: timestamp_ltz(9) | B: timestamp_ltz(9)
2024-02-29 21:05:07 | 2024-07-01 19:00:00

create table moments (id int, ltz timestamp_ltz, tz timestamp_tz(3), ntz timestamp_ntz(0), t time(3));
--ok

--parameter BINARY_OUTPUT_FORMAT=HEX
select x'00ff' as b;
--> B: binary
00FF
