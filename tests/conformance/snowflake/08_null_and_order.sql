# NULL and order
# NULL sorts as if it were greater than everything: last when ascending, first when descending.

create table vals (id int, n int, s varchar);
--ok

insert into vals values (1, 3, 'b'), (2, null, 'a'), (3, 1, null), (4, 2, 'B');
--> number of rows inserted: number(19,0) not null
4

select n from vals order by n;
--> N: number(38,0)
1
2
3
NULL

select n from vals order by n desc;
--> N: number
NULL
3
2
1

select n from vals order by n desc nulls last limit 2;
--> N: number
3
2

select n from vals order by n nulls first limit 1;
--> N: number
NULL

select s from vals order by s;
--> S: text
B
a
b
NULL

select id from vals order by 1 desc limit 1 offset 1;
--> ID: number
3

select id from vals where n <> 1 order by id;
--> ID: number
1
4

select id from vals where n not in (1, null);
--> ID: number

select id from vals where n in (1, null);
--> ID: number
3

select count(*) as a, count(n) as b, count(distinct n) as c, sum(n) as d, max(n) as e from vals;
--> A: number(18,0) not null | B: number(18,0) not null | C: number(18,0) not null | D: number(38,0) | E: number(38,0)
4 | 3 | 3 | 6 | 3

select sum(n) as a, count(n) as b, avg(n) as c, min(s) as d from vals where false;
--> A: number | B: number | C: number | D: text
NULL | 0 | NULL | NULL

select row_number() over (order by n desc) as r, n from vals order by r;
--> R: number | N: number
1 | NULL
2 | 3
3 | 2
4 | 1

select rank() over (order by n) as r, id from vals order by id;
--> R: number | ID: number
3 | 1
4 | 2
1 | 3
2 | 4

select listagg(s, ',') within group (order by s) as a from vals;
--> A: text
B,a,b

select array_agg(n) within group (order by n desc) as a from vals;
--> A: array
[3,2,1]

select n is null as a, count(*) as b from vals group by 1 order by 1;
--> A: boolean | B: number
false | 3
true | 1

select distinct n is null as a from vals order by a;
--> A: boolean
false
true

select a.id, b.id as other from vals a left join vals b on a.n = b.n and b.id <> 1 order by a.id;
--> ID: number | OTHER: number
1 | NULL
2 | NULL
3 | 3
4 | 4

select id from vals order by n desc, id limit 2;
--> ID: number
2
1

select top 2 id from vals order by id;
--> ID: number
1
2

select id from vals order by id fetch first 1 rows only;
--> ID: number
1

select first_value(n) over (order by n desc) as a from vals limit 1;
--> A: number
NULL

select first_value(n) ignore nulls over (order by n desc) as a from vals order by id limit 1;
--> A: number
3

select n + 1 as a, n || 'x' as b, n = 1 as c, -n as d from vals where id = 2;
--> A: number | B: text | C: boolean | D: number
NULL | NULL | NULL | NULL

select bool_val from (select n > 1 as bool_val, id from vals) order by id;
--> BOOL_VAL: boolean
true
NULL
false
true

select id from vals where s = null;
--> ID: number

select count(*) as n from vals where not (n = 1);
--> N: number
2
