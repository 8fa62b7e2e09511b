# Databases and schemas
# A tenant has the database MAYFLY with the schema PUBLIC; others are made, or appear when a request names them
# (`snowflake_api.create_missing_namespaces`).

select current_database() as d, current_schema() as s;
--> D: text | S: text
MAYFLY | PUBLIC

--context SHOP.PUBLIC
select current_database() as d, current_schema() as s;
--> D: text | S: text
SHOP | PUBLIC

--context SHOP.PUBLIC
create table items (id int not null, name varchar, price number(10,2));
--> status: text
Table ITEMS successfully created.

--context SHOP.PUBLIC
insert into items values (1, 'kettle', 24.90), (2, 'lamp', null);
--> number of rows inserted: number
2

--context shop.public
select count(*) as n from items;
--> N: number
2

--context SHOP.PUBLIC
create schema extra;
--> status: text
Schema EXTRA successfully created.

--context SHOP.EXTRA
select id from t;
--! 002003 42S02

--script
use warehouse wh; use role sysadmin; select current_warehouse() as w, current_role() as r;
--> W: text | R: text
WH | SYSADMIN

--field warehouse="W1"
--field role="R1"
select current_warehouse() as w, current_role() as r;
--> W: text | R: text
W1 | R1

--context FRESH.S1
create table made (id int);
--> status: text
Table MADE successfully created.

--context FRESH.S1
select current_database() as d, current_schema() as s;
--> D: text | S: text
FRESH | S1

create database cloned clone shop;
--> status: text
Database CLONED successfully created.
--refused: clones of databases and schemas
--! 000002 0A000

--context SHOP.PUBLIC
truncate table items;
--> status: text
Statement executed successfully.
--stats deleted=2
