create schema app;
create schema own create table inside (a int) create view inside_v as select a from inside;
set search_path to app, public;
create table a (id int primary key, v text not null unique);
create table b (id int, a_id int references a match full on update set null, constraint b_pk primary key (id) include (a_id));
alter table b add constraint late foreign key (a_id) references a not valid, alter column a_id set default 1;
alter table b validate constraint late;
create statistics st (dependencies, mcv) on id, a_id from b;
create index partial on a (lower(v) text_pattern_ops desc nulls last) where id > 0;
insert into a values (1, 'one') on conflict (id) do update set v = excluded.v || ';' where a.v <> excluded.v;
insert into a values (1, 'uno') on conflict on constraint a_pkey do update set v = excluded.v || ';';
merge into a using (values (1, 'x'), (2, 'two')) s(id, v) on a.id = s.id
	when matched then update set v = s.v || '; merged'
	when not matched then insert values (s.id, s.v);
comment on constraint late on b is 'a; comment';
alter table a rename to aa;
alter table aa set schema public;
create unlogged table u (b int) inherits (own.inside);
