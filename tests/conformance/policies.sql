do $$ begin
	if not exists (select from pg_roles where rolname = 'conformance_reader') then
		create role conformance_reader;
	end if;
end $$;
create table accounts (owner name default current_user, balance int);
alter table accounts enable row level security;
alter table accounts force row level security;
create policy own on accounts using (owner = current_user) with check (owner = current_user);
create policy reading on accounts as restrictive for select to conformance_reader using (balance > 0);
grant select, insert (balance) on accounts to conformance_reader;
grant usage on schema public to conformance_reader with grant option;
insert into accounts (balance) values (10), (-10);
set role conformance_reader;
insert into accounts (balance) values (20);
reset role;
alter default privileges in schema public grant select on tables to conformance_reader;
create table granted (a int);
revoke all on granted from public;
drop policy own on accounts;
