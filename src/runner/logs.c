/* logs.c - the lines of a job: what was done, by stage; no SQL, no rows, no variables, no messages of errors or notices. */
#include "runner/job_int.h"

#include <stdarg.h>
#include <stdlib.h>

void job_line_add(struct job_body *b, const struct job_log *l)
{
	struct job_line *line = ARENA_NEW(&b->arena, struct job_line);

	line->log = *l;
	line->log.message = arena_dup(&b->arena, l->message);
	*b->last_log = line;
	b->last_log = &line->next;
	b->nlogs++;
}

void job_line(struct job *j, enum job_stage stage, const char *level, const char *fmt, ...)
{
	struct job_log l = {.time_ms = clock_wall_ms(), .stage = stage, .level = level};
	struct watcher *told = NULL;
	OWNS(buf) text = {0};
	struct job_body *b;
	va_list ap;

	va_start(ap, fmt);
	buf_vfmt(&text, fmt, ap);
	va_end(ap);
	l.message = buf_str(&text);
	pthread_mutex_lock(&j->lock);
	b = j->body;
	if (b && b->nlogs < JOB_LOGS_MAX) {
		l.seq = b->nlogs + 1;
		if (l.seq == JOB_LOGS_MAX) {
			l.level = "warn";
			l.message = S("further lines are not kept");
		}
		job_line_add(b, &l);
		told = watch_take(&j->watchers, false);
	}
	pthread_mutex_unlock(&j->lock);
	watch_fire(told);
}

static int copy_lines(struct call *c, const struct job_body *b, int64_t after, int limit, struct job_log *to)
{
	int n = 0;

	for (const struct job_line *l = b->logs; l && n < limit; l = l->next) {
		if (l->log.seq <= after)
			continue;
		to[n] = l->log;
		to[n++].message = arena_dup(c->arena, l->log.message);
	}
	return n;
}

bool job_logs(struct call *c, struct job *j, int64_t after, int limit, struct job_log **ret, int *ret_n)
{
	struct job_body *b = job_body_of(j);
	struct job_log *v;
	int64_t there;

	if (!b && !record_body(c, j, &b))
		return false;
	pthread_mutex_lock(&j->lock);
	there = b->nlogs - (after > 0 ? after : 0);
	if (limit > there)
		limit = there > 0 ? (int)there : 0;
	v = ARENA_ARRAY(c->arena, struct job_log, (size_t)limit + 1);
	*ret_n = copy_lines(c, b, after, limit, v);
	pthread_mutex_unlock(&j->lock);
	*ret = v;
	job_body_unref(b);
	return true;
}
