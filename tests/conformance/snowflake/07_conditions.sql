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

select coalesce(null, null, 3) as a, coalesce(null, 'b') as b;
--> A: number | B: text
3 | b

select nullif(1, 1) as a, nullif(1, 2) as b, nullif(null, 1) as c;
--> A: number | B: number | C: number
NULL | 1 | NULL

select equal_null(null, null) as a, equal_null(1, null) as b, equal_null(1, 1) as c;
--> A: boolean | B: boolean | C: boolean
true | false | true

select zeroifnull(null) + 1 as a;
--> A: number
1

select case when null then 'x' else 'y' end as a, iff(1 is null, 'x', 'y') as b;
--> A: text | B: text
y | y
