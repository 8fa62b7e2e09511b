create table t (a int) with (fillfactor = 50, autovacuum_enabled = off);
insert into t select generate_series(1, 1000);
delete from t where a % 2 = 0;
vacuum t;
vacuum (full, analyze) t;
analyze t (a);
checkpoint;
cluster;
reindex table t;
