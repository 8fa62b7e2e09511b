# Aggregates

create table sales (id int, region varchar, amount number(10,2), qty int, paid boolean, day date);
--ok

insert into sales values (1, 'north', 10.50, 1, true, '2024-01-01'), (2, 'north', 20.00, 2, false, '2024-01-02'), (3, 'south', 5.25, 3, true, '2024-01-02'), (4, 'south', null, 4, null, '2024-01-03');
--> number of rows inserted: number(19,0) not null
4

select count(*) as a, sum(qty) as b, sum(amount) as c, min(amount) as d, max(day) as e from sales;
--> A: number(18,0) not null | B: number(38,0) | C: number | D: number(10,2) | E: date
4 | 10 | 35.75 | 5.25 | 2024-01-03

select avg(qty) as a, avg(amount) as b from sales;
--> A: number(38,6) | B: number
2.500000 | 11.91666667

select sum(qty::float) as a, avg(qty::float) as b from sales;
--> A: float | B: float
10 | 2.5

select region, sum(amount) as s from sales group by region order by region;
--> REGION: text | S: number
north | 30.50
south | 5.25

select region, count(*) as n from sales group by all order by all;
--> REGION: text | N: number
north | 2
south | 2

select region as r, count(*) from sales group by r having count(*) > 1 order by r;
--> R: text | COUNT(*): number(18,0) not null
north | 2
south | 2

select count(distinct region) as a, count(distinct region, paid) as b, count_if(amount > 6) as c from sales;
--> A: number | B: number | C: number
2 | 3 | 2

select listagg(region, ',') within group (order by id) as a, listagg(distinct region, '|') within group (order by region) as b, listagg(qty) within group (order by qty desc) as c from sales;
--> A: text | B: text | C: text
north,north,south,south | "north|south" | 4321

select listagg(region) as a from sales where false;
--> A: text
""

select median(qty) as a, mode(region) is not null as b, any_value(7) as c from sales;
--> A: number | B: boolean | C: number
2.500 | true | 7

select percentile_cont(0.5) within group (order by qty::float) as a, percentile_disc(0.5) within group (order by qty) as b from sales;
--> A: float | B: number
2.5 | 2

select stddev(qty) > 1.29 as a, variance(qty) as b, var_pop(qty) as c, stddev_pop(qty) > 1.11 as d from sales;
--> A: boolean | B: ? | C: ? | D: boolean
true | * | * | true

select round(corr(qty, id), 6) as a, covar_pop(qty, id) as b, regr_slope(qty, id) as c from sales;
--> A: float | B: float | C: float
1 | 1.25 | 1

select booland_agg(paid) as a, boolor_agg(paid) as b, boolxor_agg(id = 1) as c from sales;
--> A: boolean | B: boolean | C: boolean
false | true | true

select bitand_agg(qty) as a, bitor_agg(qty) as b, bitxor_agg(qty) as c from sales;
--> A: number | B: number | C: number
0 | 7 | 4

select max_by(region, qty) as a, min_by(region, qty) as b from sales;
--> A: text | B: text
south | north

select approx_count_distinct(region) as a, hll(id) as b from sales;
--> A: number | B: number
2 | 4

select array_agg(id) within group (order by id) as a, array_agg(paid) within group (order by id) as b from sales;
--> A: array | B: array
[1,2,3,4] | [true,false,true]

select region, day, sum(qty) as s from sales group by rollup (region, day) order by region, day;
--> REGION: text | DAY: date | S: number
north | 2024-01-01 | 1
north | 2024-01-02 | 2
north | NULL | 3
south | 2024-01-02 | 3
south | 2024-01-03 | 4
south | NULL | 7
NULL | NULL | 10

select region, grouping(region) as g, count(*) as n from sales group by grouping sets ((region), ()) order by g, region;
--> REGION: text | G: number | N: number
north | 0 | 2
south | 0 | 2
NULL | 1 | 4

select region, paid, count(*) as n from sales group by cube (region, paid) order by region nulls last, paid nulls last, n limit 2;
--> REGION: text | PAID: boolean | N: number
north | false | 1
north | true | 1

select sum(qty) filter (where paid) as a from sales;
--! 001003 42000
--differs: FILTER is understood
--> A: number
4

select count(amount) as a, sum(iff(paid, qty, 0)) as b, count(case when paid then 1 end) as c from sales;
--> A: number | B: number | C: number
3 | 4 | 2

select qty from sales group by region;
--! 000979 42601 SQL compilation error:*QTY' in select clause is neither an aggregate nor in the group by clause.

select sum(qty) as s from sales where sum(qty) > 1;
--! 002035 42601

select kurtosis(qty) is not null as a, skew(qty) as b from sales;
--> A: boolean | B: float
true | 0

select hash_agg(id) = hash_agg(id) as a from sales;
--> A: boolean
true
--refused: HASH_AGG
--! 000002 0A000

select ratio_to_report(qty) over () as r from sales order by id limit 1;
--> R: number
0.100000

select sum(region) from sales;
--! 100038 22018 Numeric value 'north' is not recognized
--differs: sums and averages of texts are refused before any row is read
--! 001044 42P13

select sum(amount) / sum(amount * 2) as r, sum(qty) / sum(amount) as q from sales;
--> R: number(38,8) | Q: number(38,6)
0.50000000 | 0.279720

select id, ratio_to_report(amount) over () as r from sales where id < 3 order by id;
--> ID: number | R: number(38,8)
1 | 0.34426230
2 | 0.65573770
