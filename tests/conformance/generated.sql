create table t (a int, b int generated always as (a * 2) stored, c text generated always as (upper(d)) stored, d text);
insert into t (a, d) values (1, 'x;y'), (2, default);
update t set a = 5 where a = 2;
alter table t alter column b drop expression;
alter table t add column e text generated always as (coalesce(d, 'none;')) stored;
create table checks (a int check (a > 0), b int, constraint both_ check (a + b < 100), unique nulls not distinct (a, b));
insert into checks values (1, 2), (3, null);
create table excluded (during int4range, exclude using gist (during with &&) where (during <> 'empty'));
insert into excluded values ('[1,3)'), ('[3,5)');
