SET search_path = shop, public;

COPY categories (id, parent_id, name) FROM stdin WITH (FORMAT csv, NULL '');
1,,Home
2,1,Kitchen
3,1,Garden
4,2,Knives
5,2,"Pots, pans"
6,3,Tools
7,3,"Seeds; bulbs"
8,,Books
9,8,Children's
10,8,Travel
11,9,"""Read aloud"""
12,,Music
\.
