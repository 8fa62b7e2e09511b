create table cities (name text, country text, people bigint);
\copy cities from 'data/cities.csv' with (format csv, header)
\copy cities (name, people) from data/more.tsv
\copy public.cities (name) from stdin
Nowhere
Else;where
\.
\copy cities(name) FROM 'data/it''s.txt';
select * from cities;
