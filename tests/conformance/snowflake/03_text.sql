# Text
# Positions count from 1; a NULL makes the answer NULL.

select upper('Straße') as a, lower('ÀB') as b;
--> A: text | B: text
STRASSE | àb
--differs: upper-cases one letter to one letter
--> A: text | B: text
STRAẞE | àb

select upper('abc') as a, lower('ABC') as b, initcap('hello wORLD') as c, initcap('first-second') as d;
--> A: text | B: text | C: text | D: text
ABC | abc | Hello World | First-Second

select length('Zoë') as a, len('abc') as b, char_length('ab') as c, octet_length('Zoë') as d, bit_length('ab') as e;
--> A: number | B: number | C: number | D: number | E: number
3 | 3 | 2 | 4 | 16

select trim('  a ') as a, ltrim('xxa', 'x') as b, rtrim('axx', 'x') as c, trim('*-a-*', '*-') as d;
--> A: text | B: text | C: text | D: text
a | a | a | a

select '[' || ltrim('  a') || ']' as a, '[' || rtrim('a  ') || ']' as b;
--> A: text | B: text
[a] | [a]

select lpad('7', 3, '0') as a, rpad('7', 3, '*') as b, lpad('hello', 2) as c, rpad('ab', 4) || '|' as d;
--> A: text | B: text | C: text | D: text
007 | 7** | he | "ab  |"

select left('banana', 2) as a, right('banana', 2) as b, left('a', 5) as c;
--> A: text | B: text | C: text
ba | na | a

select substr('banana', 2, 3) as a, substring('banana', 3) as b, substr('banana', -3, 2) as c, substr('banana', 0, 2) as d;
--> A: text | B: text | C: text | D: text
ana | nana | an | ba

select position('an' in 'banana') as a, position('an', 'banana', 3) as b, charindex('an', 'banana') as c, charindex('x', 'banana') as d;
--> A: number | B: number | C: number | D: number
2 | 4 | 2 | 0

select contains('banana', 'nan') as a, startswith('banana', 'ba') as b, endswith('banana', 'x') as c, contains('a', null) as d;
--> A: boolean | B: boolean | C: boolean | D: boolean
true | true | false | NULL

select replace('banana', 'an', 'o') as a, replace('banana', 'an') as b, translate('abc', 'ab', 'x') as c;
--> A: text | B: text | C: text
booa | ba | xc

select reverse('abc') as a, repeat('ab', 3) as b, space(2) || 'x' as c;
--> A: text | B: text | C: text
cba | ababab | "  x"

select split_part('127.0.0.1', '.', 1) as a, split_part('a.b.c', '.', -1) as b, split_part('a.b', '.', 0) as c, split_part('a.b', '.', 9) as d;
--> A: text | B: text | C: text | D: text
127 | c | a | ""

select split('a,b,c', ',') as a;
--> A: array
["a","b","c"]

select strtok('a.b.c', '.', 2) as a, strtok('one two') as b, strtok('a.b', '.', 3) as c;
--> A: text | B: text | C: text
b | one | NULL

select strtok_to_array('a.b.c', '.') as a;
--> A: array
["a","b","c"]

select concat('a', 'b', 'c') as a, concat('a', null) as b, concat('x') as c, concat(1, 'a') as d;
--> A: text | B: text | C: text | D: text
abc | NULL | x | 1a

select concat_ws('-', 'a', 'b') as a, concat_ws('-', 'a', null) as b;
--> A: text | B: text
a-b | NULL

select ascii('A') as a, chr(66) as b, char(67) as c, unicode('é') as d, ascii('') as e;
--> A: number | B: text | C: text | D: number | E: number
65 | B | C | 233 | 0

select insert('abcdef', 3, 2, 'zzz') as a, insert('abc', 1, 0, 'x') as b;
--> A: text | B: text
abzzzef | xabc

select regexp_like('San Francisco', 'San.*') as a, regexp_like('xSan', 'San.*') as b, regexp_like('SAN', 's.*', 'i') as c;
--> A: boolean | B: boolean | C: boolean
true | false | true

select rlike('abc', 'a.c') as a, rlike('abcd', 'abc') as b;
--> A: boolean | B: boolean
true | false

select regexp_replace('banana', 'a', 'o') as a, regexp_replace('banana', 'a') as b, regexp_replace('banana', 'a', 'o', 1, 2) as c;
--> A: text | B: text | C: text
bonono | bnn | banona

select regexp_replace('firstname lastname', '(\\w+) (\\w+)', '\\2, \\1') as a;
--> A: text
lastname, firstname

select regexp_substr('It was the best of times', 'the\\W+\\w+') as a, regexp_substr('aXbX', '[a-z]X', 1, 2) as b, regexp_substr('abc', 'z') as c;
--> A: text | B: text | C: text
the best | bX | NULL

select regexp_substr('key=value', '(\\w+)=(\\w+)', 1, 1, 'e', 2) as a;
--> A: text
value

select regexp_count('banana', 'an') as a, regexp_count('banana', 'z') as b, regexp_instr('banana', 'na') as c, regexp_instr('banana', 'na', 1, 2) as d;
--> A: number | B: number | C: number | D: number
2 | 0 | 3 | 5

select regexp_substr_all('a1_b2', '[a-z][0-9]') as a;
--> A: array
["a1","b2"]

select editdistance('Gute nacht', 'Ich weis nicht') as a, soundex('Marsha') as b, jarowinkler_similarity('Gute nacht', 'Ich weis nicht') as c;
--> A: number | B: text | C: number
8 | M620 | 56

select rtrimmed_length(' ABCD ') as a;
--> A: number
5

select 12.50::varchar as a, true::varchar as b, to_varchar(-7) as c, to_char(1.5::float) as d;
--> A: text | B: text | C: text | D: text
12.50 | true | -7 | 1.5

select to_char(1234.5, '9,999.99') as a, to_char(12, '0999') as b;
--> A: text | B: text
" 1,234.50" | " 0012"

select 'abc'::varchar(10) as a, 'abc'::string as b, 'abc'::text as c, 'a'::char as d;
--> A: text(10) | B: text | C: text | D: text(1)
abc | abc | abc | a

select upper(1) as a, trim(12) as b, length(123) as c, substr(12345, 2, 2) as d;
--> A: text | B: text | C: number | D: text
1 | 12 | 3 | 23

select length(uuid_string()) as a, length(randstr(7, random())) as b;
--> A: number | B: number
36 | 7

select uuid_string('fe971b24-9572-4005-b22f-351e9c09274d', 'foo') as a;
--> A: text
dc0b6f65-fca6-5b4b-9d37-ccc3fde1f3e2

select array_to_string(split('a,b', ','), '+') as a;
--> A: text
a+b

select parse_url('https://u@h.example:80/p/q?a=1#f'):host::varchar as a, parse_url('https://h.example/p?a=1&b=2'):parameters:b::varchar as b;
--> A: text | B: text
h.example | 2
--differs: PARSE_URL is not there
--! 002140 42601 SQL compilation error:\nUnknown function PARSE_URL.

select 'ABC' collate 'en-ci' = 'abc' as a;
--> A: boolean
true
--refused: collations of columns and comparisons
--! 000002 0A000

select ilike('Snow', 's%') as a, like('Snow', 'S%') as b;
--> A: boolean | B: boolean
true | true

select 'a' < 'B' as a, 'a' < 'b' as b;
--> A: boolean | B: boolean
false | true

select trim(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat(regexp_replace(lpad(concat('abcabc', 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1), 'b'), 20), 'b', 'x', 1, 1)) as t;
--> T: text
axcaxcx

select concat(x'00ff', x'01') as b;
--> B: binary
00FF01
