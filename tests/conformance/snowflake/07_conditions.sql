# Conditions

select iff(1 < 2, 'yes', 'no') as a, iff(null, 1, 2) as b, iff(false, 1, null) as c;
--> A: text | B: number | C: number
yes | 2 | NULL

select case when 1 = 1 then 'a' when 1 / 1 = 2 then 'b' else 'c' end as a, case 2 when 1 then 'x' when 2 then 'y' end as b;
--> A: text | B: text
a | y

select case when false then 1 end as a;
--> A: number
NULL

select nvl(null, 5) as a, nvl('a', 'b') as b, ifnull(null, 'x') as c, ifnull(1, 2) as d;
--> A: number | B: text | C: text | D: number
5 | a | x | 1

select nvl2(null, 'set', 'unset') as a, nvl2(1, 'set', 'unset') as b;
--> A: text | B: text
unset | set

select coalesce(null, null, 3) as a, coalesce(null, 'b') as b;
--> A: number | B: text
3 | b

select nullif(1, 1) as a, nullif(1, 2) as b, nullif(null, 1) as c;
--> A: number | B: number | C: number
NULL | 1 | NULL

select decode(2, 1, 'one', 2, 'two', 'other') as a, decode(9, 1, 'one') as b, decode(null, null, 'null!', 'no') as c;
--> A: text | B: text | C: text
two | NULL | null!

select equal_null(null, null) as a, equal_null(1, null) as b, equal_null(1, 1) as c;
--> A: boolean | B: boolean | C: boolean
true | false | true

select booland(true, false) as a, boolor(true, null) as b, boolxor(true, true) as c, boolnot(false) as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
false | true | false | true

select booland(1, 0) as a, boolor(0, 2) as b;
--> A: boolean | B: boolean
false | true

select regr_valx(1, 2) as a, regr_valy(null, 2) as b;
--> A: ? | B: ?
2 | NULL

select zeroifnull(null) + 1 as a;
--> A: number
1

select iff(1 = 1, 1, 2.50) as a;
--> A: number
1.00

select is_null_value(parse_json('null')) as a, is_null_value(parse_json('{"a":null}'):a) as b, parse_json('{"a":null}'):a is null as c, is_null_value(parse_json('{"a":null}'):b) as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
true | true | false | NULL

select case when null then 'x' else 'y' end as a, iff(1 is null, 'x', 'y') as b;
--> A: text | B: text
y | y

select least('b', 'a') as a, greatest('b', null) as b;
--> A: text | B: text
a | NULL

select true::int as a, false::varchar as b, to_boolean('yes') as c, to_boolean(0) as d, to_boolean('OFF') as e;
--> A: number | B: text | C: boolean | D: boolean | E: boolean
1 | false | true | false | false

select to_boolean('maybe');
--! 100037 22018 Boolean value 'maybe' is not recognized

select try_to_boolean('maybe') as a, try_to_boolean('t') as b;
--> A: boolean | B: boolean
NULL | true

select greatest(greatest(greatest(greatest(greatest(greatest(greatest(greatest(greatest(greatest(1, nvl2(0, iff(0 > 5, 0, 2), 0)), nvl2(1, iff(1 > 5, 1, 2), 0)), nvl2(2, iff(2 > 5, 2, 2), 0)), nvl2(3, iff(3 > 5, 3, 2), 0)), nvl2(4, iff(4 > 5, 4, 2), 0)), nvl2(5, iff(5 > 5, 5, 2), 0)), nvl2(6, iff(6 > 5, 6, 2), 0)), nvl2(7, iff(7 > 5, 7, 2), 0)), nvl2(8, iff(8 > 5, 8, 2), 0)), nvl2(9, iff(9 > 5, 9, 2), 0)) as n;
--> N: number
9
