# Dates and times
# A month's arithmetic keeps to the month's last day, a week begins on Monday, and DATEDIFF counts boundaries, not durations.
# DuckDB's clocks tick microseconds: digits beyond are cut.

select '2024-02-29 13:05:07.25'::timestamp_ntz as a, '2024-02-29'::timestamp as b, '2024-02-29T13:05:07'::datetime as c;
--> A: timestamp_ntz(9) | B: timestamp_ntz(9) | C: timestamp_ntz(9)
2024-02-29 13:05:07.25 | 2024-02-29 00:00:00 | 2024-02-29 13:05:07

select '1969-12-31 23:59:59.5'::timestamp_ntz as a, '1905-01-01'::date as b, '0001-01-01 00:00:00'::timestamp_ntz as c;
--> A: timestamp_ntz | B: date | C: timestamp_ntz
1969-12-31 23:59:59.5 | 1905-01-01 | 0001-01-01 00:00:00

select '2024-02-29 13:05:07.123456789'::timestamp_ntz as a;
--> A: timestamp_ntz
2024-02-29 13:05:07.123456789
--differs: nanoseconds are cut to microseconds
--> A: timestamp_ntz
2024-02-29 13:05:07.123456

select '2024-03-01'::date - '2024-02-28'::date as a, '2024-02-28'::date + 2 as b, '2024-03-01'::date - 1 as c;
--> A: number | B: date | C: date
2 | 2024-03-01 | 2024-02-29

select year('2024-02-29'::date) as a, quarter('2024-02-29'::date) as b, month('2024-02-29'::date) as c, day('2024-02-29'::date) as d, dayofmonth('2024-02-29'::date) as e, dayofyear('2024-02-29'::date) as f;
--> A: number | B: number | C: number | D: number | E: number | F: number
2024 | 1 | 2 | 29 | 29 | 60

select hour('2024-02-29 13:05:07'::timestamp) as a, minute('2024-02-29 13:05:07'::timestamp) as b, second('2024-02-29 13:05:07'::timestamp) as c, hour('13:05:07'::time) as d;
--> A: number | B: number | C: number | D: number
13 | 5 | 7 | 13

select '2024-02-29 13:05:07'::timestamp::date as a, '2024-02-29 13:05:07'::timestamp::time as b, '2024-02-29'::date::timestamp as c;
--> A: date | B: time | C: timestamp_ntz
2024-02-29 | 13:05:07 | 2024-02-29 00:00:00

select '2024-02-29'::date < '2024-03-01' as a, '2024-02-29'::date = '2024-02-29 00:00:00'::timestamp as b, greatest('2024-02-29'::date, '2024-03-01'::date) as c;
--> A: boolean | B: boolean | C: date
true | true | 2024-03-01
