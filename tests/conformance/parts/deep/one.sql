\set from 'a deep; file'
\ir ../rows.sql
\ir two.sql
copy included (who) from stdin;
from the rows of a deep file
\.
