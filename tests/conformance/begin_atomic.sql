create table log (n int, what text);
create function added(n int) returns int
begin atomic
	insert into log values (n, 'added');
	select case when n > 0 then case n when 1 then 10 else 20 end else 0 end;
end;
create or replace procedure logged(n int, what text)
	begin atomic
		insert into log values (n, what);
		insert into log values (n + 1, case what when 'a' then 'A' else what end);
	end;
create function plain(n int) returns int return n + 1;
CREATE FUNCTION "end"(begin_ int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT begin_; END;
select added(1), added(2), plain(3), "end"(4);
call logged(5, 'a');
create view after_it as select * from log;
begin;
insert into log values (9, 'transaction');
end;
