# Databases and schemas
# A tenant has the database MAYFLY with the schema PUBLIC; others are made, or appear when a request names them
# (`snowflake_api.create_missing_namespaces`).

select current_database() as d, current_schema() as s;
--> D: text | S: text
MAYFLY | PUBLIC

create database shop;
--> status: text(16777216)
Database SHOP successfully created.

create database shop;
--! 002002 42710 SQL compilation error:\nObject 'SHOP' already exists.

create database if not exists shop;
--> status: text
SHOP already exists, statement succeeded.

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

--context SHOP.PUBLIC
select id, name, price from items order by id;
--> ID: number(38,0) not null | NAME: text(16777216) | PRICE: number(10,2)
1 | kettle | 24.90
2 | lamp | NULL

select count(*) as n from shop.public.items;
--> N: number
2

select i.name from shop.public.items i join shop.public.items j on i.id = j.id where i.id = 1;
--> NAME: text
kettle

select shop.public.items.name from shop.public.items where id = 2;
--> NAME: text
lamp

--context shop.public
select count(*) as n from items;
--> N: number
2

select count(*) as n from items;
--! 002003 42S02

--context SHOP.PUBLIC
create schema extra;
--> status: text
Schema EXTRA successfully created.

create schema shop.more;
--> status: text
Schema MORE successfully created.

create schema if not exists shop.more;
--> status: text
MORE already exists, statement succeeded.

create schema shop.more;
--! 002002 42710 *MORE' already exists.*

create table shop.extra.t (id int);
--> status: text
Table T successfully created.

insert into shop.extra.t values (7);
--> number of rows inserted: number
1

--context SHOP.EXTRA
select id from t;
--> ID: number
7

--context SHOP.PUBLIC
select id from extra.t;
--> ID: number
7

create or replace schema shop.extra;
--> status: text
Schema EXTRA successfully created.

--context SHOP.EXTRA
select id from t;
--! 002003 42S02

drop schema shop.more;
--> status: text
MORE successfully dropped.

drop schema shop.more;
--! 002003 *

drop schema if exists shop.more;
--> status: text
Drop statement executed successfully (MORE already dropped).

--script
use database shop; use schema public; select current_database() || '.' || current_schema() as c;
--> C: text
SHOP.PUBLIC

--script
use schema shop.extra; select current_schema() as s;
--> S: text
EXTRA

--script
use shop.extra; create table here (id int); select count(*) as n from shop.extra.here;
--> N: number
0

--script
use warehouse wh; use role sysadmin; select current_warehouse() as w, current_role() as r;
--> W: text | R: text
WH | SYSADMIN

--field warehouse="W1"
--field role="R1"
select current_warehouse() as w, current_role() as r;
--> W: text | R: text
W1 | R1

--field database="New DB"
--field schema="My Schema"
select current_database() as d, current_schema() as s;
--> D: text | S: text
New DB | My Schema
--differs: what is made because a request names it is called in upper case
--> D: text | S: text
NEW DB | MY SCHEMA

--context FRESH.S1
create table made (id int);
--> status: text
Table MADE successfully created.

--context FRESH.S1
select current_database() as d, current_schema() as s;
--> D: text | S: text
FRESH | S1

create table fresh.nope.t (id int);
--! 002003 02000 *NOPE' does not exist or not authorized.

select * from nope.public.t;
--! 002003 02000 *Database 'NOPE' does not exist or not authorized.

create database cloned clone shop;
--> status: text
Database CLONED successfully created.
--refused: clones of databases and schemas
--! 000002 0A000

--script
begin; insert into shop.public.items values (3, 'x', 1); insert into fresh.s1.made values (1); commit;
--> status: text
Statement executed successfully.
--refused: one transaction writes to one database
--! 100132 P0000 *Unsupported feature*

select count(*) as n from shop.public.items;
--> N: number
3
--differs: the transaction above did not commit
--> N: number
2

create or replace database fresh;
--> status: text
Database FRESH successfully created.

--context FRESH.S1
select count(*) as n from made;
--! 002003 42S02

drop database fresh;
--> status: text
FRESH successfully dropped.

drop database fresh;
--! 002003 *

drop database if exists fresh;
--> status: text
Drop statement executed successfully (FRESH already dropped).

create database system;
--> status: text
Database SYSTEM successfully created.
--refused: databases named MUTABLE, SYSTEM, TEMP, MEMORY, _SF or __EPH_…
--! 003001 42501

drop database mayfly;
--> status: text
MAYFLY successfully dropped.
--refused: dropping the tenant's own database
--! 003001 42501

select current_account() is not null as a, current_region() is not null as b, current_user() is not null as c, current_version() is not null as d, current_session() is not null as e;
--> A: boolean | B: boolean | C: boolean | D: boolean | E: boolean
true | true | true | true | true

select current_secondary_roles() as a;
--> A: text
{"roles":"","value":""}

select current_schemas() as a, current_available_roles() is not null as b, current_client() as c;
--> A: text | B: boolean | C: text
* | * | *

--context SHOP.PUBLIC
truncate table items;
--> status: text
Statement executed successfully.
--stats deleted=2

alter database shop rename to store;
--> status: text
Statement executed successfully.
--refused: renaming databases
--! 003001 42501

create table mayfly..two_dots (id int);
--> status: text
Table TWO_DOTS successfully created.

insert into mayfly..two_dots select 7;
--> number of rows inserted: number(19,0)
1

select mayfly..two_dots.id, x.id as other from mayfly..two_dots, mayfly.public.two_dots as x;
--> ID: number | OTHER: number
7 | 7
