create table t (id int generated always as identity, what text);
insert into t (what) values ('first') returning id, what \gset
select :id + 1 as next, null as what, 'a''b' as "Quoted" \gset v_
insert into t (what) values (:'v_Quoted'), (:'what');
create table seen as select :id as id, :v_next as next, :{?v_what} as what;
select
	array_agg(what) as all, count(*) as n, '{"a": [1, 2]}'::jsonb as j, 1.10 as num, true as yes, '\x0102'::bytea as b, 1e20::float8 as f
from t \gset
create table kept as select :'all' as a, :n as n, :'j' as j, :num as num, :'yes' as yes, :'b' as b, :'f' as f;
show server_encoding \gset
create table encoding as select :'server_encoding' as e;
