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

--parameter MULTI_STATEMENT_COUNT=0
select 1 as n;
--> N: number
1

--parameter MULTI_STATEMENT_COUNT=1
select 1 as n;
--> N: number
1

select count(*) as n from t where id = 9;
--> N: number
0

select count(*) as n from t where id = 20;
--> N: number
0

select * from tmp;
--! 002003 42S02

select $$a;b$$ as s;
--> S: text
a;b

select 'a;b' as s;
--> S: text
a;b

call system$wait(0);
--> SYSTEM$WAIT: text
waited 0 seconds

execute immediate 'select 1 as n';
--> N: number
1
--refused: EXECUTE IMMEDIATE, procedures and Snowflake Scripting
--! 000002 0A000

create procedure p() returns int language sql as $$ begin return 1; end $$;
--> status: text
Function P successfully created.
--refused: EXECUTE IMMEDIATE, procedures and Snowflake Scripting
--! 000002 0A000
