# FLATTEN

create table orders (id int, items variant);
--ok

insert into orders select 1, parse_json('[{"sku":"a","n":2},{"sku":"b","n":1}]') union all select 2, parse_json('[]');
--> number of rows inserted: number(19,0) not null
2
