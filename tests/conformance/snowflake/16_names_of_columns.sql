# Names of columns
# Without an alias a column is called as it was written, in upper case outside of quotes.

create table names (id int not null, "mixed Case" varchar(5), v variant);
--ok

insert into names select 1, 'x', parse_json('{"a":1}');
--> number of rows inserted: number(19,0) not null
1

select 1;
--> 1: number
1

select 1 + 1;
--> 1 + 1: number
2

select 1+1;
--> 1+1: number
2

select 'text';
--> 'text': text
text

select null;
--> NULL: text
NULL

select count(*) from names;
--> COUNT(*): number(18,0) not null
1

select sum(id), max(v:a::int) from names;
--> SUM(ID): number | MAX(V:A::INT): number
1 | 1

select upper('a') || 'b';
--> UPPER('a') || 'b': text
Ab

select iff(true, 1, 2);
--> IFF(TRUE, 1, 2): number
1

select "mixed Case" from names;
--> mixed Case: text(5)
x

select n.id, n."mixed Case" from names n;
--> ID: number(38,0) not null | mixed Case: text
1 | x

select names.id from names;
--> ID: number
1

select id as "lower", id Upper, id as alias from names;
--> lower: number | UPPER: number | ALIAS: number
1 | 1 | 1

select id, id from names;
--> ID: number | ID: number
1 | 1

select v:a from names;
--> V:A: variant
1

select v:a::int from names;
--> V:A::INT: number
1

select '1'::int;
--> '1'::INT: number
1

select 12.50::number(10,4);
--> 12.50::NUMBER(10,4): number(10,4)
12.5000

select cast(1 as varchar);
--> CAST(1 AS VARCHAR): text
1

select case when true then 1 else 2 end;
--> CASE WHEN TRUE THEN 1 ELSE 2 END: number
1

select (select 1);
--> (SELECT 1): number
1

--bind FIXED "7"
select ?;
--> ?: number(1,0)
7

--bind FIXED "7"
select ? + 1;
--> ? + 1: number
8

select -id, not true, id = 1 from names;
--> -ID: number | NOT TRUE: boolean | ID = 1: boolean
-1 | false | true

select current_database(), current_schema();
--> CURRENT_DATABASE(): text | CURRENT_SCHEMA(): text
MAYFLY | PUBLIC

select row_number() over (order by id) from names;
--> ROW_NUMBER() OVER (ORDER BY ID): number
1

select t.x from (select 1 as x union all select 2) t order by x;
--> X: number
1
2

select 1 as id union all select 2;
--> ID: number
1
2

select 1, 2 union all select 3, 4;
--> 1: number | 2: number
1 | 2
3 | 4

with w as (select id from names) select id, w.id + 1 from w;
--> ID: number | W.ID + 1: number
1 | 2

select id /* why */ from names;
--> ID: number
1

select distinct id from names;
--> ID: number
1

select date '2024-02-29';
--> DATE '2024-02-29': date
2024-02-29

create table upper_case as select id, count(*) as n, 'x' as "q" from names group by id;
--> status: text
Table UPPER_CASE successfully created.

select * from upper_case;
--> ID: number | N: number | q: text
1 | 1 | x

create view v1 (a, b) as select id, 'x' from names;
--> status: text
View V1 successfully created.

select * from v1;
--> A: number | B: text
1 | x

select 1e3, 1.5e2 + 1;
--> 1E3: float | 1.5E2 + 1: float
1000 | 151
