create table docs (id int, body text, ts tsvector generated always as (to_tsvector('english', body)) stored);
insert into docs (id, body) values (1, 'The quick brown foxes; jumped'), (2, 'over the lazy dog''s back');
create index on docs using gin (ts);
create table found as select id, ts_rank(ts, q) > 0 as hit, ts_headline('english', body, q) from docs, to_tsquery('english', 'fox & !dog | back:*') q where ts @@ q;
create text search configuration mine (copy = simple);
create text search dictionary mine_dict (template = snowball, language = english, stopwords = english);
alter text search configuration mine alter mapping for asciiword with mine_dict;
select to_tsvector('mine', 'Running; dogs') @@ phraseto_tsquery('mine', 'run dogs');
