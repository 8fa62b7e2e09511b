# Semi-structured values
# VARIANT, OBJECT and ARRAY hold JSON. On the wire they are indented text with sorted keys; a path that leads nowhere is NULL.

select parse_json('{"b":1,"a":[1,2.5,null,"x"]}') as v;
--> V: variant
{"a":[1,2.5,null,"x"],"b":1}

select parse_json('"s"') as a, parse_json('null') as b, parse_json('12') as c, parse_json('true') as d, parse_json(null) as e;
--> A: variant | B: variant | C: variant | D: variant | E: variant
"s" | null | 12 | true | NULL

select parse_json('{}') as a, parse_json('[]') as b, parse_json('[[],{}]') as c;
--> A: variant | B: variant | C: variant
{} | [] | [[],{}]

create table docs (id int, v variant, o object, a array);
--ok

insert into docs select 2, parse_json('{"name":"Bob","tags":[]}'), null, null;
--> number of rows inserted: number(19,0) not null
1
