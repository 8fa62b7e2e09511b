# Semi-structured values
# VARIANT, OBJECT and ARRAY hold JSON. On the wire they are indented text with sorted keys; a path that leads nowhere is NULL.

create table docs (id int, v variant, o object, a array);
--ok

insert into docs select 1, parse_json('{"name":"Ada","tags":["x","y"],"n":{"deep":7},"Mixed Case":true,"born":"1815-12-10","nul":null}'), object_construct('k', 1), array_construct(1, 2);
--> number of rows inserted: number(19,0) not null
1

insert into docs select 2, parse_json('{"name":"Bob","tags":[]}'), null, null;
--> number of rows inserted: number(19,0) not null
1

select v:born::date as a, year(v:born::date) as b from docs where id = 1;
--> A: date | B: number
1815-12-10 | 1815

select d.v:name::varchar as n from docs d where d.v:n.deep = 7;
--> N: text
Ada

select id from docs where v:name = 'Bob';
--> ID: number(38,0)
2

select v:name || '!' as a, upper(v:name) as b, length(v:name) as c from docs order by id;
--> A: text | B: text | C: number
Ada! | ADA | 3
Bob! | BOB | 3

select typeof(parse_json('1')) as a, typeof(parse_json('1.5')) as b, typeof(parse_json('"x"')) as c, typeof(parse_json('[]')) as d, typeof(parse_json('{}')) as e, typeof(parse_json('null')) as f, typeof(parse_json('true')) as g;
--> A: text | B: text | C: text | D: text | E: text | F: text | G: text
INTEGER | DECIMAL | VARCHAR | ARRAY | OBJECT | NULL_VALUE | BOOLEAN

select is_array(parse_json('[]')) as a, is_object(parse_json('{}')) as b, is_varchar(parse_json('"x"')) as c, is_integer(parse_json('1')) as d, is_boolean(parse_json('1')) as e, is_decimal(parse_json('1.5')) as f;
--> A: boolean | B: boolean | C: boolean | D: boolean | E: boolean | F: boolean
true | true | true | true | false | true

select to_json(parse_json('{"b": 1, "a": [1, 2]}')) as a, parse_json('{"a": 1}')::varchar as b;
--> A: text | B: text
{"a":[1,2],"b":1} | {"a":1}

select parse_json('1') = 1 as a, parse_json('"x"') = 'x' as b, parse_json('{"a":1}') = parse_json('{ "a" : 1 }') as c;
--> A: boolean | B: boolean | C: boolean
true | true | true

select sum(column1:x::int) as s from values (parse_json('{"x":1}')), (parse_json('{"x":2}'));
--> S: number
3

select count(v:tags) as a, count(v:n) as b from docs;
--> A: number | B: number
2 | 1

update docs set v = object_insert(v::object, 'name', 'Bea', true) where id = 2;
--> number of rows updated: number(19,0) not null | number of multi-joined rows updated: number(19,0) not null
1 | 0

select v:name::varchar from docs where id = 2;
--> V:NAME::VARCHAR: text
Bea
