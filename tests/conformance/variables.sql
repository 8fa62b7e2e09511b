\set tbl things
\set col 'my "column"'
\set val 'it''s \\ a value; with :tbl'
\set num 4 2
\set list '(1), (2), ' '(3)'
\set schema public
create table :tbl (:"col" text, n int, at timestamp);
insert into :schema.:tbl values (:'val', :num, timestamp '2024-01-01 12:30:00');
insert into :"schema".:"tbl" (n) values :list;
select ':num', $$:num$$, ":tbl".n, n::text, (array[1,2,3])[1:2] from things ":tbl" -- :num /* :val */
;
/* :nothing */ update :tbl set n = n + :num where :{?num} and not :{?nothing} and :"col" = :'val';
\unset num
create table unset as select :{?num} as there;
\set num
create table empty as select :{?num} as there, :'num' as value;
\set s 'abc\tdef\n' "x y"
create table escaped as select :'s' as s;
\set f 'begin return 1; end'
create function f() returns int language plpgsql as :'f';
\set var_ä 5
select :var_ä;
create table slices as select (array[10,20,30])[:var_ä-3:3] as a;
