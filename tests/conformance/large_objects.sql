select lo_create(424201);
select lo_from_bytea(424202, '\x00010203ff');
select lo_put(424202, 2, 'put;');
begin;
select lo_open(424201, x'60000'::int) as fd \gset
select lowrite(:fd, 'written; by hand');
commit;
comment on large object 424201 is 'one; object';
select convert_from(lo_get(424201), 'UTF8');
select lo_unlink(424202);
