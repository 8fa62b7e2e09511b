# Errors

selec 1;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.

select 1 from;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position * unexpected '<EOF>'.

select (1;
--! 001003 42000 SQL compilation error:*unexpected '<EOF>'.

select 1 /* open;
--! 001003 42000

select * from no_such;
--! 002003 42S02 SQL compilation error:\nObject 'NO_SUCH' does not exist or not authorized.

select nope from (select 1 as a);
--! 000904 42000 SQL compilation error: error line 1 at position 7\ninvalid identifier 'NOPE'

select a
from (select 1 as a)
where b = 1;
--! 000904 42000 SQL compilation error: error line 3 at position 6\ninvalid identifier 'B'

select no_such_function(1);
--! 002140 42601 SQL compilation error:\nUnknown function NO_SUCH_FUNCTION.*

  -- nothing
;
--! 000900 42601 SQL compilation error:\nEmpty SQL statement.

select 'abc'::number;
--! 100038 22018 Numeric value 'abc' is not recognized

select 'abc'::boolean;
--! 100037 22018 Boolean value 'abc' is not recognized

select column1 from values (1), (2) group by column2;
--! 000904 42000

select '999999999999999999999999999999999999999'::number(38,0);
--! 100039 22003
--differs: the code of a number that is none
--! 100038 22018

create table e (id int not null);
--ok

insert into e values (null);
--! 100072 22000 NULL result in a non-nullable column

insert into e (id) values (1, 2);
--! 002020 21S01

insert into e values ('x');
--! 100038 22018 Numeric value 'x' is not recognized

create table e (id int);
--! 002002 42710 SQL compilation error:\nObject 'E' already exists.

update nope set a = 1;
--! 002003 42S02 SQL compilation error:\nObject 'NOPE' does not exist or not authorized.

update e set nope = 1;
--! 000904 42000 *invalid identifier 'NOPE'

alter table nope add column a int;
--! 002003 42S02 *'NOPE' does not exist or not authorized.

select * from e order by nope;
--! 000904 42000 *invalid identifier 'NOPE'

--field timeout=1
call system$wait(20);
--! 000630 57014 Statement reached its statement or warehouse timeout of 1 second(s) and was canceled.

foo bar;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'foo'.

select from where;
--! 001003 42000

) select 1;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected ')'.

select "unclosed;
--! 001003 42000

select $$unclosed;
--! 001003 42000
