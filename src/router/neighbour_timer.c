/* SPDX-License-Identifier: BSD-3-Clause */
/* What time does to neighbours: questions again, ageing, room for new ones; and forgetting them. */
#include "graph/engine.h"
#include "router/neighbour_table.h"

#define DUE_BATCH 32 /* packets of others wait for one batch */

/* ---- timers, on worker 0 -----------------------------------------------------------------------
 */

struct due {
	uint32_t ids[DUE_BATCH];
	unsigned count;
};

static void
remove_or_rest(struct neighbour *entry, uint32_t second)
{
	if (entry->pins > 0)
		neighbour_enter(entry, NEIGHBOUR_NONE, second, 0);
	else if (neighbour_take_out(entry) && entry->network != NULL)
		atomic_fetch_sub(&entry->network->neighbours, 1);
}

/* Under the lock. A flood to addresses where nobody is would have everybody asked again and again,
 * on the time of all networks: they are asked less often, and fail as soon. */
static bool
may_ask(const struct worker *worker, struct neighbour *entry)
{
	return entry->network != NULL &&
	       rate_allows(&entry->network->asked_again, worker->now,
		       UINT64_C(1000000000) / NEIGHBOUR_ASK_RATE, NEIGHBOUR_ASK_BURST);
}

/* Under the lock. Returns what is to be asked: 0 nobody, 1 everybody, 2 the neighbour alone. */
static int
expire(struct neighbour *entry, uint32_t second, struct waiting *waiting)
{
	switch (neighbour_state_of(entry)) {
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_PROBE:
		if (entry->tries++ < NEIGHBOUR_TRIES) {
			atomic_store(&entry->deadline, second + NEIGHBOUR_RETRANS_S);
			return neighbour_state_of(entry) == NEIGHBOUR_PROBE ? 2 : 1;
		}
		neighbour_take_waiting(entry, waiting);
		neighbour_enter(entry, NEIGHBOUR_FAILED, second, NEIGHBOUR_FAILED_S);
		return 0;
	case NEIGHBOUR_REACHABLE:
		neighbour_enter(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
		return 0;
	case NEIGHBOUR_DELAY:
		entry->tries = 1;
		neighbour_enter(entry, NEIGHBOUR_PROBE, second, NEIGHBOUR_RETRANS_S);
		return 2;
	case NEIGHBOUR_FAILED:
		if (entry->pins == 0) {
			remove_or_rest(entry, second);
			return 0;
		}
		atomic_store(&entry->deadline, second + NEIGHBOUR_FAILED_S);
		return 1;
	default:
		remove_or_rest(entry, second);
		return 0;
	}
}

static void
run_due(struct worker *worker, void *argument)
{
	const struct due *due = argument;
	uint32_t second = neighbour_second(worker);

	for (unsigned i = 0; i < due->count; i++) {
		struct neighbour *entry = &neighbour_entries[id_index(due->ids[i])];
		struct waiting waiting = { .count = 0 };
		struct vport *vport = vport_get(worker, entry->vport);
		uint32_t deadline;
		int asked = 0;

		neighbour_lock();
		deadline = atomic_load(&entry->deadline);
		if (entry->id == due->ids[i] && !entry->removed && deadline != 0 &&
			deadline <= second)
			asked = expire(entry, second, &waiting);
		if (asked == 1 && !may_ask(worker, entry))
			asked = 0;
		neighbour_unlock();
		for (unsigned j = 0; j < waiting.count && vport != NULL; j++)
			neighbour_refuse(worker, vport, waiting.packets[j]);
		for (unsigned j = 0; j < waiting.count && vport == NULL; j++)
			packet_drop(worker, NULL, DROP_STALE_VPORT, waiting.packets[j]);
		if (asked != 0)
			neighbour_ask(worker, entry, asked == 1);
	}
}

/* ---- forgetting, ticks ---- */

/* One port whose neighbours are to be forgotten; gone: the port, too. */
struct flush {
	uint32_t vport;
	bool gone;
};

/* Under the lock. */
static void
forget(struct neighbour *entry, bool gone)
{
	bool counted = entry->pins == 0 && entry->network != NULL;

	atomic_store(&entry->link, 0);
	atomic_store(&entry->deadline, entry->pins > 0 ? 0 : 1);
	if (!gone)
		return;
	if (counted)
		atomic_fetch_sub(&entry->network->neighbours, 1);
	entry->network = NULL;
}

static void
run_flush(struct worker *worker, void *argument)
{
	const struct flush *flush = argument;
	struct vport *vport = vport_get(worker, flush->vport);
	uint32_t id, next;

	neighbour_lock();
	id = neighbours_of_port(flush->vport);
	neighbour_unlock();
	for (; id != 0; id = next) {
		struct neighbour *entry = &neighbour_entries[id_index(id)];
		struct waiting waiting = { .count = 0 };

		neighbour_lock();
		next = entry->port_next;
		if (entry->vport == flush->vport && !entry->removed) {
			neighbour_take_waiting(entry, &waiting);
			forget(entry, flush->gone);
		}
		neighbour_unlock();
		for (unsigned i = 0; i < waiting.count; i++)
			packet_drop(worker, vport, DROP_NEIGHBOR_FAILED, waiting.packets[i]);
	}
}

void
neighbours_flush(struct weft *weft, uint32_t vport)
{
	struct flush flush = { vport, false };

	worker_call(weft->workers[0], run_flush, &flush);
}

void
neighbours_forget(struct weft *weft, uint32_t vport)
{
	struct flush flush = { vport, true };

	worker_call(weft->workers[0], run_flush, &flush);
}

/* A hint without the lock: run_due looks again. */
static bool
is_due(const struct neighbour *entry, uint32_t second)
{
	uint32_t deadline = atomic_load_explicit(&entry->deadline, memory_order_relaxed);

	return deadline != 0 && deadline <= second && !entry->removed;
}

/* Its network is crowded, and it is of little use: over at once. */
static void
hasten(struct neighbour *entry, uint32_t second)
{
	enum neighbour_state state = neighbour_state_of(entry);
	struct weft_network *network;

	if (state != NEIGHBOUR_FAILED && state != NEIGHBOUR_STALE)
		return;
	neighbour_lock();
	network = entry->network;
	if (network != NULL && !entry->removed && entry->pins == 0 &&
		atomic_load(&network->neighbours) >= network->config.neighbor_limit &&
		(state == NEIGHBOUR_FAILED || second - entry->since >= NEIGHBOUR_CROWDED_S))
		atomic_store(&entry->deadline, 1);
	neighbour_unlock();
}

void
neighbours_tick(struct weft *weft, uint64_t now)
{
	uint32_t second = (uint32_t)(now / 1000000000), used;
	struct due due = { .count = 0 };

	neighbour_lock();
	used = neighbours_used();
	neighbour_unlock();
	for (uint32_t i = 0; i < used; i++) {
		uint32_t id = __atomic_load_n(&neighbour_entries[i].id, __ATOMIC_ACQUIRE);

		if (id == 0)
			continue;
		hasten(&neighbour_entries[i], second);
		if (!is_due(&neighbour_entries[i], second))
			continue;
		due.ids[due.count++] = id;
		if (due.count < DUE_BATCH)
			continue;
		worker_call(weft->workers[0], run_due, &due);
		due.count = 0;
		neighbours_give_back(weft);
	}
	if (due.count > 0)
		worker_call(weft->workers[0], run_due, &due);
	neighbours_give_back(weft);
}
