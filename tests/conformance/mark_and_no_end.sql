create table bom (a int);
\echo hi
\set n 1 \\ insert into bom values (:n); \set n 2 \set m 3
insert into bom values (:n), (:m)
