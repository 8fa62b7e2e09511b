# Numbers
# NUMBER is exact to 38 digits, FLOAT is a double.

select abs(-1.5) as a, abs(3) as b;
--> A: number | B: number
1.5 | 3

select ceil(135.135) as a, ceil(-975.975) as b, floor(135.135) as c, floor(-975.975) as d;
--> A: number | B: number | C: number | D: number
136 | -975 | 135 | -976

select round(2.5) as a, round(-2.5) as b, round(2.567, 2) as c, round(1234, -2) as d;
--> A: number | B: number | C: number | D: number
3 | -3 | 2.57 | 1200

select round(1.5::float) as a, round(2.5::float) as b;
--> A: float | B: float
2 | 3

select trunc(2.567, 2) as a, truncate(-2.567, 1) as b, trunc(9.99) as c;
--> A: number | B: number | C: number
2.56 | -2.5 | 9

select mod(7, 3) as a, mod(-7, 3) as b, mod(7.5, 2) as c;
--> A: number | B: number | C: number
1 | -1 | 1.5

select mod(1, 0);
--! 100051 22012 Division by zero

select sign(-5) as a, sign(0) as b, sign(2.5) as c;
--> A: number | B: number | C: number
-1 | 0 | 1

select sqrt(16) as a, cbrt(27) as b, square(5) as c;
--> A: float | B: float | C: float
4 | 3 | 25

select power(2, 10) as a, pow(2, -1) as b, exp(0) as c;
--> A: float | B: float | C: float
1024 | 0.5 | 1

select ln(1) as a, log(2, 8) as b, log(10, 1000) as c;
--> A: float | B: float | C: float
0 | 3 | 3

select pi() as a, degrees(pi()) as b, radians(180) as c;
--> A: float | B: float | C: float
3.141592653589793 | 180 | 3.141592653589793

select sin(0) as a, cos(0) as b, tan(0) as c, atan2(0, 1) as d, cot(1) > 0.64 as e;
--> A: float | B: float | C: float | D: float | E: boolean
0 | 1 | 0 | 0 | true

select sinh(0) as a, cosh(0) as b, tanh(0) as c, asin(0) as d, acos(1) as e;
--> A: float | B: float | C: float | D: float | E: float
0 | 1 | 0 | 0 | 0

select div0(1, 0) as a, div0(10, 4) as b, div0(null, 0) as c;
--> A: number | B: number | C: number
0.000000 | 2.500000 | NULL

select div0null(10, null) as a, div0null(10, 0) as b;
--> A: number | B: number
0.000000 | 0.000000

select factorial(5) as a, factorial(0) as b;
--> A: number | B: number
120 | 1

select greatest(1, 3, 2) as a, least(1, 3, 2) as b, greatest(1, null) as c, least(null, 1) as d;
--> A: number | B: number | C: number | D: number
3 | 1 | NULL | NULL

select greatest_ignore_nulls(1, null, 3) as a, least_ignore_nulls(null, 2) as b;
--> A: number | B: number
3 | 2

select bitand(12, 10) as a, bitor(12, 10) as b, bitxor(12, 10) as c, bitnot(5) as d;
--> A: number | B: number | C: number | D: number
8 | 14 | 6 | -6

select bitshiftleft(1, 4) as a, bitshiftright(16, 2) as b, getbit(11, 1) as c, getbit(11, 2) as d;
--> A: number | B: number | C: number | D: number
16 | 4 | 1 | 0

select width_bucket(5, 0, 10, 5) as a, width_bucket(-1, 0, 10, 5) as b, width_bucket(10, 0, 10, 5) as c;
--> A: number | B: number | C: number
3 | 0 | 6

select zeroifnull(null) as a, zeroifnull(5) as b, nullifzero(0) as c, nullifzero(7) as d;
--> A: number | B: number | C: number | D: number
0 | 5 | NULL | 7

select to_number('12.3456', 10, 1) as a, to_number('12.3456') as b, to_decimal('7.5', 10, 2) as c, to_numeric('3') as d;
--> A: number(10,1) | B: number(38,0) | C: number(10,2) | D: number(38,0)
12.3 | 12 | 7.50 | 3

select to_number('1,234.56', '9,999.99', 10, 2) as a;
--> A: number(10,2)
1234.56

select to_double('1.5') as a, to_double('-1e3') as b;
--> A: float | B: float
1.5 | -1000

select 2.5::int as a, -2.5::int as b, '2.5'::int as c, 2.4::number as d;
--> A: number(38,0) | B: number(38,0) | C: number(38,0) | D: number(38,0)
3 | -3 | 3 | 2

select 12.5::number(10,4) as n, 12.56::number(3,1) as m;
--> N: number(10,4) | M: number(3,1)
12.5000 | 12.6

select 1000::number(3,0);
--! 100046 22003

select 5::tinyint as a, 5::byteint as b, 5::smallint as c, 5::integer as d, 5::bigint as e;
--> A: number(38,0) | B: number(38,0) | C: number(38,0) | D: number(38,0) | E: number(38,0)
5 | 5 | 5 | 5 | 5

select 300::tinyint as a;
--> A: number(38,0)
300

select 1.5::float as a, 1.5::double as b, 1.5::real as c, 1.5::double precision as d, 1.5::float8 as e;
--> A: float | B: float | C: float | D: float | E: float
1.5 | 1.5 | 1.5 | 1.5 | 1.5

select 'NaN'::float as a, 'inf'::float as b, '-inf'::float as c;
--> A: float | B: float | C: float
NaN | inf | -inf

select 0.1::float + 0.2::float as a, 1e300::float * 10 as b;
--> A: float | B: float
0.30000000000000004 | 1e+301

select 12345678901234567890123456789012345678::number(38,0) as n;
--> N: number(38,0)
12345678901234567890123456789012345678

select -0.5::number(2,1) as n;
--> N: number(2,1)
-0.5

select 1::decimal(5,2) as a, 1::numeric(5,2) as b, 1::dec(5,2) as c;
--> A: number(5,2) | B: number(5,2) | C: number(5,2)
1.00 | 1.00 | 1.00

select random() is not null as a, uniform(1, 10, random()) between 1 and 10 as b;
--> A: boolean | B: boolean
true | true

select ceil(7.1::float) as a, floor(-7.1::float) as b;
--> A: float | B: float
8 | -8

select is_real(1.5::float::variant) as a, is_integer(1::variant) as b;
--> A: boolean | B: boolean
true | true

select haversine(0, 0, 0, 0) as a;
--> A: float
0

select '99999999999999999999999999999999999999'::number(38,0) + 1;
--! 100046 22003 Number out of representable range: type FIXED[SB16](38,0){nullable}, value *

select '99999999999999999999999999999999999999'::number(38,0) * 10;
--! 100046 22003 Number out of representable range: type FIXED[SB16](38,0){nullable}, value *
