# SHOW, DESCRIBE and INFORMATION_SCHEMA

create schema other;
--ok

create table other.o (id int);
--ok

select count(*) as n from information_schema.tables where table_name like 'SF%' or table_schema = '_sf';
--> N: number
0
