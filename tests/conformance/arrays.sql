create table t (a int[], b text[][], c int[3], d timestamp[]);
insert into t values ('{1,2,3}', '{{a,"b;c"},{"d\"e",NULL}}', array[1, 2, 3], array['2024-01-01 10:30:00'::timestamp]);
insert into t values ('[2:4]={7,8,9}', '{}', null, '{}');
update t set a[5] = 10, b[1:1] = '{{x,y}}' where a[1:2] = array[1, 2];
create table slices as select a[1:2] as x, a[:2] as y, a[2:] as z, (array[[1,2],[3,4]])[1:2][2:2] as q, b[1][2:2] as r from t;
select array_agg(x order by x desc) from unnest(array[3, 1, 2]) x;
select array[1,2] || 3, array_dims(a), a @> array[1], 2 = any (a) from t;
create function rest(a int[], n int) returns int[] begin atomic select a[n:array_upper(a, 1)]; select a[1:n]; end;
create table made as select rest('{1,2,3,4}', 2);
