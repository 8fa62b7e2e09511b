create table t (j json, b jsonb);
insert into t values ('{"a": [1, {"b": "c;d"}], "a": 2}', '{"x": {"y": [1, 2, "it''s :name"]}, "z": null}');
select b -> 'x' ->> 'y', b #> '{x,y,0}', b ? 'x', b ?| array['q', 'z'], b @? '$.x.y[*] ? (@ > 1)', b @@ '$.z == null' from t;
update t set b['x']['new'] = '[1.50, 2]';
update t set b = jsonb_set(b, '{x,y,1}', '"two;"') - 'z';
create index on t using gin (b jsonb_path_ops);
create table made as select jsonb_object_agg(k, v order by k) as o from (values ('a', 1), ('b', 2)) s(k, v);
create view paths as select jsonb_path_query(b, '$.x.**{1 to 2}') as p from t;
