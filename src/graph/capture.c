/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/capture.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/record_ring.h"
#include "graph/engine.h"
#include "graph/pcapng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE (4u << 20)
/* What is kept of a packet at most, so that a block always fits into CAPTURE_READ_SIZE. */
#define KEPT_LIMIT (CAPTURE_READ_SIZE - 1024)

/* In the ring, in front of a packet's bytes. */
struct record {
	uint64_t time;
	uint32_t interface;
	uint32_t length, kept;
	uint8_t direction, reason;
};

/* A captured vport; sorted by id. */
struct interface {
	uint32_t vport;
	uint32_t number;
};

struct capture {
	struct weft *weft;
	struct filter filter;
	unsigned place;
	uint32_t snaplen;
	uint64_t count;
	_Atomic uint64_t taken, lost;
	uint64_t read;
	uint64_t clock_offset; /* from the engine's clock to 1970 */
	uint8_t *heading;      /* section header and interfaces */
	size_t heading_length, heading_read;
	struct interface *interfaces;
	unsigned n_interfaces;
	unsigned n_rings;
	struct record_ring rings[]; /* by worker */
};

/* ---- workers --------------------------------------------------------------------------------- */

static int
compare_interfaces(const void *a, const void *b)
{
	uint32_t first = ((const struct interface *)a)->vport;
	uint32_t second = ((const struct interface *)b)->vport;

	return first < second ? -1 : first > second;
}

static void
keep(struct worker *worker, struct capture *capture, const struct record *record,
	const struct rte_mbuf *packet)
{
	struct record_ring *ring = &capture->rings[worker->index];
	uint8_t *to = record_ring_reserve(ring, sizeof(*record) + record->kept);

	if (to == NULL) {
		atomic_fetch_add_explicit(&capture->lost, 1, memory_order_relaxed);
		return;
	}
	if (capture->count != 0 && atomic_fetch_add_explicit(&capture->taken, 1,
					   memory_order_relaxed) >= capture->count)
		return;
	memcpy(to, record, sizeof(*record));
	packet_copy_bytes(to + sizeof(*record), packet, record->kept);
	record_ring_commit(ring);
}

void
capture_packet(struct worker *worker, const struct vport *vport, const struct rte_mbuf *packet,
	enum capture_direction direction, enum drop_reason reason)
{
	const struct interface key = { .vport = vport->id };
	struct record record = {
		.time = worker->now,
		.length = rte_pktmbuf_pkt_len(packet),
		.direction = (uint8_t)direction,
		.reason = (uint8_t)reason,
	};

	for (unsigned i = 0; i < CAPTURE_LIMIT; i++) {
		struct capture *capture = worker->captures[i];
		const struct interface *interface;

		if (capture == NULL)
			continue;
		interface = bsearch(&key, capture->interfaces, capture->n_interfaces, sizeof(key),
			compare_interfaces);
		if (interface == NULL || !filter_matches(&capture->filter, packet, vport))
			continue;
		record.interface = interface->number;
		record.kept = RTE_MIN(record.length, capture->snaplen);
		keep(worker, capture, &record, packet);
	}
}

/* ---- the control side ------------------------------------------------------------------------ */

static void
show_to_worker(struct worker *worker, void *argument)
{
	struct capture *capture = argument;

	worker->captures[capture->place] = capture;
}

static void
hide_from_worker(struct worker *worker, void *argument)
{
	struct capture *capture = argument;

	worker->captures[capture->place] = NULL;
}

static bool
is_captured(const struct weft *weft, uint32_t vport)
{
	const struct interface key = { .vport = vport };

	for (unsigned i = 0; i < CAPTURE_LIMIT; i++) {
		const struct capture *capture = weft->captures[i];

		if (capture != NULL && bsearch(&key, capture->interfaces, capture->n_interfaces,
					       sizeof(key), compare_interfaces) != NULL)
			return true;
	}
	return false;
}

/* Brings the bit of each vport in line with the captures that there are. Locked. */
static void
set_watches(const struct capture *capture)
{
	for (unsigned i = 0; i < capture->n_interfaces; i++) {
		uint32_t id = capture->interfaces[i].vport;
		struct weft_vport *vport = vport_by_id(capture->weft, id);

		if (vport == NULL)
			continue;
		if (is_captured(capture->weft, id))
			atomic_fetch_or(&vport->watch, WATCH_CAPTURE);
		else
			atomic_fetch_and(&vport->watch, ~(uint32_t)WATCH_CAPTURE);
	}
}

/* The interfaces' blocks, while the names are known. Locked. */
static int
describe_vports(
	struct capture *capture, const struct capture_options *options, struct weft_error *error)
{
	size_t room = 256 + options->n_vports * (VPORT_NAME_SIZE + 64);
	char path[VPORT_NAME_SIZE];

	capture->heading = malloc(room);
	capture->interfaces = calloc(options->n_vports, sizeof(*capture->interfaces));
	if (capture->heading == NULL || capture->interfaces == NULL)
		return error_memory(error);
	capture->heading_length = pcapng_section(capture->heading, room);
	for (uint32_t i = 0; i < options->n_vports; i++) {
		const struct weft_vport *vport = vport_by_id(capture->weft, options->vports[i]);

		if (vport == NULL)
			return error_set(error, ENOENT, "the port is not there any more");
		capture->interfaces[i] = (struct interface){ vport->id, i };
		capture->heading_length += pcapng_interface(
			capture->heading + capture->heading_length, room - capture->heading_length,
			vport_path(vport, path), capture->snaplen);
	}
	capture->n_interfaces = options->n_vports;
	qsort(capture->interfaces, capture->n_interfaces, sizeof(*capture->interfaces),
		compare_interfaces);
	return 0;
}

static int
take_place(struct capture *capture, struct weft_error *error)
{
	struct weft *weft = capture->weft;

	for (unsigned i = 0; i < CAPTURE_LIMIT; i++) {
		if (weft->captures[i] != NULL)
			continue;
		weft->captures[i] = capture;
		capture->place = i;
		return 0;
	}
	return error_set(
		error, EBUSY, "%u captures are open already; end one of them", CAPTURE_LIMIT);
}

static void
free_capture(struct capture *capture)
{
	for (unsigned i = 0; i < capture->n_rings; i++)
		record_ring_close(&capture->rings[i]);
	free(capture->heading);
	free(capture->interfaces);
	free(capture);
}

static uint64_t
clock_offset(const struct weft *weft)
{
	return clock_of_day() - engine_now(weft);
}

static struct capture *
make_capture(struct weft *weft, const struct capture_options *options, struct weft_error *error)
{
	size_t size = sizeof(struct capture) + weft->n_workers * sizeof(struct record_ring);
	struct capture *capture = aligned_alloc(64, RTE_ALIGN_CEIL(size, 64));

	if (capture == NULL) {
		error_memory(error);
		return NULL;
	}
	memset(capture, 0, size);
	capture->weft = weft;
	capture->filter = options->filter;
	capture->snaplen = KEPT_LIMIT;
	if (options->snaplen != 0)
		capture->snaplen = RTE_MIN(options->snaplen, (uint32_t)KEPT_LIMIT);
	capture->count = options->count;
	capture->clock_offset = clock_offset(weft);
	for (; capture->n_rings < weft->n_workers; capture->n_rings++) {
		if (record_ring_open(&capture->rings[capture->n_rings], RING_SIZE) < 0) {
			error_memory(error);
			free_capture(capture);
			return NULL;
		}
	}
	return capture;
}

struct capture *
capture_open(struct weft *weft, const struct capture_options *options, struct weft_error *error)
{
	struct capture *capture;
	int result;

	if (options->n_vports == 0 || options->n_vports > CAPTURE_VPORT_LIMIT) {
		error_set(error, EINVAL, "a capture is of 1 to %u ports, not of %u",
			CAPTURE_VPORT_LIMIT, options->n_vports);
		return NULL;
	}
	capture = make_capture(weft, options, error);
	if (capture == NULL)
		return NULL;
	weft_objects_lock(weft);
	result = describe_vports(capture, options, error);
	if (result == 0)
		result = take_place(capture, error);
	weft_objects_unlock(weft);
	if (result < 0) {
		free_capture(capture);
		return NULL;
	}
	for (unsigned i = 0; i < weft->n_workers; i++)
		worker_call(weft->workers[i], show_to_worker, capture);
	weft_objects_lock(weft);
	set_watches(capture);
	weft_objects_unlock(weft);
	return capture;
}

/* The worker whose next packet is the oldest; NULL: none has any. */
static struct record_ring *
oldest_ring(struct capture *capture)
{
	struct record_ring *oldest = NULL;
	uint64_t time = UINT64_MAX;
	struct record record;
	const void *bytes;
	size_t length;

	for (unsigned i = 0; i < capture->n_rings; i++) {
		bytes = record_ring_peek(&capture->rings[i], &length);
		if (bytes == NULL)
			continue;
		memcpy(&record, bytes, sizeof(record));
		if (oldest == NULL || record.time < time) {
			oldest = &capture->rings[i];
			time = record.time;
		}
	}
	return oldest;
}

static size_t
encode(const struct capture *capture, const uint8_t *bytes, void *to, size_t room)
{
	struct pcapng_packet packet;
	struct record record;
	char comment[160];

	memcpy(&record, bytes, sizeof(record));
	packet = (struct pcapng_packet){
		.interface = record.interface,
		.time = record.time + capture->clock_offset,
		.length = record.length,
		.captured = record.kept,
		.bytes = bytes + sizeof(record),
		.flags = record.direction,
	};
	if (record.reason < DROP_REASON_COUNT) {
		snprintf(comment, sizeof(comment), "dropped: %s (%s)", drop_name(record.reason),
			drop_text(record.reason));
		packet.comment = comment;
	}
	return pcapng_packet(to, room, &packet);
}

/* Section header and interfaces, as many whole blocks as there is room for. */
static size_t
read_heading(struct capture *capture, uint8_t *to, size_t room)
{
	size_t done = 0;
	uint32_t length;

	while (capture->heading_read < capture->heading_length) {
		const uint8_t *block = capture->heading + capture->heading_read;

		memcpy(&length, block + sizeof(length), sizeof(length));
		if (length > room - done)
			break;
		memcpy(to + done, block, length);
		done += length;
		capture->heading_read += length;
	}
	return done;
}

size_t
capture_read(struct capture *capture, void *bytes, size_t size)
{
	size_t done = read_heading(capture, bytes, size), length;
	struct record_ring *ring;

	if (capture->heading_read < capture->heading_length)
		return done;
	while (!capture_done(capture) && (ring = oldest_ring(capture)) != NULL) {
		size_t more = encode(capture, record_ring_peek(ring, &length),
			(uint8_t *)bytes + done, size - done);

		if (more == 0)
			break;
		record_ring_release(ring);
		done += more;
		capture->read++;
	}
	return done;
}

bool
capture_done(const struct capture *capture)
{
	return capture->count != 0 && capture->read >= capture->count;
}

uint64_t
capture_lost(const struct capture *capture)
{
	return atomic_load(&capture->lost);
}

void
capture_close(struct capture *capture)
{
	struct weft *weft;

	if (capture == NULL)
		return;
	weft = capture->weft;
	weft_objects_lock(weft);
	weft->captures[capture->place] = NULL;
	set_watches(capture);
	weft_objects_unlock(weft);
	for (unsigned i = 0; i < weft->n_workers; i++)
		worker_call(weft->workers[i], hide_from_worker, capture);
	free_capture(capture);
}
