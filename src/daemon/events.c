/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/events.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct events {
	pthread_mutex_t lock;
	pthread_cond_t more;
	uint64_t last;    /* number of the newest */
	uint64_t wakeups; /* events_wake_all was called so often */
	struct event ring[EVENTS_KEPT];
};

struct events *
events_open(void)
{
	struct events *events = calloc(1, sizeof(*events));
	pthread_condattr_t attributes;

	if (events == NULL)
		return NULL;
	pthread_mutex_init(&events->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&events->more, &attributes);
	pthread_condattr_destroy(&attributes);
	return events;
}

void
events_close(struct events *events)
{
	if (events == NULL)
		return;
	pthread_cond_destroy(&events->more);
	pthread_mutex_destroy(&events->lock);
	free(events);
}

static void
write_log(const struct event *event)
{
	const char *colon = event->object[0] != '\0' ? ": " : "";

	if (event->severity == EVENT_INFO)
		log_info("%s%s%s", event->object, colon, event->text);
	else if (event->severity == EVENT_WARNING)
		log_warning("%s%s%s", event->object, colon, event->text);
	else
		log_error("%s%s%s", event->object, colon, event->text);
}

/* A character that was cut off at the end goes. */
static void
end_whole(char *text)
{
	size_t length = strlen(text), start = length;
	unsigned char lead;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	lead = start > 0 ? (unsigned char)text[start - 1] : 0;
	if (lead >= 0xc0 && length - start + 1 < (lead >= 0xf0 ? 4u : lead >= 0xe0 ? 3u : 2u))
		text[start - 1] = '\0';
}

void
events_emit(struct events *events, enum event_severity severity, const char *kind,
	const char *object, const char *format, ...)
{
	struct event event = { .severity = severity };
	va_list arguments;

	event.time = clock_of_day();
	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	snprintf(event.object, sizeof(event.object), "%s", object);
	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	end_whole(event.object);
	end_whole(event.text);
	write_log(&event);
	pthread_mutex_lock(&events->lock);
	event.number = ++events->last;
	events->ring[event.number % EVENTS_KEPT] = event;
	pthread_cond_broadcast(&events->more);
	pthread_mutex_unlock(&events->lock);
}

uint64_t
events_last(struct events *events)
{
	uint64_t last;

	pthread_mutex_lock(&events->lock);
	last = events->last;
	pthread_mutex_unlock(&events->lock);
	return last;
}

static struct timespec
deadline_in(unsigned milliseconds)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += milliseconds / 1000;
	deadline.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	return deadline;
}

bool
events_read(struct events *events, uint64_t after, unsigned milliseconds, struct event *event)
{
	struct timespec deadline = deadline_in(milliseconds);
	uint64_t wakeups, next;
	bool found;

	pthread_mutex_lock(&events->lock);
	wakeups = events->wakeups;
	while (events->last <= after && wakeups == events->wakeups)
		if (pthread_cond_timedwait(&events->more, &events->lock, &deadline) != 0)
			break;
	found = events->last > after;
	if (found) {
		next = after + 1;
		if (events->last >= EVENTS_KEPT && next <= events->last - EVENTS_KEPT)
			next = events->last - EVENTS_KEPT + 1;
		*event = events->ring[next % EVENTS_KEPT];
	}
	pthread_mutex_unlock(&events->lock);
	return found;
}

void
events_wake_all(struct events *events)
{
	pthread_mutex_lock(&events->lock);
	events->wakeups++;
	pthread_cond_broadcast(&events->more);
	pthread_mutex_unlock(&events->lock);
}

const char *
event_severity_name(enum event_severity severity)
{
	static const char *const names[] = { "info", "warning", "error" };

	return names[severity];
}
