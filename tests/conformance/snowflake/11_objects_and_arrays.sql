# Objects and arrays
# A NULL in an array prints as undefined; OBJECT_CONSTRUCT leaves keys with NULL out.

select array_size(array_construct(1, 2, 3)) as a, array_size(parse_json('[]')) as b, array_size(null) as c;
--> A: number | B: number | C: number
3 | 0 | NULL

select array_contains('x'::variant, array_construct('x', 'y')) as a, array_contains(3::variant, array_construct(1, 2)) as b, array_position(2::variant, array_construct(1, 2)) as c, array_position(9::variant, array_construct(1)) as d;
--> A: boolean | B: boolean | C: number | D: number
true | false | 1 | NULL

select array_construct('a', 'b')::varchar as a, object_construct('a', 1)::varchar as b;
--> A: text | B: text
["a","b"] | {"a":1}

select array_size(split('a,b', ',')) as a, split('a,b', ',')[1]::varchar as b;
--> A: number | B: text
2 | b

select is_array([1]) as a, is_object({}) as b, typeof([1]::variant) as c;
--> A: boolean | B: boolean | C: text
true | true | ARRAY

select array_construct(1, 2) = array_construct(1, 2) as a, object_construct('a', 1) = object_construct('a', 1) as b;
--> A: boolean | B: boolean
true | true
