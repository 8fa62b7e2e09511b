# Semi-structured values
# VARIANT, OBJECT and ARRAY hold JSON. On the wire they are indented text with sorted keys; a path that leads nowhere is NULL.

select parse_json('{"b":1,"a":[1,2.5,null,"x"]}') as v;
--> V: variant
{"a":[1,2.5,null,"x"],"b":1}

select parse_json('"s"') as a, parse_json('null') as b, parse_json('12') as c, parse_json('true') as d, parse_json(null) as e;
--> A: variant | B: variant | C: variant | D: variant | E: variant
"s" | null | 12 | true | NULL

select parse_json('{"a":');
--! 100069 22P02 Error parsing JSON: *

select try_parse_json('{"a":') as a, try_parse_json('[1]') as b, check_json('{"a":1}') is null as c, check_json('{') is null as d;
--> A: variant | B: variant | C: boolean | D: boolean
NULL | [1] | true | false

select parse_json('{}') as a, parse_json('[]') as b, parse_json('[[],{}]') as c;
--> A: variant | B: variant | C: variant
{} | [] | [[],{}]

create table docs (id int, v variant, o object, a array);
--ok

insert into docs select 1, parse_json('{"name":"Ada","tags":["x","y"],"n":{"deep":7},"Mixed Case":true,"born":"1815-12-10","nul":null}'), object_construct('k', 1), array_construct(1, 2);
--> number of rows inserted: number(19,0) not null
1

insert into docs select 2, parse_json('{"name":"Bob","tags":[]}'), null, null;
--> number of rows inserted: number(19,0) not null
1

select v:name as a, v:name::varchar as b, v:tags[0]::string as c, v:n.deep::int as d from docs where id = 1;
--> A: variant | B: text | C: text | D: number(38,0)
"Ada" | Ada | x | 7

select v:"Mixed Case"::boolean as a, v['name']::varchar as b, v:missing as c, v:tags[9] as d, v:n['deep'] as e from docs where id = 1;
--> A: boolean | B: text | C: variant | D: variant | E: variant
true | Ada | NULL | NULL | 7

select v:NAME as a, v:Name as b from docs where id = 1;
--> A: variant | B: variant
NULL | NULL

select v:nul as a, v:nul is null as b, v:nul::varchar as c, is_null_value(v:nul) as d from docs where id = 1;
--> A: variant | B: boolean | C: text | D: boolean
null | false | NULL | true

select v:born::date as a, year(v:born::date) as b from docs where id = 1;
--> A: date | B: number
1815-12-10 | 1815

select d.v:name::varchar as n from docs d where d.v:n.deep = 7;
--> N: text
Ada

select id from docs where v:name = 'Bob';
--> ID: number(38,0)
2

select v:n.deep + 1 as a, v:n.deep * 2 as b from docs where id = 1;
--> A: ? | B: ?
8 | 14

select v:name || '!' as a, upper(v:name) as b, length(v:name) as c from docs order by id;
--> A: text | B: text | C: number
Ada! | ADA | 3
Bob! | BOB | 3

select o, a from docs order by id;
--> O: object | A: array
{"k":1} | [1,2]
NULL | NULL

select o:k::int as a, a[1]::int as b, a[0] as c from docs where id = 1;
--> A: number(38,0) | B: number(38,0) | C: variant
1 | 2 | 1

select get(a, 0) as a, get(o, 'k') as b, get_path(v, 'n.deep') as c, get_path(v, 'tags[1]') as d from docs where id = 1;
--> A: variant | B: variant | C: variant | D: variant
1 | 1 | 7 | "y"

select get_ignore_case(v, 'NAME') as a, get(v, 'NAME') as b from docs where id = 1;
--> A: variant | B: variant
"Ada" | NULL

select json_extract_path_text('{"a":{"b":"x"}}', 'a.b') as a, json_extract_path_text('{"a":1}', 'z') as b;
--> A: text | B: text
x | NULL

select typeof(parse_json('1')) as a, typeof(parse_json('1.5')) as b, typeof(parse_json('"x"')) as c, typeof(parse_json('[]')) as d, typeof(parse_json('{}')) as e, typeof(parse_json('null')) as f, typeof(parse_json('true')) as g;
--> A: text | B: text | C: text | D: text | E: text | F: text | G: text
INTEGER | DECIMAL | VARCHAR | ARRAY | OBJECT | NULL_VALUE | BOOLEAN

select is_array(parse_json('[]')) as a, is_object(parse_json('{}')) as b, is_varchar(parse_json('"x"')) as c, is_integer(parse_json('1')) as d, is_boolean(parse_json('1')) as e, is_decimal(parse_json('1.5')) as f;
--> A: boolean | B: boolean | C: boolean | D: boolean | E: boolean | F: boolean
true | true | true | true | false | true

select as_integer(parse_json('1')) as a, as_varchar(parse_json('"x"')) as b, as_integer(parse_json('"x"')) as c, as_array(parse_json('[1]')) as d, as_object(parse_json('1')) as e;
--> A: number | B: text | C: number | D: array | E: object
1 | x | NULL | [1] | NULL

select to_json(parse_json('{"b": 1, "a": [1, 2]}')) as a, parse_json('{"a": 1}')::varchar as b;
--> A: text | B: text
{"a":[1,2],"b":1} | {"a":1}

select parse_json('{"a":1,"a":2}');
--! 100069 22P02 *duplicate*

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

select v from docs where id = 2;
--> V: variant
{"name":"Bea","tags":[]}

select v:name from docs where id = 2;
--> V:NAME: variant
"Bea"

select v:name::varchar from docs where id = 2;
--> V:NAME::VARCHAR: text
Bea

select parse_json('[1,2,3]')[1] as a, parse_json('{"a":{"b":[10,20]}}'):a.b[1]::int as b, parse_json('[1]')[-1] as c;
--> A: variant | B: number | C: variant
2 | 20 | NULL

select parse_json('12345678901234567890.5') as a, parse_json('1e3') as b, parse_json('1.0') as c;
--> A: variant | B: variant | C: variant
12345678901234567890.5 | 1.000000000000000e+03 | 1

select strip_null_value(parse_json('null')) is null as a, strip_null_value(parse_json('1')) as b;
--> A: boolean | B: variant
true | 1

select xmlget(parse_xml('<a/>'), 'b');
--! 002040 42601
--refused: XML
--! 000002 0A000
