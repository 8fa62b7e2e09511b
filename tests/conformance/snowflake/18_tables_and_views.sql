# Tables, views and other objects
# Each statement answers with one text. Constraints other than NOT NULL are kept as a note and not enforced, as Snowflake does.

create table a (id int, name varchar(10) not null, n number(10,2) default 0, at timestamp_ntz(3), v variant);
--> status: text(16777216)
Table A successfully created.

create table a (id int);
--! 002002 42710 SQL compilation error:\nObject 'A' already exists.

create table if not exists a (id int);
--> status: text
A already exists, statement succeeded.

create or replace table a (id int, name varchar(10) not null, n number(10,2) default 0, at timestamp_ntz(3), v variant);
--> status: text
Table A successfully created.

select * from a;
--> ID: number(38,0) nullable | NAME: text(10) not null | N: number(10,2) | AT: timestamp_ntz(3) | V: variant

create transient table tr (id int) cluster by (id) data_retention_time_in_days = 1 comment = 'kept a day';
--> status: text
Table TR successfully created.

create temporary table tmp (id int);
--> status: text
Table TMP successfully created.

create table typed (a number, b decimal(12,3), c integer, d float, e string, f char, g binary(8), h boolean, i date, j time(0), k datetime, l timestamp_ltz, m timestamp_tz(6), n object, o array, p varchar);
--> status: text
Table TYPED successfully created.

select * from typed;
--> A: number(38,0) | B: number(12,3) | C: number(38,0) | D: float | E: text(16777216) | F: text(1) | G: binary(8) | H: boolean | I: date | J: time(0) | K: timestamp_ntz(9) | L: timestamp_ltz(9) | M: timestamp_tz(6) | N: object | O: array | P: text(16777216)

create table ctas as select 1::number(5,1) as a, 'x'::varchar(7) as b, '2024-02-29'::date as c, parse_json('[1]') as d;
--> status: text
Table CTAS successfully created.

select * from ctas;
--> A: number(5,1) | B: text(7) | C: date | D: variant
1.0 | x | 2024-02-29 | [1]
--differs: the length of a cast is not told
--> A: number(5,1) | B: text(16777216) | C: date | D: variant
1.0 | x | 2024-02-29 | [1]

create table ctas2 (p int, q varchar) as select 1, 'y';
--> status: text
Table CTAS2 successfully created.

select * from ctas2;
--> P: number | Q: text
1 | y

create table twin like typed;
--> status: text
Table TWIN successfully created.

select count(*) as n from twin;
--> N: number
0

create table copy clone ctas2;
--> status: text
Table COPY successfully created.

select * from copy;
--> P: number | Q: text
1 | y

alter table a add column extra varchar default 'e';
--> status: text
Statement executed successfully.

alter table a rename column extra to more;
--> status: text
Statement executed successfully.

alter table a drop column more;
--> status: text
Statement executed successfully.

alter table a add column x1 int, x2 int;
--> status: text
Statement executed successfully.

alter table a alter column name set data type varchar(20);
--> status: text
Statement executed successfully.
--refused: the length of a VARCHAR(n) cannot be changed
--! 000002 0A000 Unsupported feature 'SET DATA TYPE of a column that has a length'.

alter table a alter column name drop not null;
--> status: text
Statement executed successfully.

insert into a (id, name) values (1, 'a longer name');
--> number of rows inserted: number
1
--differs: the length of a VARCHAR(n) cannot be changed, as said above
--! 100078 22000 String 'a longer name' is too long and would be truncated

select name, x1, n from a;
--> NAME: text(20) | X1: number(38,0) | N: number(10,2)
a longer name | NULL | 0.00
--differs: the row above is not there
--> NAME: text(10) | X1: number(38,0) | N: number(10,2)

alter table a rename to b;
--> status: text
Statement executed successfully.

alter table b set comment = 'renamed';
--> status: text
Statement executed successfully.

alter table if exists nowhere add column x int;
--> status: text
Statement executed successfully.

select count(*) as n from a;
--! 002003 42S02 SQL compilation error:\nObject 'A' does not exist or not authorized.

create table left_one as select 1 as id;
--ok

create table right_one as select 2 as id;
--ok

alter table left_one swap with right_one;
--> status: text
Statement executed successfully.

select id from left_one;
--> ID: number
2

create table keys (id int primary key, u int unique, r int references left_one (id), constraint c foreign key (u) references right_one (id));
--> status: text
Table KEYS successfully created.

insert into keys values (1, 1, 1), (1, 1, 99);
--> number of rows inserted: number
2

create view v as select id, name from b;
--> status: text
View V successfully created.

create or replace secure view v (i, n) comment = 'c' as select id, name from b;
--> status: text
View V successfully created.

select * from v;
--> I: number(38,0) | N: text(20)
1 | a longer name
--differs: the row above is not there, and a view does not tell the length
--> I: number(38,0) | N: text(16777216)

create view if not exists v as select 1 as one;
--> status: text
V already exists, statement succeeded.

drop view v;
--> status: text
V successfully dropped.

drop table ctas2;
--> status: text
CTAS2 successfully dropped.

drop table if exists ctas2;
--> status: text
Drop statement executed successfully (CTAS2 already dropped).

drop table ctas2;
--! 002003 42S02 SQL compilation error:\nTable 'CTAS2' does not exist or not authorized.

undrop table ctas2;
--> status: text
Table CTAS2 successfully restored.
--refused: UNDROP
--! 000002 0A000

create sequence s1;
--> status: text
Sequence S1 successfully created.

drop sequence s1;
--> status: text
S1 successfully dropped.

comment on table b is 'a comment';
--> status: text
Statement executed successfully.

create or replace table dup (a int, A int);
--! 002025 42S21 *duplicate column name 'A'*

create table "a" (x int);
--> status: text
Table a successfully created.

create table "Quoted" ("Id" int, "two words" int);
--> status: text
Table Quoted successfully created.

select "Id", "two words" from "Quoted";
--> Id: number | two words: number

create table cased ("a" int, "A" int);
--> status: text
Table CASED successfully created.
--differs: names that differ only in case are the same
--! 002025 42S21

create function add_one(x int) returns int as 'x + 1';
--> status: text
Function ADD_ONE successfully created.
--refused: functions of SQL, JavaScript and others
--! 000002 0A000

create stage st;
--> status: text
Stage area ST successfully created.
--refused: stages and file formats
--! 000002 0A000

create warehouse wh;
--> status: text
Warehouse WH successfully created.
--refused: warehouses, roles, users and grants
--! 000002 0A000

grant select on table b to role r;
--> status: text
Statement executed successfully.
--refused: warehouses, roles, users and grants
--! 000002 0A000

create stream str on table b;
--> status: text
Stream STR successfully created.
--refused: streams, tasks and pipes
--! 000002 0A000

create table misspelled (id no_such_type);
--! 002040 42601

drop schema if exists none;
--> status: text
Drop statement executed successfully (NONE already dropped).
