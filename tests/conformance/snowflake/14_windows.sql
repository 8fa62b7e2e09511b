# Window functions

create table scores (id int, team varchar, points int);
--ok

insert into scores values (1, 'a', 10), (2, 'a', 30), (3, 'a', 30), (4, 'b', 5), (5, 'b', 15);
--> number of rows inserted: number(19,0) not null
5

select id, row_number() over (partition by team order by points, id) as n from scores order by id;
--> ID: number | N: number
1 | 1
2 | 2
3 | 3
4 | 1
5 | 2

select id, rank() over (order by points desc) as r, dense_rank() over (order by points desc) as d from scores order by id;
--> ID: number | R: number | D: number
1 | 4 | 3
2 | 1 | 1
3 | 1 | 1
4 | 5 | 4
5 | 3 | 2

select id, sum(points) over (partition by team order by id) as s from scores order by id;
--> ID: number | S: number
1 | 10
2 | 40
3 | 70
4 | 5
5 | 20

select id, sum(points) over (order by id rows between 1 preceding and current row) as s, count(*) over () as n from scores order by id;
--> ID: number | S: number | N: number
1 | 10 | 5
2 | 40 | 5
3 | 60 | 5
4 | 35 | 5
5 | 20 | 5

select id, lag(points) over (order by id) as a, lead(points, 2, 0) over (order by id) as b from scores order by id;
--> ID: number | A: number | B: number
1 | NULL | 30
2 | 10 | 5
3 | 30 | 15
4 | 30 | 0
5 | 5 | 0

select id, first_value(points) over (partition by team order by id) as f, last_value(points) over (partition by team order by id rows between unbounded preceding and unbounded following) as l from scores order by id;
--> ID: number | F: number | L: number
1 | 10 | 30
2 | 10 | 30
3 | 10 | 30
4 | 5 | 15
5 | 5 | 15

select distinct team, last_value(points) over (partition by team order by id) as l from scores order by team;
--> TEAM: text | L: number
a | 30
b | 15

select id, nth_value(points, 2) over (order by id) as n, ntile(2) over (order by id) as t from scores order by id;
--> ID: number | N: number | T: number
1 | 30 | 1
2 | 30 | 1
3 | 30 | 1
4 | 30 | 2
5 | 30 | 2

select id, percent_rank() over (order by id) as p, cume_dist() over (order by id) as c from scores order by id limit 2;
--> ID: number | P: float | C: float
1 | 0 | 0.2
2 | 0.25 | 0.4

select id, team from scores qualify row_number() over (partition by team order by points desc, id) = 1 order by id;
--> ID: number | TEAM: text
2 | a
5 | b

select team, sum(points) as s, rank() over (order by sum(points) desc) as r from scores group by team order by r;
--> TEAM: text | S: number | R: number
a | 70 | 1
b | 20 | 2

select id, avg(points) over (partition by team) as a from scores order by id limit 1;
--> ID: number | A: number
1 | 23.333

select id, max(points) over (partition by team) - points as gap from scores order by id;
--> ID: number | GAP: number
1 | 20
2 | 0
3 | 0
4 | 10
5 | 0

select id, conditional_true_event(points > 10) over (order by id) as c from scores order by id;
--> ID: number | C: number
1 | 0
2 | 1
3 | 2
4 | 2
5 | 3

select id, conditional_change_event(team) over (order by id) as d from scores order by id limit 1;
--> ID: number | D: number
1 | 0
--refused: CONDITIONAL_CHANGE_EVENT
--! 000002 0A000

select listagg(id, '') within group (order by id) over (partition by team) as l from scores order by id limit 1;
--> L: text
123

select id, lag(points) ignore nulls over (order by id) as a from scores order by id limit 2;
--> ID: number | A: number
1 | NULL
2 | 10

select count(distinct team) over () as n from scores limit 1;
--> N: number
2

select row_number() over (order by points) as rn from scores where rn = 1;
--! 002303 42601
