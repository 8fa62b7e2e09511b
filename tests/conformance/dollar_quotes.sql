create table t (a text);
insert into t values ($$plain; 'text' "here"$$), ($a$ $$ nested; $b$ $a$), ($ä_1$ ü; $ä$ $ä_1$), ($$$$), ($x$$x$);
create table a$b (c$$d int);
insert into a$b values (1);
prepare p as insert into t values ($1 || $$;$$);
execute p('from $1');
do $do$ begin execute $q$insert into t values ($v$it's; $v$)$q$; end $do$;
insert into t values ($$
line 1;
-- no comment
\set x is no command
$$);
deallocate p;
