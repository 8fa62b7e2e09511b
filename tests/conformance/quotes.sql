create table "quo""ted; name" ("a;b" text, "C'" text default 'd;');
insert into "quo""ted; name" values ('it''s;', 'back\'), (E'it\'s; \\', E'\x41\u00e4\101;'), (U&'d\0061t\+000061;', 'a'
'b;'), (E'a\''
'b;', N'n;'), ('', ' ');
insert into "quo""ted; name" values (B'101'::text, X'1F'::text), (U&'!0041;' uescape '!', e'');
alter table "quo""ted; name" rename column "a;b" to U&"d\0061ta;";
create view v as select 1 as "select", 2 as "-- no comment", 3 as "/* none */", E'\\' as "\";
create table many as select 1e5 as a, 1.e2 as b, .5 as c, 1.5e-3 as d, '1'::text || e'x\'y;' as e;
