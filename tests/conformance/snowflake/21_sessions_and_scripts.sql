# Sessions and scripts
# A request is its own session. With MULTI_STATEMENT_COUNT it may hold many statements, which share that session.

alter session set timezone = 'Asia/Tokyo';
--> status: text
Statement executed successfully.

alter session unset timezone;
--> status: text
Statement executed successfully.

alter session set query_tag = 'x';
--> status: text
Statement executed successfully.

begin;
--! 391911 0A000 Command not supported by SQL API: TRANSACTION_BEGIN

commit;
--! 391911 0A000 Command not supported by SQL API: COMMIT

rollback;
--! 391911 0A000 Command not supported by SQL API: ROLLBACK

use schema public;
--! 391911 0A000 Command not supported by SQL API: USE

put file:///tmp/x @stage;
--! 391911 0A000 Command not supported by SQL API: PUT

get @stage file:///tmp;
--! 391911 0A000 Command not supported by SQL API: GET

create table t (id int);
--ok

select 1; select 2;
--! 000008 0A000 Actual statement count 2 did not match the desired statement count 1.

--parameter MULTI_STATEMENT_COUNT=3
select 1; select 2;
--! 000008 0A000 Actual statement count 2 did not match the desired statement count 3.

--parameter MULTI_STATEMENT_COUNT=2
select 1; ; select 2; -- the end
--> multiple statement execution: text(134217728)
Multiple statements executed successfully.

--parameter MULTI_STATEMENT_COUNT=0
select 1 as n;
--> N: number
1

--parameter MULTI_STATEMENT_COUNT=1
select 1 as n;
--> N: number
1

--script
begin; insert into t values (1), (2); commit; select count(*) as n from t;
--> N: number
2

--script
begin; insert into t values (3); rollback; select count(*) as n from t;
--> N: number
2

--script
begin; insert into t values (4);
--> number of rows inserted: number
1

select count(*) as n from t;
--> N: number
2

--script
begin transaction; delete from t; select count(*) as n from t;
--> N: number
0

select count(*) as n from t;
--> N: number
2

--script
start transaction; insert into t values (5); commit work;
--> status: text
Statement executed successfully.

--script
begin; insert into t values (6); create table made_between (id int); rollback; select count(*) as n from t where id = 6;
--> N: number
1

--script
commit; rollback; select 1 as n;
--> N: number
1

--script
insert into t values (7); select 1/0; insert into t values (8);
--! 100132 P0000 *Division by zero*

select id from t where id in (7, 8);
--> ID: number
7

--script
insert into t values (9); selec 1;
--! 001003 42000 *unexpected 'selec'*

select count(*) as n from t where id = 9;
--> N: number
0

--script
begin; insert into t values (20); select 'x'::int; commit;
--! 100132 P0000 *Numeric value 'x' is not recognized*

select count(*) as n from t where id = 20;
--> N: number
0

--script
create temporary table tmp (id int); insert into tmp values (1), (2); select sum(id) as s from tmp;
--> S: number
3

select * from tmp;
--! 002003 42S02

--script
set x = 5; select $x as v;
--> V: number
5

--script
set (a, b) = (1, 'two'); select $a + 1 as n, $b || '!' as s;
--> N: number | S: text
2 | two!

--script
set n = (select count(*) from t); select $n > 0 as b;
--> B: boolean
true

--script
set name = 't'; select count(*) > 0 as b from identifier($name);
--> B: boolean
true

--script
set tab = 'made_by_name'; create table identifier($tab) (id int); insert into identifier($tab) values (3); select id from made_by_name;
--> ID: number
3

--script
set x = 1; unset x; select $x;
--! * * *Session variable '$X' does not exist*

select $missing;
--! * * *Session variable '$MISSING' does not exist*

--script
set d = '2024-02-29'::date; select dateadd(day, 1, $d) as d;
--> D: date
2024-03-01

--script
set x = 1; set x = $x + 1; select $x as x;
--> X: number
2

--script
alter session set timezone = 'America/New_York'; select to_char('2024-02-29 12:00:00 +00:00'::timestamp_ltz, 'HH24:MI') as t;
--> T: text
07:00

--script
alter session set timezone = 'Nowhere/Land';
--! * * *Nowhere/Land*
--differs: a time zone is looked up when it is needed
--> status: text(16777216)
Statement executed successfully.

--script
insert into t values (30); update t set id = 31 where id = 30;
--> number of rows updated: number | number of multi-joined rows updated: number
1 | 0

--script
select 1 as a; select last_query_id() is not null as b;
--> B: boolean
true

select $$a;b$$ as s;
--> S: text
a;b

select 'a;b' as s;
--> S: text
a;b

--script
begin; insert into t values (40); begin; insert into t values (41); commit; select count(*) as n from t where id in (40, 41);
--> N: number
2

call system$wait(0);
--> SYSTEM$WAIT: text
waited 0 seconds

execute immediate 'select 1 as n';
--> N: number
1
--refused: EXECUTE IMMEDIATE, procedures and Snowflake Scripting
--! 000002 0A000

declare x int; begin x := 1; return x; end;
--> anonymous block: number
1
--refused: EXECUTE IMMEDIATE, procedures and Snowflake Scripting
--! 000002 0A000

create procedure p() returns int language sql as $$ begin return 1; end $$;
--> status: text
Function P successfully created.
--refused: EXECUTE IMMEDIATE, procedures and Snowflake Scripting
--! 000002 0A000
