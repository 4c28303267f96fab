/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of metrics*.c share: samples that are collected under the engine's lock, and
 * written after that.
 */
#ifndef WEFT_DAEMON_METRICS_INTERNAL_H
#define WEFT_DAEMON_METRICS_INTERNAL_H

#include "daemon/state_internal.h"

#include <stdio.h>

/* A growing array of one kind of samples; the first member of each is its labels, malloced. */
struct samples {
	void *list;
	size_t count, capacity, size; /* size: of one */
};

struct metrics {
	struct daemon *daemon;
	bool no_memory;
	struct samples ports, nics, switches, networks, routed, firewalls, rules, flows;
	FILE *out;
};

/* The next one, all zero; it takes the labels, NULL included. NULL without memory. */
void *metrics_add(struct metrics *metrics, struct samples *samples, char *labels);
/* name, value, name, value, ..., NULL; a pair whose value is NULL is left out. */
char *metrics_labels(const char *name, ...);

void metrics_head(FILE *out, const char *name, const char *type, const char *help);

struct metrics_column {
	const char *name, *help;
	size_t offset;
};

/* Numbers of 64 bits that lie in each sample; `wanted` NULL: in all of them. */
void metrics_columns(FILE *out, const char *type, const struct metrics_column *columns, size_t n,
	const struct samples *samples, bool (*wanted)(const void *sample));

/* ---- firewalls (metrics_firewall.c) ---------------------------------------------------------- */

void metrics_prepare_firewalls(struct metrics *metrics);
/* Under weft_objects_lock. */
void metrics_collect_firewall(struct metrics *metrics, const struct weft_device *device);
/* Without. */
void metrics_collect_flows(struct metrics *metrics);
void metrics_put_firewalls(const struct metrics *metrics);

#endif
