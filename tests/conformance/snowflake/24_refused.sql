# What is refused
# Statements that reach files, other engines or this server's inside are refused, in DuckDB's words as well as in Snowflake's.

copy (select 1) to '/tmp/x';
--! 001003 42000
--refused: statements of DuckDB's that leave its sandbox
--! 000002 0A000

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

select st_makepoint(1, 2);
--! * *
--refused: geography, vectors, machine learning
--! 002140 42601

select [1,2]::vector(int, 2);
--! * *
--refused: geography, vectors, machine learning
--! 000002 0A000

lock table t in exclusive mode;
--! 001003 42000
