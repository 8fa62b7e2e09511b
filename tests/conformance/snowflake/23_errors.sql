# Errors

selec 1;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'selec'.

select 1 from;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position * unexpected '<EOF>'.

select
  1 +
  from x;
--! 001003 42000 SQL compilation error:\nsyntax error line 3 at position 2 unexpected 'from'.

select (1;
--! 001003 42000 SQL compilation error:*unexpected '<EOF>'.

select 'open;
--! 001003 42000 SQL compilation error:\nparse error line 1 at position * near '<EOF>'.

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

select x.a from (select 1 as a) y;
--! 000904 42000 *invalid identifier 'X.A'

select no_such_function(1);
--! 002140 42601 SQL compilation error:\nUnknown function NO_SUCH_FUNCTION.*

select upper();
--! 000938 22023 *not enough arguments for function [UPPER()]*

select upper('a', 'b', 'c');
--! 000939 22023 *too many arguments for function [UPPER('a', 'b', 'c')]*

select a from (select 1 as a) x, (select 2 as a) y;
--! 002028 42601 *ambiguous column name 'A'

select 1 union select 1, 2;
--! 001789 42601 *invalid number of result columns for set operator input branches, expected 1, got 2*

  -- nothing
;
--! 000900 42601 SQL compilation error:\nEmpty SQL statement.

select 1/0;
--! 100051 22012 Division by zero

select 'abc'::number;
--! 100038 22018 Numeric value 'abc' is not recognized

select to_number('1.2.3');
--! 100038 22018 Numeric value '1.2.3' is not recognized

select 'abc'::boolean;
--! 100037 22018 Boolean value 'abc' is not recognized

select '2024-02-30'::date;
--! 100040 22007 Date '2024-02-30' is not recognized

select '2024-02-30 10:00'::timestamp;
--! 100035 22007 Timestamp '2024-02-30 10:00' is not recognized

select parse_json('{a');
--! 100069 22P02

select column1 from values (1), (2) group by column2;
--! 000904 42000

select 99999999999999999999999999999999999999 * 10;
--! 100046 22003

select '999999999999999999999999999999999999999'::number(38,0);
--! 100039 22003

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

drop table nope;
--! 002003 42S02 SQL compilation error:\nTable 'NOPE' does not exist or not authorized.

update nope set a = 1;
--! 002003 42S02 SQL compilation error:\nObject 'NOPE' does not exist or not authorized.

update e set nope = 1;
--! 000904 42000 *invalid identifier 'NOPE'

alter table nope add column a int;
--! 002003 42S02 *'NOPE' does not exist or not authorized.

alter table e add column id int;
--! 002025 42S21 *

select id, count(*) from e;
--! 000979 42601 *neither an aggregate nor in the group by clause*

select * from e order by nope;
--! 000904 42000 *invalid identifier 'NOPE'

select e.* exclude nope from e;
--! * *

select seq4(1, 2, 3);
--! * *

--field timeout=1
call system$wait(20);
--! 000630 57014 Statement reached its statement or warehouse timeout of 1 second(s) and was canceled.

foo bar;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected 'foo'.

select from where;
--! 001003 42000

) select 1;
--! 001003 42000 SQL compilation error:\nsyntax error line 1 at position 0 unexpected ')'.

select 1 as;
--! 001003 42000

select "unclosed;
--! 001003 42000

select $$unclosed;
--! 001003 42000

select date_trunc('nonsense', current_date);
--! 001008 22023

select regexp_like('a', '(a');
--! 100048 2201B Invalid regular expression: '(a', missing )*

select regexp_substr('a', '*');
--! 100048 2201B Invalid regular expression: '*', no argument for repetition operator: *

create table main.attack_target (a int);
--! 003001 42501

drop macro table sf_show_tables;
--! 003001 42501

select to_timestamp('abc', 0);
--! 100035 22007 Timestamp 'abc' is not recognized

select try_to_timestamp_ltz('abc', 3) is null as a, to_timestamp_ntz('2020-01-01', 9)::date::varchar as b;
--> A: boolean | B: text
true | 2020-01-01

select a.b.c.d.e from (select 1 as a) as t;
--! 000904 42000 SQL compilation error: error line 1 at position 9\ninvalid identifier 'A.B.C.D.E'

select mod(mod(mod(mod(mod(mod(mod(mod(mod(mod(mod(mod(mod(17, 13), 13), 13), 13), 13), 13), 13), 13), 13), 13), 13), 13), 13) as n;
--> N: number
4
--refused: functions that repeat their arguments, nested deeper than a plan can be made of in seconds
--! 001003 54001 *nested too deep.

select 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 as n;
--> N: number
502
--refused: a chain of more than 500 operators, whose plan takes minutes and cannot be interrupted
--! 001003 54001 *chain of operators is too long.
