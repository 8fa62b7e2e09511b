\set from 'the first; file'
\i parts/tables.sql
\ir parts/rows.sql
\set file parts/rows.sql
\i :file
\include 'parts/deep/one.sql'
\include_relative ./parts/../parts/rows.sql
create table last as select :'from' as who, count(*) from included;
