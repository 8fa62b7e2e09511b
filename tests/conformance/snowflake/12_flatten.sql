# FLATTEN

select value::int as v from table(flatten(input => parse_json('[1,2,3]')));
--> V: number(38,0)
1
2
3

select seq, key, path, index, value, this from table(flatten(input => parse_json('["a","b"]')));
--> SEQ: number | KEY: text | PATH: text | INDEX: number | VALUE: variant | THIS: variant
1 | NULL | [0] | 0 | "a" | ["a","b"]
1 | NULL | [1] | 1 | "b" | ["a","b"]

select key, path, index, value from table(flatten(parse_json('{"a":1,"b":[7]}'))) order by key;
--> KEY: text | PATH: text | INDEX: number | VALUE: variant
a | a | NULL | 1
b | b | NULL | [7]

select f.path, f.value from table(flatten(input => parse_json('{"a":{"b":[1,2]}}'), path => 'a.b')) f;
--> PATH: text | VALUE: variant
a.b[0] | 1
a.b[1] | 2

select count(*) as a from table(flatten(input => parse_json('[]')));
--> A: number
0

select index, value from table(flatten(input => parse_json('[]'), outer => true));
--> INDEX: number | VALUE: variant
NULL | NULL

select path, value from table(flatten(input => parse_json('{"a":[1,{"c":2}]}'), recursive => true)) order by path;
--> PATH: text | VALUE: variant
a | [1,{"c":2}]
a[0] | 1
a[1] | {"c":2}
a[1].c | 2

select key from table(flatten(input => parse_json('{"a":1}'), mode => 'ARRAY'));
--> KEY: text

select key from table(flatten(input => parse_json('{"a":1}'), mode => 'OBJECT'));
--> KEY: text
a

create table orders (id int, items variant);
--ok

insert into orders select 1, parse_json('[{"sku":"a","n":2},{"sku":"b","n":1}]') union all select 2, parse_json('[]');
--> number of rows inserted: number(19,0) not null
2

select o.id, f.value:sku::varchar as sku, f.value:n::int as n from orders o, lateral flatten(input => o.items) f order by 1, 2;
--> ID: number(38,0) | SKU: text | N: number(38,0)
1 | a | 2
1 | b | 1

select o.id, f.index from orders o, table(flatten(o.items)) f order by 1, 2;
--> ID: number | INDEX: number
1 | 0
1 | 1

select o.id, f.value:sku::varchar as sku from orders o, lateral flatten(input => o.items, outer => true) f order by 1, 2;
--> ID: number | SKU: text
1 | a
1 | b
2 | NULL

select o.id, count(f.value) as n from orders o left join lateral flatten(input => o.items) f group by o.id order by 1;
--> ID: number | N: number
1 | 2
2 | 0

select sum(f.value:n::int) as total from orders, lateral flatten(items) f;
--> TOTAL: number
3

select x.value::int as x, y.value::int as y from table(flatten([1, 2])) x, table(flatten([10])) y order by 1;
--> X: number | Y: number
1 | 10
2 | 10

select f2.value::int as v from table(flatten(parse_json('[[1,2],[3]]'))) f, lateral flatten(f.value) f2 order by 1;
--> V: number
1
2
3

select value::varchar as v, index from table(split_to_table('a.b', '.')) order by index;
--> V: text | INDEX: number
a | 1
b | 2

select value from lateral strtok_split_to_table('a b', ' ') order by 1;
--> VALUE: text
a
b

select * from table(flatten(input => parse_json('[5]')));
--> SEQ: number | KEY: text | PATH: text | INDEX: number | VALUE: variant | THIS: variant
1 | NULL | [0] | 0 | 5 | [5]

select listagg(f.value::varchar, '') within group (order by f.index desc) as s from table(flatten(split('a,b,c', ','))) f;
--> S: text
cba
