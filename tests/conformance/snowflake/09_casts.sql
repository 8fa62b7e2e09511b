# Casts
# A cast that cannot be done is an error; TRY_ forms answer NULL.

select 'abc'::int;
--! 100038 22018 Numeric value 'abc' is not recognized

select 'abc'::number(10,2);
--! 100038 22018 Numeric value 'abc' is not recognized

select 'x'::float;
--! 100038 22018 Numeric value 'x' is not recognized

select 'x'::boolean;
--! 100037 22018 Boolean value 'x' is not recognized

select '2024-13-01'::date;
--! 100040 22007 Date '2024-13-01' is not recognized

select try_cast('abc' as int) as a, try_cast('12' as int) as b, try_cast('1.5' as number(10,1)) as c;
--> A: number(38,0) | B: number(38,0) | C: number(10,1)
NULL | 12 | 1.5

select try_cast('2024-02-30' as date) as a, try_cast('2024-02-29' as date) as b, try_cast('x' as timestamp_ntz) as c;
--> A: date | B: date | C: timestamp_ntz
NULL | 2024-02-29 | NULL

select try_to_number('12.6') as a, try_to_number('x') as b, try_to_decimal('7.25', 10, 1) as c, try_to_double('x') as d;
--> A: number(38,0) | B: number(38,0) | C: number(10,1) | D: float
13 | NULL | 7.3 | NULL

select cast(1 as varchar) as a, cast('1' as number) as b, cast(null as date) as c, cast('true' as boolean) as d;
--> A: text | B: number(38,0) | C: date | D: boolean
1 | 1 | NULL | true

select ' 12 '::int as a, '1e2'::number as b, '+7'::int as c, '.5'::number(2,1) as d;
--> A: number | B: number | C: number | D: number
12 | 100 | 7 | 0.5

select ''::int;
--! 100038 22018 Numeric value '' is not recognized

select '12345'::number(3,1);
--! 100039 22003 Numeric value '12345' is out of range

select '24:00:00'::time;
--! 100108 22007 Time '24:00:00' is not recognized

select '29-Feb-2024'::date as a, '02/29/2024'::date as b, '1709211907'::timestamp as c, '1:05 PM'::time as d, '12:05:07.5 am'::time as e;
--> A: date | B: date | C: timestamp_ntz | D: time | E: time
2024-02-29 | 2024-02-29 | 2024-02-29 13:05:07 | 13:05:00 | 00:05:07.5

select 'T'::boolean as a, 'n'::boolean as b, 'on'::boolean as c, '0'::boolean as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
true | false | true | false

select 0::boolean as a, 2::boolean as b, true::int as c, 1.5::int::varchar as d;
--> A: boolean | B: boolean | C: number | D: text
false | true | 1 | 2

select 1.0::varchar as a, 1.50::float::varchar as b, (1/3)::varchar as c;
--> A: text | B: text | C: text
1.0 | 1.5 | 0.333333

select '1.23456789'::float as a, '1e2'::float as b;
--> A: float | B: float
1.23456789 | 100

select 3.999::int as a, 3.5::number(1,0) as b, 0.05::number(2,1) as c, -0.05::number(2,1) as d;
--> A: number | B: number | C: number | D: number
4 | 4 | 0.1 | -0.1

select '99999999999999999999999999999999999999'::number(38,0) as a;
--> A: number(38,0)
99999999999999999999999999999999999999

select 5::variant as a, 'x'::variant as b, true::variant as c, null::variant as d;
--> A: variant | B: variant | C: variant | D: variant
5 | "x" | true | NULL

select to_variant(5)::int as a, to_variant('x')::varchar as b, parse_json('"7"')::int as c, parse_json('1.5')::int as d;
--> A: number(38,0) | B: text | C: number(38,0) | D: number(38,0)
5 | x | 7 | 2

select parse_json('"2024-02-29"')::date as a, parse_json('"13:05:07"')::time as b, parse_json('true')::boolean as c, parse_json('1.5')::float as d;
--> A: date | B: time | C: boolean | D: float
2024-02-29 | 13:05:07 | true | 1.5

select parse_json('"abc"')::int;
--! 100071 22000 Failed to cast variant value "abc" to FIXED

select parse_json('{"a":1}')::varchar as a, parse_json('[1,2]')::varchar as b;
--> A: text | B: text
{"a":1} | [1,2]

select to_varchar(parse_json('"x"')) as a, to_json(parse_json('"x"')) as b;
--> A: text | B: text
x | "\"x\""

select to_array(1) as a, to_array(array_construct(1, 2)) as b, 'x'::variant::array as c;
--> A: array | B: array | C: array
[1] | [1,2] | ["x"]

select to_object(parse_json('{"a":1}')) as a, parse_json('{"a":1}')::object as b;
--> A: object | B: object
{"a":1} | {"a":1}

select system$typeof(1) as a, system$typeof('x'::varchar) as b, system$typeof(1.5::float) as c;
--> A: text | B: text | C: text
NUMBER(1,0)[SB1] | VARCHAR[LOB] | FLOAT[DOUBLE]
--differs: a literal is NUMBER(38,0) to SYSTEM$TYPEOF, and VARCHAR has its length
--> A: text(134217728) | B: text(134217728) | C: text(134217728)
NUMBER(38,0)[SB16] | VARCHAR(16777216)[LOB] | FLOAT[DOUBLE]

select system$typeof('2024-02-29'::date) as a, system$typeof(true) as b, system$typeof(parse_json('1')) as c;
--> A: text | B: text | C: text
DATE[SB4] | BOOLEAN[SB1] | VARIANT[LOB]

select '2024-02-29 13:05:07.25'::timestamp_ntz::date as a, '2024-02-29'::date::varchar as b, 1709211907::timestamp as c;
--> A: date | B: text | C: timestamp_ntz
2024-02-29 | 2024-02-29 | 2024-02-29 13:05:07

select '2024-02-29'::datetime as a, '2024-02-29'::timestampntz as b, '2024-02-29'::timestamp without time zone as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: timestamp_ntz
2024-02-29 00:00:00 | 2024-02-29 00:00:00 | 2024-02-29 00:00:00

select 'a'::character varying(3) as a, 'a'::nvarchar(5) as b, '00'::varbinary as c, 'a'::nchar(2) as d;
--> A: text(3) | B: text(5) | C: binary | D: text(2)
a | a | 00 | a

select 1::no_such_type;
--! 002040 42601 *Unsupported data type 'NO_SUCH_TYPE'*

select '02/29/2024'::date as a, '29-FEB-2024'::date as b, '2024-02-29T13:05:07Z'::timestamp_ntz as c, '13:05'::time as d;
--> A: date | B: date | C: timestamp_ntz | D: time
2024-02-29 | 2024-02-29 | 2024-02-29 13:05:07 | 13:05:00

select '1709211907'::timestamp as a, '1709211907123'::timestamp as b, '1709211907123456'::timestamp_ntz as c;
--> A: timestamp_ntz | B: timestamp_ntz | C: timestamp_ntz
2024-02-29 13:05:07 | 2024-02-29 13:05:07.123 | 2024-02-29 13:05:07.123456

select to_timestamp('2024-02-29 13:05:07')::varchar as a, '13:05:07.5'::time::varchar as b, ('2024-02-29'::timestamp_ntz)::varchar(10)::date as c;
--> A: text | B: text | C: date
2024-02-29 13:05:07.000 | 13:05:07 | 2024-02-29

select try_cast('x' as timestamp_tz) as a, try_cast('zz' as binary) as b, try_cast('maybe' as boolean) as c, try_cast('25:00' as time) as d;
--> A: timestamp_tz | B: binary | C: boolean | D: time
NULL | NULL | NULL | NULL

select cast('abcdef' as varchar(3)) as a, left('abcdef', 2) as b, 'ab'::varchar(3)::varchar(2) as c;
--> A: text(3) | B: text | C: text(2)
abc | ab | ab

select null::date as a, null::timestamp_tz as b, null::timestamp_ltz as c, null::time as d, null::boolean as e, null::varchar(3) as f;
--> A: date | B: timestamp_tz | C: timestamp_ltz | D: time | E: boolean | F: text(3)
NULL | NULL | NULL | NULL | NULL | NULL

select 'abc'::timestamp_tz;
--! 100035 22007 Timestamp 'abc' is not recognized
