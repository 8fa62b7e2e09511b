# Dates and times
# A month's arithmetic keeps to the month's last day, a week begins on Monday, and DATEDIFF counts boundaries, not durations.
# DuckDB's clocks tick microseconds: digits beyond are cut.

select '2024-02-29'::date as a, to_date('2024-02-29') as b, '0001-01-01'::date as c, '9999-12-31'::date as d;
--> A: date | B: date | C: date | D: date
2024-02-29 | 2024-02-29 | 0001-01-01 | 9999-12-31

select to_date('02/29/2024', 'MM/DD/YYYY') as a, to_date('29.02.2024', 'DD.MM.YYYY') as b, to_date('20240229', 'YYYYMMDD') as c, to_date('29-FEB-2024', 'DD-MON-YYYY') as d;
--> A: date | B: date | C: date | D: date
2024-02-29 | 2024-02-29 | 2024-02-29 | 2024-02-29

select to_date('1709164800') as a, date('2024-02-29 13:05:07') as b, to_date('2024-02-29 13:05:07'::timestamp) as c;
--> A: date | B: date | C: date
2024-02-29 | 2024-02-29 | 2024-02-29

select '2024-02-30'::date;
--! 100040 22007 Date '2024-02-30' is not recognized

select to_date('x', 'YYYY-MM-DD');
--! 100096 22007 Can't parse 'x' as date with format 'YYYY-MM-DD'

select '25:00:00'::time;
--! 100108 22007 Time '25:00:00' is not recognized

select 'yesterday'::timestamp_ntz;
--! 100035 22007 Timestamp 'yesterday' is not recognized

select '13:05:07.25'::time as a, to_time('13:05') as b, '13:05:07'::time(0) as c;
--> A: time(9) | B: time(9) | C: time(0)
13:05:07.25 | 13:05:00 | 13:05:07

select '2024-02-29 13:05:07.25'::timestamp_ntz as a, '2024-02-29'::timestamp as b, '2024-02-29T13:05:07'::datetime as c;
--> A: timestamp_ntz(9) | B: timestamp_ntz(9) | C: timestamp_ntz(9)
2024-02-29 13:05:07.25 | 2024-02-29 00:00:00 | 2024-02-29 13:05:07

select '1969-12-31 23:59:59.5'::timestamp_ntz as a, '1905-01-01'::date as b, '0001-01-01 00:00:00'::timestamp_ntz as c;
--> A: timestamp_ntz | B: date | C: timestamp_ntz
1969-12-31 23:59:59.5 | 1905-01-01 | 0001-01-01 00:00:00

select '2024-02-29 13:05:07.123456'::timestamp_ntz(3) as a, '2024-02-29 13:05:07.9'::timestamp_ntz(0) as b;
--> A: timestamp_ntz(3) | B: timestamp_ntz(0)
2024-02-29 13:05:07.123 | 2024-02-29 13:05:07

select '2024-02-29 13:05:07.123456789'::timestamp_ntz as a;
--> A: timestamp_ntz
2024-02-29 13:05:07.123456789
--differs: nanoseconds are cut to microseconds
--> A: timestamp_ntz
2024-02-29 13:05:07.123456

select to_timestamp(1709211907) as a, to_timestamp(1709211907250, 3) as b, to_timestamp('1709211907') as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: timestamp_ntz
2024-02-29 13:05:07 | 2024-02-29 13:05:07.25 | 2024-02-29 13:05:07

select to_timestamp('29.02.2024 13h05', 'DD.MM.YYYY HH24"h"MI') as a, to_timestamp_ntz('2024-02-29 01:05:07 PM', 'YYYY-MM-DD HH12:MI:SS AM') as b;
--> A: timestamp_ntz | B: timestamp_ntz
2024-02-29 13:05:00 | 2024-02-29 13:05:07

select dateadd(day, 1, '2024-02-28'::date) as a, dateadd(month, 1, '2024-01-31'::date) as b, dateadd(year, 1, '2024-02-29'::date) as c;
--> A: date | B: date | C: date
2024-02-29 | 2024-02-29 | 2025-02-28

select dateadd('week', -1, '2024-03-07'::date) as a, dateadd(quarter, 1, '2024-01-15'::date) as b, dateadd(dd, 2, '2024-02-28'::date) as c;
--> A: date | B: date | C: date
2024-02-29 | 2024-04-15 | 2024-03-01

select dateadd(hour, 2, '2024-02-29'::date) as a, dateadd(minute, -5, '2024-02-29 00:00:00'::timestamp_ntz) as b, dateadd(ms, 250, '2024-02-29'::timestamp) as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: timestamp_ntz
2024-02-29 02:00:00 | 2024-02-28 23:55:00 | 2024-02-29 00:00:00.25

select dateadd(day, 1, '2024-02-28') as a, timestampadd(hour, 1, '2024-02-29 13:05:07'::timestamp) as b, timeadd(minute, 10, '23:55:00'::time) as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: time
2024-02-29 00:00:00 | 2024-02-29 14:05:07 | 00:05:00

select datediff(day, '2024-02-28'::date, '2024-03-01'::date) as a, datediff(month, '2024-01-31'::date, '2024-02-01'::date) as b, datediff(year, '2023-12-31'::date, '2024-01-01'::date) as c;
--> A: number | B: number | C: number
2 | 1 | 1

select datediff(hour, '2024-02-29 13:59:59'::timestamp, '2024-02-29 14:00:00'::timestamp) as a, datediff('second', '2024-02-29'::date, '2024-03-01'::date) as b;
--> A: number | B: number
1 | 86400

select datediff(week, '2024-03-03'::date, '2024-03-04'::date) as a, datediff(quarter, '2024-03-31'::date, '2024-04-01'::date) as b, timestampdiff(minute, '10:00:00'::time, '10:30:00'::time) as c;
--> A: number | B: number | C: number
1 | 1 | 30

select datediff(day, '2024-02-28', '2024-03-01') as a, datediff(ms, '2024-02-29 00:00:00', '2024-02-29 00:00:01.5') as b;
--> A: number | B: number
2 | 1500

select '2024-03-01'::date - '2024-02-28'::date as a, '2024-02-28'::date + 2 as b, '2024-03-01'::date - 1 as c;
--> A: number | B: date | C: date
2 | 2024-03-01 | 2024-02-29

select '2024-02-29'::date + interval '1 day' as a, '2024-02-29'::timestamp + interval '1 hour, 30 minutes' as b;
--> A: date | B: timestamp_ntz
2024-03-01 | 2024-02-29 01:30:00
--differs: DATE + INTERVAL gives a timestamp
--> A: timestamp_ntz(9) | B: timestamp_ntz(9)
1709251200.000000000 | 1709170200.000000000

select date_trunc('month', '2024-02-29'::date) as a, date_trunc(quarter, '2024-02-29'::date) as b, date_trunc('week', '2024-02-29'::date) as c;
--> A: date | B: date | C: date
2024-02-01 | 2024-01-01 | 2024-02-26

select date_trunc('hour', '2024-02-29 13:05:07.25'::timestamp) as a, trunc('2024-02-29'::date, 'month') as b, date_trunc('day', '2024-02-29 13:05:07'::timestamp) as c;
--> A: timestamp_ntz | B: date | C: timestamp_ntz
2024-02-29 13:00:00 | 2024-02-01 | 2024-02-29 00:00:00

select year('2024-02-29'::date) as a, quarter('2024-02-29'::date) as b, month('2024-02-29'::date) as c, day('2024-02-29'::date) as d, dayofmonth('2024-02-29'::date) as e, dayofyear('2024-02-29'::date) as f;
--> A: number | B: number | C: number | D: number | E: number | F: number
2024 | 1 | 2 | 29 | 29 | 60

select hour('2024-02-29 13:05:07'::timestamp) as a, minute('2024-02-29 13:05:07'::timestamp) as b, second('2024-02-29 13:05:07'::timestamp) as c, hour('13:05:07'::time) as d;
--> A: number | B: number | C: number | D: number
13 | 5 | 7 | 13

select dayofweek('2024-03-03'::date) as a, dayofweek('2024-02-29'::date) as b, dayofweekiso('2024-03-03'::date) as c, dayname('2024-02-29'::date) as d, monthname('2024-02-29'::date) as e;
--> A: number | B: number | C: number | D: text | E: text
0 | 4 | 7 | Thu | Feb

select week('2024-02-29'::date) as a, weekofyear('2024-02-29'::date) as b, weekiso('2024-12-30'::date) as c, yearofweek('2024-12-30'::date) as d, yearofweekiso('2024-12-30'::date) as e;
--> A: number | B: number | C: number | D: number | E: number
9 | 9 | 1 | 2025 | 2025

select date_part(year, '2024-02-29'::date) as a, date_part('month', '2024-02-29'::date) as b, extract(day from '2024-02-29'::date) as c, date_part(epoch_second, '2024-02-29 13:05:07'::timestamp) as d;
--> A: number | B: number | C: number | D: number
2024 | 2 | 29 | 1709211907

select date_part(epoch_millisecond, '2024-02-29 13:05:07.25'::timestamp) as a, date_part(dayofweekiso, '2024-02-29'::date) as b, date_part(nanosecond, '2024-02-29 13:05:07.25'::timestamp) as c;
--> A: number | B: number | C: number
1709211907250 | 4 | 250000000

select last_day('2024-02-10'::date) as a, last_day('2024-02-10'::date, 'year') as b, last_day('2024-02-29'::date, 'week') as c, last_day('2024-02-10 12:00:00'::timestamp) as d;
--> A: date | B: date | C: date | D: date
2024-02-29 | 2024-12-31 | 2024-03-03 | 2024-02-29

select next_day('2024-02-29'::date, 'Friday') as a, next_day('2024-02-29'::date, 'th') as b, previous_day('2024-02-29'::date, 'mo') as c;
--> A: date | B: date | C: date
2024-03-01 | 2024-03-07 | 2024-02-26

select add_months('2024-01-31'::date, 1) as a, add_months('2024-02-29'::date, 1) as b, add_months('2024-03-15'::date, -1) as c;
--> A: date | B: date | C: date
2024-02-29 | 2024-03-31 | 2024-02-15

select months_between('2024-03-15'::date, '2024-02-15'::date) as a, months_between('2024-03-31'::date, '2024-02-29'::date) as b, months_between('2024-03-01'::date, '2024-02-15'::date) as c;
--> A: number | B: number | C: number
1.000000 | 1.000000 | 0.548387

select date_from_parts(2024, 2, 29) as a, datefromparts(2024, 2, 30) as b, date_from_parts(2024, 13, 1) as c, date_from_parts(2024, 1, 0) as d;
--> A: date | B: date | C: date | D: date
2024-02-29 | 2024-03-01 | 2025-01-01 | 2023-12-31

select time_from_parts(13, 5, 7) as a, time_from_parts(0, 100, 0) as b, timefromparts(13, 5, 7, 250000000) as c;
--> A: time | B: time | C: time
13:05:07 | 01:40:00 | 13:05:07.25

select timestamp_from_parts(2024, 2, 29, 13, 5, 7) as a, timestamp_ntz_from_parts(2024, 2, 29, 13, 5, 7, 250000000) as b, timestamp_from_parts('2024-02-29'::date, '13:05:07'::time) as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: timestamp_ntz
2024-02-29 13:05:07 | 2024-02-29 13:05:07.25 | 2024-02-29 13:05:07

select time_slice('2024-02-29'::date, 4, 'month', 'start') as a, time_slice('2024-02-29 13:05:07'::timestamp, 15, 'minute', 'end') as b;
--> A: date | B: timestamp_ntz
2024-01-01 | 2024-02-29 13:15:00

select to_char('2024-02-29'::date, 'DD.MM.YYYY') as a, to_varchar('2024-02-29 13:05:07'::timestamp, 'YYYY/MM/DD HH24:MI:SS') as b, to_char('2024-02-29'::date, 'MON DD, YYYY') as c;
--> A: text | B: text | C: text
29.02.2024 | 2024/02/29 13:05:07 | Feb 29, 2024

select to_char('2024-02-29 13:05:07.25'::timestamp, 'HH12:MI AM') as a, to_char('2024-02-29 13:05:07.25'::timestamp, 'SS.FF3') as b, to_char('2024-02-29'::date, 'DY, YY') as c, to_char('2024-02-29'::date, 'MMMM') as d;
--> A: text | B: text | C: text | D: text
01:05 PM | 07.250 | Thu, 24 | February

select '2024-02-29'::date::varchar as a, '2024-02-29 13:05:07.25'::timestamp_ntz::varchar as b, '13:05:07'::time::varchar as c;
--> A: text | B: text | C: text
2024-02-29 | 2024-02-29 13:05:07.250 | 13:05:07

select current_date() = current_date as a, current_timestamp() is not null as b, getdate() is not null as c, sysdate() is not null as d, current_time() is not null as e, localtimestamp is not null as f;
--> A: boolean | B: boolean | C: boolean | D: boolean | E: boolean | F: boolean
true | true | true | true | true | true

select current_date as a, current_timestamp as b, current_time as c, sysdate() as d, localtimestamp() as e;
--> A: date | B: timestamp_ltz | C: time | D: timestamp_ntz | E: timestamp_ltz
* | * | * | * | *

select '2024-02-29 13:05:07'::timestamp::date as a, '2024-02-29 13:05:07'::timestamp::time as b, '2024-02-29'::date::timestamp as c;
--> A: date | B: time | C: timestamp_ntz
2024-02-29 | 13:05:07 | 2024-02-29 00:00:00

select '2024-02-29'::date < '2024-03-01' as a, '2024-02-29'::date = '2024-02-29 00:00:00'::timestamp as b, greatest('2024-02-29'::date, '2024-03-01'::date) as c;
--> A: boolean | B: boolean | C: date
true | true | 2024-03-01

select datediff(nanosecond, '2024-02-29 00:00:00'::timestamp, '2024-02-29 00:00:01'::timestamp) as a;
--> A: number
1000000000

select to_date('2024-02-29') = date_from_parts(2024, 2, 29) as a, try_to_date('no date') as b, try_to_timestamp('2024-02-29 13:05:07') as c, try_to_time('x') as d;
--> A: boolean | B: date | C: timestamp_ntz | D: time
true | NULL | 2024-02-29 13:05:07 | NULL

select dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, dateadd(day, 1, date_trunc(day, date '2024-01-01')))))))))))))))))) as d;
--> D: date
2024-01-10

select to_char(to_date(to_char(dateadd(month, 1, '2024-01-31'::timestamp), 'YYYY-MM-DD')), 'DD.MM.YYYY') as t;
--> T: text
29.02.2024
