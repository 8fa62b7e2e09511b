# SHOW, DESCRIBE and INFORMATION_SCHEMA

create table t (id int not null, name varchar(10) default 'x', n number(10,2), at timestamp_ltz, v variant);
--ok

create view tv as select id from t;
--ok

insert into t (id) values (1), (2);
--ok

create schema other;
--ok

create table other.o (id int);
--ok

describe table t;
--> name: text | type: text | kind: text | null?: text | default: text | primary key: text | unique key: text | check: text | expression: text | comment: text | policy name: text | ...
ID | NUMBER(38,0) | COLUMN | N | NULL | N | N | NULL | NULL | NULL | NULL
NAME | VARCHAR(10) | COLUMN | Y | 'x' | N | N | NULL | NULL | NULL | NULL
N | NUMBER(10,2) | COLUMN | Y | NULL | N | N | NULL | NULL | NULL | NULL
AT | TIMESTAMP_LTZ(9) | COLUMN | Y | NULL | N | N | NULL | NULL | NULL | NULL
V | VARIANT | COLUMN | Y | NULL | N | N | NULL | NULL | NULL | NULL

desc view tv;
--> name: text | type: text | kind: text | null?: text | ...
ID | NUMBER(38,0) | COLUMN | *

describe t;
--> name: text | type: text | ...
ID | NUMBER(38,0)
NAME | VARCHAR(10)
N | NUMBER(10,2)
AT | TIMESTAMP_LTZ(9)
V | VARIANT

describe table nowhere;
--! 002003 42S02 *NOWHERE' does not exist or not authorized.

show tables;
--> created_on: timestamp_ltz | name: text | database_name: text | schema_name: text | kind: text | comment: text | cluster_by: text | rows: number | bytes: number | owner: text | retention_time: text | ...
* | T | MAYFLY | PUBLIC | TABLE | "" | "" | 2 | * | * | *

show tables like 'T%';
--> created_on: ? | name: text | ...
* | T

show tables like 'nothing';
--> created_on: ? | name: text | ...

show tables in schema other;
--> created_on: ? | name: text | database_name: text | schema_name: text | ...
* | O | MAYFLY | OTHER

show tables in database mayfly;
--> created_on: ? | name: text | database_name: text | schema_name: text | ...
* | O | MAYFLY | OTHER
* | T | MAYFLY | PUBLIC

show terse tables;
--> created_on: ? | name: text | kind: text | database_name: text | schema_name: text
* | T | TABLE | MAYFLY | PUBLIC

show tables limit 1;
--> created_on: ? | name: text | ...
* | T

show tables starts with 'Z';
--> created_on: ? | name: text | ...

show views;
--> created_on: ? | name: text | reserved: text | database_name: text | schema_name: text | owner: text | comment: text | text: text | is_secure: text | is_materialized: text | ...
* | TV | * | MAYFLY | PUBLIC | * | * | * | false | false

show schemas;
--> created_on: ? | name: text | is_default: text | is_current: text | database_name: text | ...
* | INFORMATION_SCHEMA | N | N | MAYFLY
* | OTHER | N | N | MAYFLY
* | PUBLIC | N | Y | MAYFLY

show databases like 'MAYFLY';
--> created_on: ? | name: text | is_default: text | is_current: text | origin: text | owner: text | comment: text | ...
* | MAYFLY | * | Y | * | * | *

show columns in table t;
--> table_name: text | schema_name: text | column_name: text | data_type: text | null?: text | default: text | kind: text | ...
T | PUBLIC | ID | {"type":"FIXED","precision":38,"scale":0,"nullable":false} | NOT_NULL | * | COLUMN
T | PUBLIC | NAME | * | true | * | COLUMN
T | PUBLIC | N | {"type":"FIXED","precision":10,"scale":2,"nullable":true} | true | * | COLUMN
T | PUBLIC | AT | * | true | * | COLUMN
T | PUBLIC | V | {"type":"VARIANT","nullable":true} | true | * | COLUMN

show objects;
--> created_on: ? | name: text | database_name: text | schema_name: text | kind: text | ...
* | T | MAYFLY | PUBLIC | TABLE
* | TV | MAYFLY | PUBLIC | VIEW

show warehouses;
--> name: text | state: text | ...
COMPUTE_WH | STARTED

show parameters like 'TIMEZONE';
--> key: text | value: text | default: text | level: text | description: text | type: text
TIMEZONE | UTC | * | * | * | STRING

show primary keys in table t;
--> created_on: ? | database_name: text | schema_name: text | table_name: text | column_name: text | key_sequence: number | ...

select table_name, table_type, row_count from information_schema.tables where table_schema = 'PUBLIC' order by 1;
--> TABLE_NAME: text | TABLE_TYPE: text | ROW_COUNT: number
T | BASE TABLE | 2
TV | VIEW | NULL

select table_catalog, table_schema, table_name from mayfly.information_schema.tables where table_name = 'O';
--> TABLE_CATALOG: text | TABLE_SCHEMA: text | TABLE_NAME: text
MAYFLY | OTHER | O

select column_name, ordinal_position, data_type, is_nullable, character_maximum_length, numeric_precision, numeric_scale from information_schema.columns where table_name = 'T' and table_schema = 'PUBLIC' order by ordinal_position;
--> COLUMN_NAME: text | ORDINAL_POSITION: number | DATA_TYPE: text | IS_NULLABLE: text | CHARACTER_MAXIMUM_LENGTH: number | NUMERIC_PRECISION: number | NUMERIC_SCALE: number
ID | 1 | NUMBER | NO | NULL | 38 | 0
NAME | 2 | TEXT | YES | 10 | NULL | NULL
N | 3 | NUMBER | YES | NULL | 10 | 2
AT | 4 | TIMESTAMP_LTZ | YES | NULL | NULL | NULL
V | 5 | VARIANT | YES | NULL | NULL | NULL

select schema_name from information_schema.schemata order by 1;
--> SCHEMA_NAME: text
INFORMATION_SCHEMA
OTHER
PUBLIC

select database_name from information_schema.databases where database_name = 'MAYFLY';
--> DATABASE_NAME: text
MAYFLY

select table_name from information_schema.views where table_schema = 'PUBLIC';
--> TABLE_NAME: text
TV

select count(*) as n from information_schema.tables where table_name like 'SF%' or table_schema = '_sf';
--> N: number
0

--script
show tables; select "name", "rows" from table(result_scan(last_query_id()));
--> name: text | rows: number
T | 2
--refused: RESULT_SCAN
--! 000002 0A000

select get_ddl('table', 't') as d;
--> D: text
*
--refused: GET_DDL
--! 000002 0A000

select file_name, row_count from information_schema.load_history;
--> FILE_NAME: text | ROW_COUNT: number

describe table other.o;
--> name: text(16777216) | type: text(16777216) | ...
ID | NUMBER(38,0)
