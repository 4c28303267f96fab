/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Staging, for those who write weft_...() calls. A call allocates and checks all that it will
 * need, then stages steps; the commit runs every step's commit in order, waits one grace
 * period, and runs every finish; an abort runs every step's abort, last one first.
 */
#ifndef WEFT_GRAPH_CHANGE_H
#define WEFT_GRAPH_CHANGE_H

#include <weft/weft.h>

struct vport;
struct weft_device;
struct weft_vport;

struct change_step {
	void (*commit)(void *object); /* cannot fail; packets may see it from here on */
	void (*finish)(void *object); /* after the grace period: frees what was replaced */
	void (*abort)(void *object);  /* undoes the staging */
};

/* 0, or -1: out of memory, noted in the change (and step->abort has not run). */
int change_stage(struct weft_change *change, const struct change_step *step, void *object);

/* Notes a failure: the first one is what the commit reports. Returns -1. */
int change_fail(struct weft_change *change, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The change's own error, to be filled by a callee just before change_failed_with(). */
struct weft_error *change_error(struct weft_change *change);
int change_failed_with(struct weft_change *change);

struct weft *change_weft(struct weft_change *change);

/* Fails the change for having removed the object itself, so that nothing can be done to it. */
int change_fail_removed(struct weft_change *change, const char *what, const char *name);

/* The device's class will be asked to prepare it when all calls are staged. 0 or -1. */
int change_touch(struct weft_change *change, struct weft_device *device);

/* What this change will make of the vport: written to freely until the commit. NULL after a
 * failure. Touches its device. */
struct vport *change_vport(struct weft_change *change, struct weft_vport *vport);

/* How the vport will be after this change: its draft, else what is live; NULL: removed. */
const struct vport *change_vport_after(const struct weft_vport *vport);

/* The device's vports as they will be after this change: start with NULL. */
struct weft_vport *change_vport_next(struct weft_device *device, struct weft_vport *vport);

#endif
