\set yes on
\set no 0
create table chosen (what text);
\if :yes
	insert into chosen values ('if');
	\if :no
		insert into chosen values ('not this');
	\elif false
		insert into chosen values ('nor this');
	\else
		insert into chosen values ('but this');
		\if t
			\set deep 1
		\endif
	\endif
\else
	insert into chosen values ('never');
	\i parts/nowhere.sql
	select 1 as yes \gset
	\set yes off
\endif
\if :{?deep}
	insert into chosen values ('deep');
\endif
\if :{?nothing}
	insert into chosen values (:'nothing');
\elif :yes
	insert into chosen values ('elif');
\endif
select count(*) = 4 as four from chosen \gset
\if :four
	insert into chosen values ('four');
\endif
