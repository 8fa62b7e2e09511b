-- a comment; with a semicolon and a 'quote
/* one /* in another; ' */ still " one; $$ */
create /* here; */ table t -- and ; here
(
	a int, /*/ ; */ b int -- 'unfinished
) /* the end **/;
insert into t values (1 /* ; */, 2--;
+ 3), (4*/* /* */ ; */5, 6);
/**/ ; ; -- empty statements
select 1--' "
;
comment on table t is '-- no comment /* at all';
/* at the
end */
