/* peers.c - the statements of tools that clone a template database for each test, through libpq.
 *
 * Their clients are Go and mostly TCP, IntegreSQL's pool is behind HTTP: what is timed here is less than what they take.
 * Usage: peers CONNINFO pgtestdb TEMPLATE ROUNDS HEAD
 *                    milliseconds (median) from nothing to the head's answer, as pgtestdb does it: connect, CREATE DATABASE …
 *                    TEMPLATE, connect to it, run the head; dropping is not counted
 *        peers CONNINFO ready TEMPLATE ROUNDS HEAD
 *                    as IntegreSQL with its pool full: connect to a database that is ready, run the head
 *        peers CONNINFO refill TEMPLATE ROUNDS HEAD
 *                    what IntegreSQL does to have it ready again: look for connections, DROP DATABASE, CREATE DATABASE … TEMPLATE
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 1000, SQL_MAX = 4096 };

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static PGconn *connect_to(const char *conninfo, const char *dbname)
{
	char text[SQL_MAX];
	PGconn *c;

	snprintf(text, sizeof(text), "%s dbname=%s", conninfo, dbname);
	c = PQconnectdb(text);
	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "peers: %s", PQerrorMessage(c));
		exit(1);
	}
	return c;
}

static void run(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(r);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fprintf(stderr, "peers: %s: %s", sql, PQerrorMessage(c));
		exit(1);
	}
	PQclear(r);
}

static void create(PGconn *admin, const char *name, const char *template)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\" TEMPLATE \"%s\"", name, template);
	run(admin, sql);
}

static void drop(PGconn *admin, const char *name)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS \"%s\"", name);
	run(admin, sql);
}

static void run_head(const char *conninfo, const char *dbname, const char *head)
{
	PGconn *c = connect_to(conninfo, dbname);

	run(c, head);
	PQfinish(c);
}

struct peer {
	const char *conninfo, *template, *head;
};

static double pgtestdb(const struct peer *p)
{
	double began = now_ms(), took;
	PGconn *admin = connect_to(p->conninfo, "postgres");
	PGconn *own;

	create(admin, "peers_test", p->template);
	own = connect_to(p->conninfo, "peers_test");
	run(own, p->head);
	took = now_ms() - began;
	PQfinish(own);
	drop(admin, "peers_test");
	PQfinish(admin);
	return took;
}

static double ready(const struct peer *p)
{
	PGconn *admin = connect_to(p->conninfo, "postgres"), *own;
	double began, took;

	create(admin, "peers_test", p->template);
	began = now_ms();
	own = connect_to(p->conninfo, "peers_test");
	run(own, p->head);
	took = now_ms() - began;
	PQfinish(own);
	drop(admin, "peers_test");
	PQfinish(admin);
	return took;
}

static double refill(const struct peer *p)
{
	PGconn *admin = connect_to(p->conninfo, "postgres");
	double began, took;

	create(admin, "peers_test", p->template);
	run_head(p->conninfo, "peers_test", p->head);
	began = now_ms();
	run(admin, "SELECT count(pid) FROM pg_stat_activity WHERE datname = 'peers_test'");
	drop(admin, "peers_test");
	create(admin, "peers_test", p->template);
	took = now_ms() - began;
	drop(admin, "peers_test");
	PQfinish(admin);
	return took;
}

static const struct mode {
	const char *name;
	double (*round)(const struct peer *p);
} modes[] = {{"pgtestdb", pgtestdb}, {"ready", ready}, {"refill", refill}};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct mode *mode = argc == 6 ? find_mode(argv[2]) : NULL;
	long rounds = argc == 6 ? strtol(argv[4], NULL, 10) : 0;
	double took[ROUNDS_MAX];
	struct peer p;

	if (!mode || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: peers CONNINFO pgtestdb|ready|refill TEMPLATE ROUNDS HEAD\n");
		return 2;
	}
	p = (struct peer){argv[1], argv[3], argv[5]};
	for (long i = 0; i < rounds; i++)
		took[i] = mode->round(&p);
	qsort(took, (size_t)rounds, sizeof(*took), by_size);
	printf("%.6f\n", took[rounds / 2]);
	return 0;
}
