create table t (a int, b text);
insert into t select n, 'row ' || n from generate_series(1, 200) n;
create index concurrently t_a on t (a);
create unique index concurrently if not exists t_ab on t (a, b);
reindex index concurrently t_a;
drop index concurrently t_ab;
create table p (a int) partition by range (a);
create table p1 partition of p for values from (0) to (10);
alter table p detach partition p1 concurrently;
