# Objects and arrays
# A NULL in an array prints as undefined; OBJECT_CONSTRUCT leaves keys with NULL out.

select object_construct('b', 2, 'a', 1) as o, object_construct() as e, {'x': 1, 'y': 'z'} as c;
--> O: object | E: object | C: object
{"a":1,"b":2} | {} | {"x":1,"y":"z"}

select object_construct('a', null, 'b', 1) as a, object_construct_keep_null('a', null, 'b', 1) as b;
--> A: object | B: object
{"b":1} | {"a":null,"b":1}

select object_construct(*) as o from values (1, 'x');
--> O: object
{"COLUMN1":1,"COLUMN2":"x"}

select object_construct('d', '2024-02-29'::date, 't', true, 'f', 1.5, 's', 'x"y') as o;
--> O: object
{"d":"2024-02-29","f":1.5,"s":"x\"y","t":true}

select object_insert(object_construct('a', 1), 'b', 2) as a, object_insert(object_construct('a', 1), 'a', 9, true) as b, object_delete(object_construct('a', 1, 'b', 2), 'a') as c;
--> A: object | B: object | C: object
{"a":1,"b":2} | {"a":9} | {"b":2}

select object_insert(object_construct('a', 1), 'a', 2);
--! * * *uplicate*

select object_keys(parse_json('{"b":1,"a":2}')) as a, object_pick(object_construct('a', 1, 'b', 2), 'a') as b;
--> A: array | B: object
["a","b"] | {"a":1}

select array_construct(1, 'x', null, 2.5) as a, array_construct() as b, [1, 2] as c, array_construct_compact(1, null, 2) as d;
--> A: array | B: array | C: array | D: array
[1,"x",undefined,2.5] | [] | [1,2] | [1,2]

select array_size(array_construct(1, 2, 3)) as a, array_size(parse_json('[]')) as b, array_size(null) as c;
--> A: number | B: number | C: number
3 | 0 | NULL

select array_append(array_construct(1), 2) as a, array_prepend(array_construct(1), 0) as b, array_cat(array_construct(1), array_construct(2, 3)) as c;
--> A: array | B: array | C: array
[1,2] | [0,1] | [1,2,3]

select array_contains('x'::variant, array_construct('x', 'y')) as a, array_contains(3::variant, array_construct(1, 2)) as b, array_position(2::variant, array_construct(1, 2)) as c, array_position(9::variant, array_construct(1)) as d;
--> A: boolean | B: boolean | C: number | D: number
true | false | 1 | NULL

select array_slice(array_construct(0, 1, 2, 3), 1, 3) as a, array_slice(array_construct(0, 1, 2, 3), -2, 4) as b, array_insert(array_construct(0, 2), 1, 1) as c;
--> A: array | B: array | C: array
[1,2] | [2,3] | [0,1,2]

select array_distinct(array_construct(1, 2, 1)) as a, array_compact(array_construct(1, null)) as b, array_reverse(array_construct(1, 2)) as c;
--> A: array | B: array | C: array
[1,2] | [1] | [2,1]

select array_intersection(array_construct(1, 2), array_construct(2, 3)) as a, array_except(array_construct(1, 2), array_construct(2)) as b, arrays_overlap(array_construct(1), array_construct(1, 2)) as c;
--> A: array | B: array | C: boolean
[2] | [1] | true

select array_to_string(array_construct(1, 'a', true), '-') as a, array_sort(array_construct(3, 1, 2)) as b, array_max(array_construct(3, 1)) as c, array_min(array_construct(3, 1)) as d;
--> A: text | B: array | C: variant | D: variant
1-a-true | [1,2,3] | 3 | 1

select array_generate_range(1, 4) as a, array_generate_range(0, 10, 5) as b, array_flatten([[1], [2, 3]]) as c, array_remove([1, 2, 1], 1) as d;
--> A: array | B: array | C: array | D: array
[1,2,3] | [0,5] | [1,2,3] | [2]

select array_construct(array_construct(1), object_construct('a', array_construct())) as a;
--> A: array
[[1],{"a":[]}]

select array_construct(1, 2)[0] as a, object_construct('a', 1):a as b, object_construct('a', object_construct('b', 2)):a.b::int as c;
--> A: variant | B: variant | C: number
1 | 1 | 2

select object_agg(k, v) as o from (select column1 as k, column2::variant as v from values ('a', 1), ('b', 2));
--> O: object
{"a":1,"b":2}

select array_agg(n) within group (order by n) as a, array_agg(distinct n) within group (order by n) as b from (select column1 as n from values (2), (1), (2), (null));
--> A: array | B: array
[1,2,2] | [1,2]

select array_agg(n) as a from (select 1 as n where false);
--> A: array
[]

select array_union_agg(a) as a from (select array_construct(1) as a union all select array_construct(1));
--> A: array
[1]

select transform([1, 2], x -> x * 2) as a, filter([1, 2, 3], x -> x > 1) as b;
--> A: array | B: array
[2,4] | [2,3]

select transform([1, 2, null], x -> x) as a, transform([1, 2], x int -> x * 10) as b, transform(['2024-01-30'], d date -> d + 2) as c, transform(['a'], s -> {'s': s}) as d;
--> A: array | B: array | C: array | D: array
[1,2,undefined] | [10,20] | ["2024-02-01"] | [{"s":"a"}]

select filter(parse_json('[{"n":{"m":5}},{"n":{"m":50}},{}]')::array, o -> o:n.m >= 10) as a, filter(['ab', 'c', 'ad'], s -> s like 'a%') as b, filter([1, 2, 3], x int -> x % 2 = 1)[1]::int as c;
--> A: array | B: array | C: number
[{"n":{"m":50}}] | ["ab","ad"] | 3

select transform(filter([1.5, 0.5], x -> x > 1), y -> y * k) as a, transform([1, 2], x -> transform([10], y -> x * y + k)) as b, transform([1], x -> transform([5], x -> x + 1)) as c from (select 2 as k);
--> A: array | B: array | C: array
[3] | [[12],[22]] | [[6]]

select reduce([1, 2, 3], 10, (acc, x) -> acc + x) as a, reduce(['a', 'b'], '', (acc varchar, x varchar) -> acc || x) as b, reduce([1, 2], [], (acc, x) -> array_prepend(acc, x)) as c, reduce([], 5, (acc, x int) -> acc + x) as d;
--> A: number | B: text | C: array | D: number
16 | ab | [2,1] | 5

select filter(null::array, x -> x > 1) as a, transform(null::array, x -> x) as b, reduce(null::array, 0, (acc, x) -> acc + x) as c, reduce([3000000000, 3000000000], 0, (acc int, x int) -> acc + x) as d;
--> A: array | B: array | C: number | D: number
NULL | NULL | NULL | 6000000000

select transform([{'v': 1}], value -> to_varchar(dateadd(day, value:v::int, '2024-02-28'::date), 'YYYY/MM/DD')) as a, count_if(true) as n;
--> A: array | N: number
["2024/02/29"] | 1

select reduce([1.5, 20], 0.0, (acc, x) -> acc + x) as a, reduce([{'q': 2, 'p': 5}, {'q': 1, 'p': 7}], 0, (acc, o) -> acc + o:q::int * o:p::int) as b;
--> A: number | B: number
21.5 | 17
--differs: with a fraction where it begins, the sum is a FLOAT
--> A: float | B: number
21.5 | 17

--bind FIXED "2"
select filter([1, 2, 3], x -> x >= ?) as a;
--> A: array
[2,3]

select filter([1, 2], (a, b) -> a > b);
--! 001044 42P13 *nvalid argument types*

select transform([1, 2], x -> (select max(x))) as a;
--> A: array
[1,2]
--refused: a query inside of a lambda
--! 000002 0A000

select array_construct('a', 'b')::varchar as a, object_construct('a', 1)::varchar as b;
--> A: text | B: text
["a","b"] | {"a":1}

select array_size(split('a,b', ',')) as a, split('a,b', ',')[1]::varchar as b;
--> A: number | B: text
2 | b

select is_array([1]) as a, is_object({}) as b, typeof([1]::variant) as c;
--> A: boolean | B: boolean | C: text
true | true | ARRAY

select array_cat(array_construct(1), null) as a, array_append(null, 1) as b, object_keys(null) as c;
--> A: array | B: array | C: array
NULL | NULL | NULL

select arrays_zip([1, 2], ['a', 'b']) as a;
--> A: array
[{"$1":1,"$2":"a"},{"$1":2,"$2":"b"}]

select array_construct(1, 2) = array_construct(1, 2) as a, object_construct('a', 1) = object_construct('a', 1) as b;
--> A: boolean | B: boolean
true | true

select {'a': {'b': [1, 2]}}:a.b[1]::int as n, {'x': 'y'}:x::varchar as s;
--> N: number | S: text
2 | y
