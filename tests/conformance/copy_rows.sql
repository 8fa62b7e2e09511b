create table t (a int, b text, c text default 'none; yet');
copy t from stdin;
1	one;	'a
2	\N	\\.
3	tab\there	"quoted"
\.
copy t (a, b) from stdin with (format csv, header, delimiter ';', quote '''');
a;b
4;'semi;colon
and a second line'
5;
\.
COPY public.t(b) FROM STDIN (FORMAT text, NULL 'nothing'); -- a comment behind it
nothing
\\set x 1
select 1;
\.
copy t from stdin csv;
\.
insert into t values (6, 'after');
copy (select * from t where a < 3) to stdout;
