# SHOW, DESCRIBE and INFORMATION_SCHEMA

create schema other;
--ok

create table other.o (id int);
--ok

describe table nowhere;
--! 002003 42S02 *NOWHERE' does not exist or not authorized.

show tables like 'nothing';
--> created_on: ? | name: text | ...

show tables in schema other;
--> created_on: ? | name: text | database_name: text | schema_name: text | ...
* | O | MAYFLY | OTHER

show tables starts with 'Z';
--> created_on: ? | name: text | ...

show schemas;
--> created_on: ? | name: text | is_default: text | is_current: text | database_name: text | ...
* | INFORMATION_SCHEMA | N | N | MAYFLY
* | OTHER | N | N | MAYFLY
* | PUBLIC | N | Y | MAYFLY

show databases like 'MAYFLY';
--> created_on: ? | name: text | is_default: text | is_current: text | origin: text | owner: text | comment: text | ...
* | MAYFLY | * | Y | * | * | *

show warehouses;
--> name: text | state: text | ...
COMPUTE_WH | STARTED

show parameters like 'TIMEZONE';
--> key: text | value: text | default: text | level: text | description: text | type: text
TIMEZONE | UTC | * | * | * | STRING

select table_catalog, table_schema, table_name from mayfly.information_schema.tables where table_name = 'O';
--> TABLE_CATALOG: text | TABLE_SCHEMA: text | TABLE_NAME: text
MAYFLY | OTHER | O

select schema_name from information_schema.schemata order by 1;
--> SCHEMA_NAME: text
INFORMATION_SCHEMA
OTHER
PUBLIC

select database_name from information_schema.databases where database_name = 'MAYFLY';
--> DATABASE_NAME: text
MAYFLY

select count(*) as n from information_schema.tables where table_name like 'SF%' or table_schema = '_sf';
--> N: number
0
