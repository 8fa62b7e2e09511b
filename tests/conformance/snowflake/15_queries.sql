# Queries

create table emp (id int, name varchar, dept varchar, boss int, pay number(10,2));
--ok

insert into emp values (1, 'Ada', 'eng', null, 100), (2, 'Bob', 'eng', 1, 80), (3, 'Cid', 'ops', 1, 70.50), (4, 'Dee', 'ops', 3, 60);
--> number of rows inserted: number(19,0) not null
4

select * from emp where id = 1;
--> ID: number(38,0) | NAME: text(16777216) | DEPT: text | BOSS: number(38,0) | PAY: number(10,2)
1 | Ada | eng | NULL | 100.00

select e.*, e.pay * 2 as double_pay from emp e where e.id = 3;
--> ID: number | NAME: text | DEPT: text | BOSS: number | PAY: number | DOUBLE_PAY: number
3 | Cid | ops | 1 | 70.50 | 141.00

select * exclude (boss, pay) from emp where id = 2;
--> ID: number | NAME: text | DEPT: text
2 | Bob | eng

select * rename (name as who) from emp where id = 2;
--> ID: number | WHO: text | DEPT: text | BOSS: number | PAY: number
2 | Bob | eng | 1 | 80.00

select * ilike 'n%' from emp where id = 2;
--> NAME: text
Bob

select * replace (upper(name) as name) from emp where id = 2;
--> ID: number | NAME: text | DEPT: text | BOSS: number | PAY: number
2 | BOB | eng | 1 | 80.00

select name, pay * 12 as yearly from emp where yearly > 1000 order by yearly;
--> NAME: text | YEARLY: number
Ada | 1200.00

select dept, max(pay) as m from emp group by dept having m > 75 order by 1;
--> DEPT: text | M: number
eng | 100.00

with t as (select dept, count(*) as n from emp group by dept) select * from t order by dept;
--> DEPT: text | N: number
eng | 2
ops | 2

with recursive chain (id, depth) as (select id, 0 from emp where boss is null union all select e.id, c.depth + 1 from emp e join chain c on e.boss = c.id) select id, depth from chain order by id;
--> ID: number | DEPTH: number
1 | 0
2 | 1
3 | 1
4 | 2

with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select sum(i) as s from n;
--> S: number
6

select id, name, level from emp start with boss is null connect by boss = prior id order by id;
--> ID: number | NAME: text | LEVEL: number
1 | Ada | 1
2 | Bob | 2
3 | Cid | 2
4 | Dee | 3
--refused: CONNECT BY
--! 000002 0A000

select a.name, b.name as boss from emp a join emp b on a.boss = b.id order by a.id;
--> NAME: text | BOSS: text
Bob | Ada
Cid | Ada
Dee | Cid

select a.name, b.name as boss from emp a left outer join emp b on a.boss = b.id order by a.id limit 2;
--> NAME: text | BOSS: text
Ada | NULL
Bob | Ada

select count(*) as n from emp a cross join emp b;
--> N: number
16

select count(*) as n from emp natural join (select 1 as id);
--> N: number
1

select name from emp join (select 2 as id) x using (id);
--> NAME: text
Bob

select name from emp where exists (select 1 from emp b where b.boss = emp.id) order by 1;
--> NAME: text
Ada
Cid

select name from emp where pay = (select max(pay) from emp);
--> NAME: text
Ada

select name, (select count(*) from emp b where b.boss = emp.id) as reports from emp order by id limit 1;
--> NAME: text | REPORTS: number
Ada | 2

select (select id from emp) as x;
--! 090150 22000 Single-row subquery returns more than one row.

select name from emp where pay > all (select pay from emp where dept = 'ops') order by 1;
--> NAME: text
Ada
Bob

select 1 as n union select 1 union all select 2 order by n;
--> N: number
1
2

select 1 as n union all select 1;
--> N: number
1
1

select column1 as n from values (1), (2) minus select 2;
--> N: number
1

select column1 as n from values (1), (2) except select 1;
--> N: number
2

select column1 as n from values (1), (2) intersect select 2;
--> N: number
2

select 1 as a, 2 as b union all by name select 3 as b, 4 as a order by a;
--> A: number | B: number
1 | 2
4 | 3

select * from values (1, 'a'), (2, 'b') order by 1;
--> COLUMN1: number | COLUMN2: text
1 | a
2 | b

select * from (values (1, 'a')) as t (id, name);
--> ID: number | NAME: text
1 | a

select $1 as a, $2 as b from values (1, 'x');
--> A: number | B: text
1 | x

select v.column1 from (values (5)) v;
--> COLUMN1: number
5

select count(*) as n from table(generator(rowcount => 5));
--> N: number
5

select seq4() as s from table(generator(rowcount => 3)) order by s;
--> S: number
0
1
2

select row_number() over (order by seq4()) as n from table(generator(rowcount => 2));
--> N: number
1
2

select * from (select dept, name, pay from emp) pivot (sum(pay) for dept in ('eng', 'ops')) as p order by name;
--> NAME: text | 'eng': number | 'ops': number
Ada | 100.00 | NULL
Bob | 80.00 | NULL
Cid | NULL | 70.50
Dee | NULL | 60.00

select * from (select dept, pay from emp) pivot (max(pay) for dept in ('eng', 'ops')) as p (e, o);
--> E: number | O: number
100.00 | 70.50

select * from (select 1 as id, 10 as q1, 20 as q2) unpivot (v for q in (q1, q2)) order by q;
--> ID: number | Q: text | V: number
1 | Q1 | 10
1 | Q2 | 20

select distinct dept from emp order by dept;
--> DEPT: text
eng
ops

select top 1 name from emp order by pay desc;
--> NAME: text
Ada

select name from emp order by id limit 2 offset 2;
--> NAME: text
Cid
Dee

select name from emp order by pay desc nulls last, id fetch next 2 rows only;
--> NAME: text
Ada
Bob

select count(*) as n from emp sample (100);
--> N: number
4

select count(*) as n from emp tablesample bernoulli (0);
--> N: number
0

select count(*) as n from emp sample (2 rows);
--> N: number
2

select name from emp where (dept, pay) in (('eng', 80), ('ops', 60)) order by id;
--> NAME: text
Bob
Dee

select t.name from identifier('emp') t where t.id = 1;
--> NAME: text
Ada

select e.name, x.n from emp e, lateral (select count(*) as n from emp b where b.boss = e.id) x order by e.id limit 2;
--> NAME: text | N: number
Ada | 2
Bob | 0

select dept, listagg(name, '+') within group (order by name) as names from emp group by 1 order by 1;
--> DEPT: text | NAMES: text
eng | Ada+Bob
ops | Cid+Dee

select name from emp at(offset => -60);
--! 000707 02000
--refused: time travel
--! 000002 0A000

select "NAME" from emp where "ID" = 2;
--> NAME: text
Bob

select "name" from emp;
--! 000904 42000 SQL compilation error: error line 1 at position 7\ninvalid identifier '"name"'
--differs: names are found in any case, also quoted ones
--> name: text
Ada
Bob
Cid
Dee

select a.x, b.y from (select 1 as x) a asof join (select 1 as x, 2 as y) b match_condition (a.x >= b.x);
--> X: number | Y: number
1 | 2

select * from emp match_recognize (order by id measures first(a.id) as f pattern (a b) define a as pay > 0);
--> F: number
1
--refused: MATCH_RECOGNIZE
--! 000002 0A000

(select 1 as n) union all (select 2) order by n desc limit 1;
--> N: number
2

with a as (select 1 as x), b as (select x + 1 as x from a) select a.x as p, b.x as q from a, b;
--> P: number | Q: number
1 | 2

select name from emp where name like '%d%' and pay between 60 and 100 or id = 2 order by id;
--> NAME: text
Ada
Bob
Cid

select case dept when 'eng' then 1 else 0 end as e, count(*) as n from emp group by e order by e;
--> E: number | N: number
0 | 2
1 | 2
