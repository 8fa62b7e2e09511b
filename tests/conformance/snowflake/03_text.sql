# Text
# Positions count from 1; a NULL makes the answer NULL.

select upper('Straße') as a, lower('ÀB') as b;
--> A: text | B: text
STRASSE | àb
--differs: upper-cases one letter to one letter
--> A: text | B: text
STRAẞE | àb

select trim('  a ') as a, ltrim('xxa', 'x') as b, rtrim('axx', 'x') as c, trim('*-a-*', '*-') as d;
--> A: text | B: text | C: text | D: text
a | a | a | a

select '[' || ltrim('  a') || ']' as a, '[' || rtrim('a  ') || ']' as b;
--> A: text | B: text
[a] | [a]

select left('banana', 2) as a, right('banana', 2) as b, left('a', 5) as c;
--> A: text | B: text | C: text
ba | na | a

select split('a,b,c', ',') as a;
--> A: array
["a","b","c"]

select regexp_replace('firstname lastname', '(\\w+) (\\w+)', '\\2, \\1') as a;
--> A: text
lastname, firstname

select array_to_string(split('a,b', ','), '+') as a;
--> A: text
a+b

select 'a' < 'B' as a, 'a' < 'b' as b;
--> A: boolean | B: boolean
false | true
