create table t (
	a int, -- comment;
	b text
);
\set x 5
\set y 'a b'
insert into t values (:x, :'y');
copy t from stdin;
6	six
\.
\if true
insert into t values (7, 'two
lines');
\endif
