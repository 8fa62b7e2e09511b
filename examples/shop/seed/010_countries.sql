SET search_path = shop, public;

COPY countries (code, name, in_eu) FROM stdin;
AT	Austria	t
BE	Belgium	t
CH	Switzerland	f
CZ	Czechia	t
DE	Germany	t
DK	Denmark	t
ES	Spain	t
FR	France	t
GB	United Kingdom	f
IT	Italy	t
NL	Netherlands	t
NO	Norway	f
PL	Poland	t
SE	Sweden	t
\.
