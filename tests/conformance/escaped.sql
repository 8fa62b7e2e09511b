create table t (a int)\; insert into t values (1)\; insert into t values (2);
insert into t values (3)\;
begin\; insert into t values (4);
commit;
select ('a\;b'), $$\;$$ \; insert into t values (5);
create table u as select 1\:\:text as b;
