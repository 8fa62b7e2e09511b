-- Most types, with values at their edges.
create table types (
	a smallint, b integer, c bigint, d numeric, e numeric(30,10), f real, g double precision,
	h text, i varchar(5), j char(5), k bytea, l boolean, m date, n time, o timetz, p timestamp, q timestamptz, r interval,
	s uuid, t inet, u cidr, v macaddr, w point, x box, y bit(3), z varbit, aa money, bb xml, cc tsrange, dd int4range, ee oid, ff name);
insert into types values
	(-32768, -2147483648, -9223372036854775808, 1e-20, 12345678901234567890.0123456789, 1.5, 1e-300,
	 'text; with ''quotes''', 'äöü', 'ab', '\x00ff', true, '0044-03-15 BC', '24:00', '23:59:59.999999+14', 'infinity', '2024-02-29 23:59:59.999999+00',
	 '1 year 2 mons -3 days 04:05:06.789', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03',
	 '(1.5,2)', '(1,1),(0,0)', B'101', B'1', '12.34', '<a>;</a>', '[2024-01-01,2024-02-01)', '(,5]', 4294967295, 'name');
insert into types (d, g, f) values ('NaN', 'Infinity', '-Infinity');
select * from types;
