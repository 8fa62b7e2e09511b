do $$
begin
	for i in 1..3 loop
		execute format('create table t%s (a int, b text default %L)', i, 'it''s; ' || i);
	end loop;
	raise notice 'made; %', 3;
end
$$;
do language plpgsql 'begin insert into t1 values (1); end;';
do $outer$ begin execute $inner$ insert into t2 select generate_series(1, 3) $inner$; end $outer$;
do $$ begin
	begin
		insert into t3 values (1);
		raise exception 'rolled back';
	exception when others then
		insert into t3 values (2);
	end;
end $$
