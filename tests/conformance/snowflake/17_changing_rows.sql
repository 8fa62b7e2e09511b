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

select * from t order by id;
--> ID: number | NAME: text(5) | N: number(10,2)
1 | a | 1.50
2 | b | 1.50
3 | c | 2.25
4 | NULL | 1.50

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

update t set t.name = 'q' where t.id = 3;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 0

update t set n = s.v from (select 1 as id, 77 as v) s where t.id = s.id;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 0

update t x set name = 'al' where x.id = 11;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 0

select id, name, n from t where id in (1, 3, 11) order by id;
--> ID: number | NAME: text | N: number
1 | a | 77.00
3 | q | 2.25
11 | al | 1.50

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

insert into t values (5, 'abcdef', 1);
--! 100078 22000 String 'abcdef' is too long and would be truncated

insert into t values (5, 'it''s (long)', 1);
--! 100078 22000 String 'it's (long)' is too long and would be truncated

insert into t values (5, 'a', 123456789012);
--! 100039 22003 Numeric value '123456789012' is out of range

insert into t values ('x', 'a', 1);
--! 100038 22018 Numeric value 'x' is not recognized

insert into t values (1, 'a');
--! 002020 21S01

insert into t (id, nope) values (1, 2);
--! 000904 42000 *invalid identifier 'NOPE'

merge into t using (select column1 as id, column2 as name from values (1, 'A'), (9, 'new')) s on t.id = s.id when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name);
--> number of rows inserted: number(19,0) not null | number of rows updated: number(19,0) not null
1 | 1
--stats inserted=1 updated=1 deleted=0

merge into t using (select 9 as id) s on t.id = s.id when matched then delete;
--> number of rows deleted: number(19,0) not null
1
--stats deleted=1

merge into t using (select column1 as id, column2 as op from values (1, 'd'), (2, 'u'), (50, 'i')) s on t.id = s.id when matched and s.op = 'd' then delete when matched then update set t.name = 'mrg' when not matched and s.op = 'i' then insert (id, name, n) values (s.id, 'ins', 0);
--> number of rows inserted: number(19,0) | number of rows updated: number(19,0) | number of rows deleted: number(19,0)
1 | 1 | 1
--stats inserted=1 updated=1 deleted=1

merge into t using (select 1000 as id) s on t.id = s.id when matched then update set name = 'never';
--> number of rows updated: number(19,0)
0

select id, name from t order by id;
--> ID: number | NAME: text
2 | mrg
3 | q
50 | ins

insert overwrite into t (id, name) values (7, 'ow');
--> number of rows inserted: number(19,0)
1
--stats inserted=1 deleted=3

select id, name from t;
--> ID: number | NAME: text
7 | ow

create table t1 (id int);
--ok

create table t2 (id int, s varchar);
--ok

insert all into t1 into t2 (id, s) values (x, y) select 1 as x, 'one' as y;
--! 001003 42000
--differs: an INTO without VALUES takes the first columns
--! 002020 21S01

insert all into t1 (id) values (x) into t2 (id, s) values (x, y) select column1 as x, column2 as y from values (1, 'one'), (2, 'two');
--> number of rows inserted into T1: number(19,0) not null | number of rows inserted into T2: number(19,0) not null
2 | 2
--stats inserted=4

insert all when x > 1 then into t1 (id) values (x) else into t2 (id) values (x) select column1 as x from values (1), (2), (3);
--> number of rows inserted into T1: number(19,0) | number of rows inserted into T2: number(19,0)
2 | 1

insert first when x > 2 then into t1 (id) values (x * 100) when x > 1 then into t2 (id) values (x * 100) select column1 as x from values (1), (2), (3);
--> number of rows inserted into T1: number(19,0) | number of rows inserted into T2: number(19,0)
1 | 1

select id from t1 order by id;
--> ID: number
1
2
2
3
300

select id, s from t2 order by id, s;
--> ID: number | S: text
1 | one
1 | NULL
2 | two
200 | NULL

truncate table t1;
--> status: text
Statement executed successfully.
--stats deleted=5

select count(*) as n from t1;
--> N: number
0

truncate table if exists nowhere;
--> status: text
Statement executed successfully.

truncate if exists t1;
--> status: text
Statement executed successfully.

create table strict (id int not null, k int unique);
--ok

insert into strict values (null, 1);
--! 100072 22000 NULL result in a non-nullable column

insert into strict values (1, 1), (2, 1);
--> number of rows inserted: number(19,0)
2

create table seqs (id int autoincrement start 10 increment 5, s varchar);
--ok

insert into seqs (s) values ('a'), ('b');
--> number of rows inserted: number(19,0)
2

select * from seqs order by id;
--> ID: number | S: text
10 | a
15 | b

create sequence sq start = 3 increment = 2;
--> status: text
Sequence SQ successfully created.

select sq.nextval as n;
--> N: number
3

insert into t1 select sq.nextval;
--> number of rows inserted: number(19,0)
1

select id from t1;
--> ID: number
5

create table clocked (id int, at timestamp_ntz default current_timestamp(), b boolean default true);
--ok

insert into clocked (id) values (1);
--> number of rows inserted: number(19,0)
1

select id, at is not null as set_, b from clocked;
--> ID: number | SET_: boolean | B: boolean
1 | true | true

create table twice (k int, v varchar);
--ok

insert into twice values (1, 'a');
--> number of rows inserted: number(19,0)
1

merge into twice t using (select 1 as k, 'x' as v union all select 1, 'y') s on t.k = s.k when matched then update set v = s.v;
--! 100090 42P18
--differs: a row that the source matches more than once is updated, and counted, once a match; which match stays is not told
--> number of rows updated: number(19,0)
2

update twice set v = s.v from (select 1 as k, 'z' as v union all select 1, 'z') s where twice.k = s.k;
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
1 | 1
--differs: rows that are joined more than once are counted once a match
--> number of rows updated: number(19,0) | number of multi-joined rows updated: number(19,0)
2 | 0

insert into nowhere values (1);
--! 002003 42S02 SQL compilation error:\nObject 'NOWHERE' does not exist or not authorized.

copy into t from @stage;
--! 002003 02000
--refused: COPY INTO and stages
--! 000002 0A000
