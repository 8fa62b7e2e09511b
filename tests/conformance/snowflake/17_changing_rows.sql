# Changing rows
# Every statement answers with counters, and `stats` has them again when rows have changed.

create table t (id int, name varchar(5), n number(10,2) default 1.5);
--> status: text(16777216)
Table T successfully created.

insert into t (id, name) values (1, 'a'), (2, 'b');
--> number of rows inserted: number(19,0) not null
2
--stats inserted=2 deleted=0 updated=0 duplicates=0

insert into t select 3, 'c', 2.25;
--> number of rows inserted: number(19,0) not null
1
--stats inserted=1

insert into t values (4, default, default);
--> number of rows inserted: number(19,0)
1

insert into t (id, name) select id + 10, 'x' from t where id < 3;
--> number of rows inserted: number(19,0)
2

insert into t select * from t where false;
--> number of rows inserted: number(19,0)
0

update t set n = n * 2 where id <= 2;
--> number of rows updated: number(19,0) not null | number of multi-joined rows updated: number(19,0) not null
2 | 0
--stats inserted=0 deleted=0 updated=2

update t set name = 'z' where id = 999;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
0 | 0

update t set n = s.v from (select 1 as id, 77 as v) s where t.id = s.id;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 0

update t x set name = 'al' where x.id = 11;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 0

delete from t where id > 10;
--> number of rows deleted: number(19,0) not null
2
--stats inserted=0 deleted=2 updated=0

delete from t using (select 4 as id) s where t.id = s.id;
--> number of rows deleted: number(19,0)
1

delete from t where id = 999;
--> number of rows deleted: number(19,0)
0

insert into t values ('x', 'a', 1);
--! 100038 22018 Numeric value 'x' is not recognized

insert into t values (1, 'a');
--! 002020 21S01

create table t1 (id int);
--ok

create table t2 (id int, s varchar);
--ok

select count(*) as n from t1;
--> N: number
0

create table strict (id int not null, k int unique);
--ok

insert into strict values (null, 1);
--! 100072 22000 NULL result in a non-nullable column

insert into nowhere values (1);
--! 002003 42S02 SQL compilation error:\nObject 'NOWHERE' does not exist or not authorized.

copy into t from @stage;
--! 002003 02000
--refused: COPY INTO and stages
--! 000002 0A000
