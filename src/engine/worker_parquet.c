#include "engine/worker.h"
void run_parquet(struct lane *lane, struct task *t, struct str body){(void)lane;(void)body;task_fails(t,"Not implemented","later");}
