create table t (a int);
create procedure filled(n int) language plpgsql as $$
begin
	for i in 1..n loop
		insert into t values (i);
		if i % 2 = 0 then commit; else rollback; end if;
	end loop;
end $$;
call filled(6);
create procedure out_(in a int, out b int) language sql as $$ select a * 2; $$;
call out_(4, null);
create operator === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
select 1 === 1;
