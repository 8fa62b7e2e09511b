# Literals and operators
# Text literals know Snowflake's escapes, numbers their exact precision and scale, and operators its rules of division, of NULL and of text.

select 1;
--> 1: number(1,0) not null
1

select 12345 as n, -7 as m;
--> N: number(5,0) | M: number
12345 | -7

select 1.50 as n;
--> N: number(3,2)
1.50

select .5 as n;
--> N: number(1,1)
0.5

select 1.5e3 as n;
--> N: float
1500

select 99999999999999999999999999999999999999 as n;
--> N: number(38,0)
99999999999999999999999999999999999999

select 'it''s' as s;
--> S: text(4)
it's

select 'it\'s' as s;
--> S: text
it's

select 'a\tb\nc' as s;
--> S: text
"a\tb\nc"

select '\x41\u00e9' as s;
--> S: text
Aé

select 'back\\slash' as s, '\q' as q;
--> S: text | Q: text
back\slash | q

select '\101' as octal;
--> OCTAL: text
A

select $$raw \n 'text'$$ as s;
--> S: text
raw \n 'text'

select '' as s, length('') as n;
--> S: text(0) | N: number
"" | 0
--differs: the length that is told of an empty literal
--> S: text(16777216) not null | N: number(38,0)
"" | 0

select x'00ff' as b;
--> B: binary
00FF

select true as t, false as f, null as n;
--> T: boolean | F: boolean | N: text
true | false | NULL

select 1 as a -- a comment
, 2 as b // another one
, 3 /* and
a third */ as c;
--> A: number | B: number | C: number
1 | 2 | 3

select 1 as a;;
--> A: number
1

select date '2024-02-29' as d, time '13:05:07.25' as t, timestamp '2024-02-29 13:05:07.25' as ts;
--> D: date | T: time | TS: timestamp_ntz
2024-02-29 | 13:05:07.25 | 2024-02-29 13:05:07.25

select 7 / 2 as n;
--> N: number(7,6)
3.500000
--differs: a quotient is told with 38 digits
--> N: number(38,6)
3.500000

select 2 / 3 as n, 1 / 3 as m;
--> N: number | M: number
0.666667 | 0.333333

select 1.00 / 3 as n;
--> N: number
0.33333333

select 7::float / 2 as n;
--> N: float
3.5

select '10' / 4 as n, 10 / '4' as m, 1.5 / (select 2) as o;
--> N: number(38,11) | M: number(38,6) | O: number(38,7)
2.50000000000 | 2.500000 | 0.7500000

select parse_json('7') / 2 as n, 3 / parse_json('1.5') as m;
--> N: float | M: float
3.5 | 2

select 1073741824/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2/2 as n;
--> N: number
1.000000000000

select 1 / 0;
--! 100051 22012 Division by zero

select 1 % 0;
--! 100051 22012 Division by zero

select 1.5 / 0.0;
--! 100051 22012 Division by zero

select case when 1 = 2 then 1 / 0 else 7 end as n;
--> N: number
"7.000000"

select 7 % 3 as a, -7 % 3 as b, 7.5 % 2 as c;
--> A: number | B: number | C: number
1 | -1 | 1.5

select 0.1 + 0.2 as n;
--> N: number
0.3

select 1.5 * 1.5 as n;
--> N: number
2.25

select 1 + 2 * 3 as n, (1 + 2) * 3 as m;
--> N: number | M: number
7 | 9

select 1 + null as n;
--> N: number
NULL

select 'a' || 'b' as s;
--> S: text
ab

select 'a' || 1 as s, 1 || 2 as t;
--> S: text | T: text
a1 | 12

select 'a' || null as s;
--> S: text
NULL
--differs: a NULL without a type is told as a number
--> S: number(38,0)
NULL

select 'x' || true as s;
--> S: text
xtrue

select 1 = 1.0 as a, 1 <> 2 as b, 1 != 2 as c, 2 >= 2 as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
true | true | true | true

select '10' = 10 as a, '5' < 10 as b;
--> A: boolean | B: boolean
true | true

select 5 between 1 and 5 as a, 5 not between 1 and 4 as b;
--> A: boolean | B: boolean
true | true

select 2 in (1, 2) as a, 3 not in (1, 2) as b, 3 not in (1, null) as c;
--> A: boolean | B: boolean | C: boolean
true | true | NULL

select null = null as a, null is null as b, null is not distinct from null as c, 1 is distinct from null as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
NULL | true | true | true

select true and null as a, false and null as b, true or null as c, not null as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
NULL | false | true | NULL

select 'Snow' like 'S%' as a, 'Snow' like 's%' as b, 'Snow' ilike 's%' as c, 'a%b' like 'a^%b' escape '^' as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
true | false | true | true

select 'John' like any ('%Jo%', 'x') as a, 'John' like all ('J%', '%n') as b, 'John' ilike any ('jo%', 'x') as c;
--> A: boolean | B: boolean | C: boolean
true | true | true

select 'San Francisco' rlike 'San.*' as a, 'xSan' rlike 'San.*' as b, 'San Francisco' regexp 'S[a-z]+' as c;
--> A: boolean | B: boolean | C: boolean
true | false | false

select 'a' not like 'b%' as a, 'ab' not rlike 'a' as b;
--> A: boolean | B: boolean
true | true

select 12::varchar as s, '12'::int as n, 1::boolean as b;
--> S: text | N: number(38,0) | B: boolean
12 | 12 | true

select 5 as "MixedCase", 6 as "two words";
--> MixedCase: number | two words: number
5 | 6

select -(-3) as n, +4 as p;
--> N: number | P: number
3 | 4

select 1 as x, x + 1 as y, y * 10 as z;
--> X: number | Y: number | Z: number
1 | 2 | 20

select '10' + 4 as n, 2 * '2.5' as m, '3' - '1' as o;
--> N: number | M: number | O: number
14.00000 | 5.00000 | 2.00000

select s * 2 as n from (select '10' as s);
--> N: number
20.00000
--differs: a text in a sum or product that is not written out needs a cast
--! 001044 42P13
