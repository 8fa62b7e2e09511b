# Binary and hashes

select to_binary('534e4f57') as a, to_binary('SNOW', 'utf-8') as b, to_binary('U05PVw==', 'base64') as c;
--> A: binary | B: binary | C: binary
534E4F57 | 534E4F57 | 534E4F57

select hex_encode('SNOW') as a, hex_encode('SNOW', 0) as b, hex_decode_string('534E4F57') as c;
--> A: text | B: text | C: text
534E4F57 | 534e4f57 | SNOW

select hex_decode_binary('00ff') as a;
--> A: binary
00FF

select base64_encode('Snowflake') as a, base64_decode_string('U25vd2ZsYWtl') as b, base64_decode_binary('AP8=') as c;
--> A: text | B: text | C: binary
U25vd2ZsYWtl | Snowflake | 00FF

select try_hex_decode_string('zz') as a, try_base64_decode_string('!') as b, try_to_binary('zz') as c, try_hex_decode_binary('0') as d;
--> A: text | B: text | C: binary | D: binary
NULL | NULL | NULL | NULL

select to_char(x'00ff') as a, to_varchar(x'534e4f57', 'utf-8') as b, to_varchar(x'00ff', 'base64') as c;
--> A: text | B: text | C: text
00FF | SNOW | AP8=

select x'00ff'::varchar as a;
--> A: text
00FF

select 'ff00'::binary as a;
--> A: binary
FF00

select length(x'00ff') as a, octet_length(x'00ff') as b, x'00' || x'ff' as c, left(x'0102', 1) as d;
--> A: number | B: number | C: binary | D: binary
2 | 2 | 00FF | 01

select x'00ff' = to_binary('00FF') as a, x'00' < x'01' as b;
--> A: boolean | B: boolean
true | true

select substr(x'010203', 2, 1) as a, reverse(x'0102') as b;
--> A: binary | B: binary
02 | 0201

select 'zz'::binary;
--! 100115 22000

select md5('Snowflake') as a, md5_hex('') as b;
--> A: text(32) | B: text(32)
edf1439075a83a447fb8b630ddc9c8de | d41d8cd98f00b204e9800998ecf8427e

select md5_binary('') as a;
--> A: binary
D41D8CD98F00B204E9800998ECF8427E

select sha1('a') as a, sha1_hex('') as b;
--> A: text | B: text
86f7e437faa5a7fce15d1ddcb9eaeaea377667b8 | da39a3ee5e6b4b0d3255bfef95601890afd80709

select sha2('a') as a, sha2_hex('a', 256) = sha2('a') as b, length(sha2('a', 512)) as c;
--> A: text | B: boolean | C: number
ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb | true | 128

select sha2('a', 224) as a;
--> A: text
abd37534c7d9a2efb9465de931cd7055ffdb8879563ae98078d6d6d5

select sha2_binary('a') as a, sha1_binary('a') as b;
--> A: binary | B: binary
CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB | 86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8

select md5(x'61') = md5('a') as a;
--> A: boolean
true

select hash(1) = hash(1) as a, hash(1, 2) = hash(2, 1) as b, hash(null) is null as c;
--> A: boolean | B: boolean | C: boolean
true | false | false

select hash(1) = hash(1.0) as a;
--> A: boolean
true
--differs: HASH differs between numbers of different types
--> A: boolean
false

select md5(null) as a, sha2(null) as b, hex_encode(null) as c;
--> A: text | B: text | C: text
NULL | NULL | NULL

select to_binary(null) as a;
--> A: binary
NULL

create table blobs (id int, b binary(4), v varbinary);
--ok

insert into blobs values (1, x'0102', 'ff'::binary);
--> number of rows inserted: number(19,0) not null
1
--stats inserted=1

select b, v from blobs;
--> B: binary(4) | V: binary(8388608)
0102 | FF
