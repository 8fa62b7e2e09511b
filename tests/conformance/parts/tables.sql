create table included (who text, n int generated always as identity);
