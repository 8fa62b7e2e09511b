# What is refused
# Statements that reach files, other engines or this server's inside are refused, in DuckDB's words as well as in Snowflake's.

install httpfs;
--! 001003 42000
--refused: statements of DuckDB's that leave its sandbox
--! 003001 42501

attach 'x.db' as x;
--! 001003 42000
--refused: statements of DuckDB's that leave its sandbox
--! 003001 42501

pragma database_list;
--! 001003 42000
--refused: statements of DuckDB's that leave its sandbox
--! 003001 42501

copy (select 1) to '/tmp/x';
--! 001003 42000
--refused: statements of DuckDB's that leave its sandbox
--! 000002 0A000

select * from read_csv('/etc/passwd');
--! 002140 42601
--refused: functions that read files
--! 003001 42501

select * from '/etc/passwd';
--! 001003 42000
--refused: functions that read files
--! 003001 42501

select * from duckdb_settings();
--! 002140 42601
--refused: the engine's own catalog
--! 003001 42501

select * from _sf.main.x;
--! 002003 02000
--refused: the engine's own catalog
--! 003001 42501

select getenv('HOME');
--! 002140 42601 *GETENV*
--refused: functions that read files
--! 003001 42501

create task tk as select 1;
--> status: text
Task TK successfully created.
--refused: streams, tasks and pipes
--! 000002 0A000

create pipe p as copy into t from @s;
--> status: text
Pipe P successfully created.
--refused: streams, tasks and pipes
--! 000002 0A000

create dynamic table d target_lag = '1 minute' warehouse = w as select 1;
--> status: text
Dynamic table D successfully created.
--refused: dynamic, external, hybrid and Iceberg tables
--! 000002 0A000

create external table x (a int) location = @s;
--> status: text
Table X successfully created.
--refused: dynamic, external, hybrid and Iceberg tables
--! 000002 0A000

create user u;
--> status: text
User U successfully created.
--refused: warehouses, roles, users and grants
--! 000002 0A000

create role r;
--> status: text
Role R successfully created.
--refused: warehouses, roles, users and grants
--! 000002 0A000

create masking policy m as (v varchar) returns varchar -> v;
--> status: text
Masking policy M successfully created.
--refused: policies and tags
--! 000002 0A000

create tag cost;
--> status: text
Tag COST successfully created.
--refused: policies and tags
--! 000002 0A000

create file format ff type = csv;
--> status: text
File format FF successfully created.
--refused: stages and file formats
--! 000002 0A000

list @stage;
--! 002003 02000
--refused: stages and file formats
--! 000002 0A000

create materialized view mv as select 1 as a;
--> status: text
Materialized view MV successfully created.
--refused: materialized views (spaces have them)
--! 000002 0A000

explain using text select 1;
--> step: text | ...
*
--refused: EXPLAIN USING
--! 000002 0A000

select st_makepoint(1, 2) as p;
--> P: object
{"coordinates":[1,2],"type":"Point"}
--refused: geography, vectors, machine learning
--! 002140 42601

select [1,2]::vector(int, 2) as v;
--> V: vector
[1,2]
--refused: geography, vectors, machine learning
--! 000002 0A000

select * from (select 1 as id, 'a' as k) pivot (max(id) for k in (any order by k));
--> 'a': number
1
--refused: PIVOT over whatever values there are (ANY, a subquery)
--! 000002 0A000 Unsupported feature 'PIVOT without the values'.

lock table t in exclusive mode;
--! 001003 42000
