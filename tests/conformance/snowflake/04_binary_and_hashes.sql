# Binary and hashes

select md5(x'61') = md5('a') as a;
--> A: boolean
true

select hash(1) = hash(1) as a, hash(1, 2) = hash(2, 1) as b, hash(null) is null as c;
--> A: boolean | B: boolean | C: boolean
true | false | false

create table blobs (id int, b binary(4), v varbinary);
--ok

insert into blobs values (1, x'0102', 'ff'::binary);
--> number of rows inserted: number(19,0) not null
1
--stats inserted=1
