create table t (a int primary key, b text, changed int default 0);
create table audit (op text, old_row text, new_row text);
create function audited() returns trigger language plpgsql as $$
begin
	insert into audit values (tg_op, old::text, new::text);
	if tg_op = 'DELETE' then return old; end if;
	new.changed := coalesce(old.changed, 0) + 1;
	return new;
end $$;
create trigger t_audit before insert or update of b or delete on t for each row when (pg_trigger_depth() < 1) execute function audited();
create function counted() returns trigger language plpgsql as $$ begin insert into audit select 'statement', null, count(*)::text from inserted; return null; end $$;
create trigger t_count after insert on t referencing new table as inserted for each statement execute procedure counted();
create constraint trigger t_late after update on t deferrable initially deferred for each row execute function audited();
insert into t values (1, 'a'), (2, 'b');
update t set b = 'c' where a = 1;
delete from t where a = 2;
alter table t disable trigger t_audit;
update t set b = 'd';
