/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the library's own. They have a name, for who looks at the process, and are deaf
 * to signals: those are for the program's own threads.
 */
#ifndef WEFT_BASE_THREAD_H
#define WEFT_BASE_THREAD_H

#include <pthread.h>

/* 0, or an errno value. name: at most 15 bytes. */
int thread_start(
	pthread_t *thread, const char *name, void *(*function)(void *argument), void *argument);

#endif
