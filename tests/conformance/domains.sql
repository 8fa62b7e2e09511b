create domain positive as int check (value > 0) not null default 1;
create domain email as text constraint has_at check (value ~ '^[^@;]+@[^@;]+$');
create domain short as varchar(3) collate "C";
create table t (a positive, b email, c short, d positive[]);
insert into t values (default, 'a@b', 'xyz', '{1,2}');
alter domain email add constraint no_blank check (value !~ ' ') not valid;
alter domain email validate constraint no_blank;
do $$ begin insert into t values (0, 'x', 'y', null); exception when check_violation then raise notice 'refused;'; end $$;
