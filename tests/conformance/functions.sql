create function one() returns integer language sql as 'select 1;';
create function two(a int, b int default 2) returns int language plpgsql immutable strict as $$
declare
	x int := a; -- ; and ' in a comment
begin
	if x > 0 then
		return x * b;
	end if;
	return case when x = 0 then 0 else -1 end;
end;
$$;
create or replace function three(out a int, out b text) as E'select 1, \'it\'\'s; \\\\ fine\'::text;' language sql;
create function four(variadic v text[]) returns table (w text) as $body$ select unnest(v) || '$$;' $body$ language sql;
create procedure five(inout n int) language plpgsql as $_$ begin n := n + 1; end $_$;
create table results as select one(), two(3), two(-1) as minus, (three()).b, (select string_agg(w, ',') from four('a', 'b'));
call five(1);
create aggregate agg (int) (sfunc = int4pl, stype = int, initcond = '0');
create function begin_end() returns void language plpgsql as 'begin perform 1; end';
drop function one() cascade;
