/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "graph/probe.h"
#include "graph/punt.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define MEMORY_MB 256
#define EAL_ARGUMENT_LIMIT 64
#define POOL_CACHE 256
/* Per MB of packet memory: 64 small buffers of 2.4 kB and 4 large ones of 63 kB. */
#define SMALL_PER_MB 64
#define LARGE_PER_MB 4
#define SYNCHRONIZE_PAUSE_US 20

static bool open_already; /* DPDK's environment is one per process */

/* ---- clock and random numbers
 * ---------------------------------------------------------------------- */

static uint64_t
machine_clock(void *context)
{
	(void)context;
	return clock_monotonic();
}

static uint64_t
machine_random(void *context)
{
	uint64_t number;

	(void)context;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		abort();
	return number;
}

uint64_t
engine_now(const struct weft *weft)
{
	return weft->options.clock(weft->options.context);
}

/* ---- DPDK's environment
 * ---------------------------------------------------------------------------- */

/*
 * One lcore that floats over all CPUs: workers are threads of our own and register
 * themselves. Without hugepages, shared configuration, telemetry and PCI, unless the options
 * ask for them.
 */
static int
start_eal(const struct weft_options *options, struct weft_error *error)
{
	static bool started;
	const char *arguments[EAL_ARGUMENT_LIMIT];
	char memory[16], lcores[32];
	bool pci = false;
	int count = 0;

	if (started)
		return 0;
	snprintf(memory, sizeof(memory), "%u", options->memory_mb);
	snprintf(lcores, sizeof(lcores), "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	arguments[count++] = "weft";
	arguments[count++] = "--no-shconf";
	arguments[count++] = "--no-telemetry";
	arguments[count++] = "--log-level=lib.eal:warning";
	arguments[count++] = "--lcores";
	arguments[count++] = lcores;
	arguments[count++] = "-m";
	arguments[count++] = memory;
	arguments[count++] = options->hugepages ? "--huge-unlink" : "--no-huge";
	for (unsigned i = 0; options->eal != NULL && options->eal[i] != NULL; i++) {
		if (count >= EAL_ARGUMENT_LIMIT - 2)
			return error_set(error, E2BIG, "too many EAL arguments");
		pci = pci || strncmp(options->eal[i], "-a", 2) == 0 ||
		      strncmp(options->eal[i], "--allow", 7) == 0;
		arguments[count++] = options->eal[i];
	}
	if (!pci)
		arguments[count++] = "--no-pci";
	arguments[count] = NULL;
	if (rte_eal_init(count, (char **)arguments) < 0)
		return error_set(error, rte_errno,
			"DPDK's environment does not start: %s; try fewer EAL arguments, or no "
			"hugepages",
			rte_strerror(rte_errno));
	started = true;
	return 0;
}

/* Changed by the EAL: threads of ours are to run everywhere. */
static void
keep_affinity(const cpu_set_t *set)
{
	sched_setaffinity(0, sizeof(*set), set);
}

/* ---- memory
 * ------------------------------------------------------------------------------------------ */

static struct rte_mempool *
make_pool(const char *name, unsigned count, uint16_t room)
{
	/* no worker's cache may hold so much that the others find nothing */
	unsigned cache = count / 8 < POOL_CACHE ? count / 8 : POOL_CACHE;

	return packet_pool_create(name, count, cache, room);
}

static int
open_pools(struct weft *weft, struct weft_error *error)
{
	unsigned mb = weft->options.memory_mb;

	weft->pools.small = make_pool("weft-small", mb * SMALL_PER_MB, PACKET_SMALL_ROOM);
	weft->pools.large = make_pool("weft-large", mb * LARGE_PER_MB, PACKET_LARGE_ROOM);
	if (weft->pools.small != NULL && weft->pools.large != NULL)
		return 0;
	return error_set(error, ENOMEM, "no memory for packets: %u MB asked for, %s", mb,
		rte_strerror(rte_errno));
}

/* Address space for a pointer per id; pages that nobody uses cost nothing. */
static void *
reserve_table(void)
{
	void *table = mmap(NULL, ID_INDEX_COUNT * sizeof(void *), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return table == MAP_FAILED ? NULL : table;
}

static void
free_table(void *table)
{
	if (table != NULL)
		munmap(table, ID_INDEX_COUNT * sizeof(void *));
}

static int
open_tables(struct weft *weft, struct weft_error *error)
{
	weft->vports = reserve_table();
	weft->vport_objects = reserve_table();
	weft->devices = reserve_table();
	weft->nics = reserve_table();
	weft->rcu = aligned_alloc(64, rte_rcu_qsbr_get_memsize(WORKER_LIMIT));
	if (weft->vports == NULL || weft->vport_objects == NULL || weft->devices == NULL ||
		weft->nics == NULL || weft->rcu == NULL || punt_open(weft) < 0)
		return error_memory(error);
	rte_rcu_qsbr_init(weft->rcu, WORKER_LIMIT);
	return 0;
}

/* ---- opening and closing
 * ----------------------------------------------------------------------------- */

/* A commit holds both for all of its steps, some of which take them for themselves. */
static void
open_locks(struct weft *weft)
{
	pthread_mutexattr_t recursive;

	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&weft->objects_lock, &recursive);
	pthread_mutex_init(&weft->nics_lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
}

static int
check_cpu(struct weft_error *error)
{
#ifdef __AES__
	if (!__builtin_cpu_supports("aes"))
		return error_set(error, ENOTSUP,
			"this CPU has no AES instructions; build weft without -maes for it");
#endif
	(void)error;
	return 0;
}

static int
open_workers(struct weft *weft, struct weft_error *error)
{
	unsigned count = weft->options.workers;

	if (count > WORKER_LIMIT)
		return error_set(
			error, EINVAL, "%u workers are too many: at most %u", count, WORKER_LIMIT);
	weft->threads = count > 0;
	weft->n_workers = count > 0 ? count : 1;
	for (unsigned i = 0; i < weft->n_workers; i++) {
		weft->workers[i] = worker_open(weft, i, weft->threads, error);
		if (weft->workers[i] == NULL)
			return -1;
	}
	return 0;
}

static int
open_classes(struct weft *weft, struct weft_error *error)
{
	for (; weft->classes[weft->n_classes] != NULL; weft->n_classes++) {
		const struct device_class *class = weft->classes[weft->n_classes];

		if (class->open != NULL && class->open(weft, error) < 0)
			return -1;
	}
	return 0;
}

static void
set_options(struct weft *weft, const struct weft_options *options)
{
	static const struct weft_options defaults = { .workers = 1 };

	weft->options = options != NULL ? *options : defaults;
	if (weft->options.memory_mb == 0)
		weft->options.memory_mb = MEMORY_MB;
	if (weft->options.clock == NULL)
		weft->options.clock = machine_clock;
	if (weft->options.random == NULL)
		weft->options.random = machine_random;
	if (weft->options.identity == 0)
		weft->options.identity = weft->options.random(weft->options.context);
}

struct weft *
engine_open(const struct weft_options *options, const struct device_class *const *classes,
	const struct nic_driver *const *drivers, struct weft_error *error)
{
	struct weft *weft;
	cpu_set_t affinity;

	if (open_already) {
		error_set(error, EBUSY,
			"weft is open in this process already: there is one at a time");
		return NULL;
	}
	weft = calloc(1, sizeof(*weft));
	if (weft == NULL) {
		error_memory(error);
		return NULL;
	}
	open_already = true;
	set_options(weft, options);
	weft->classes = classes;
	weft->drivers = drivers;
	TAILQ_INIT(&weft->networks);
	TAILQ_INIT(&weft->uplinks);
	TAILQ_INIT(&weft->closing);
	open_locks(weft);
	hash_key_random(&weft->flow_key);
	sched_getaffinity(0, sizeof(affinity), &affinity);
	if (check_cpu(error) < 0 || start_eal(&weft->options, error) < 0)
		goto failed;
	keep_affinity(&affinity);
	if (open_tables(weft, error) < 0 || open_pools(weft, error) < 0 ||
		open_classes(weft, error) < 0 || open_workers(weft, error) < 0)
		goto failed;
	return weft;
failed:
	engine_close(weft);
	return NULL;
}

/* Out of memory at the end: what is left goes with the process. */
static void
remove_everything(struct weft *weft)
{
	struct weft_change *change;
	struct weft_network *network;
	struct weft_error error;
	struct weft_nic *nic;

	weft_change_abort(weft->change);
	change = weft_change_begin(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	weft_network_remove(change, network);
	TAILQ_FOREACH(nic, &weft->uplinks, entry)
	weft_nic_remove(change, nic);
	if (weft_change_commit(change, &error) < 0)
		log_error("not everything could be removed: %s", error.text);
}

void
engine_close(struct weft *weft)
{
	if (weft == NULL)
		return;
	probe_close_all(weft);
	if (weft->n_workers > 0 && weft->workers[weft->n_workers - 1] != NULL)
		remove_everything(weft);
	for (unsigned i = 0; i < weft->n_workers; i++)
		if (weft->workers[i] != NULL)
			worker_close(weft->workers[i]);
	while (weft->n_classes > 0) {
		const struct device_class *class = weft->classes[--weft->n_classes];

		if (class->close != NULL)
			class->close(weft);
	}
	punt_close(weft);
	rte_mempool_free(weft->pools.small);
	rte_mempool_free(weft->pools.large);
	free_table(weft->vports);
	free_table(weft->vport_objects);
	free_table(weft->devices);
	free_table(weft->nics);
	free(weft->rcu);
	name_map_free(&weft->network_names);
	name_map_free(&weft->uplink_names);
	id_pool_free(&weft->vport_ids);
	id_pool_free(&weft->device_ids);
	id_pool_free(&weft->nic_ids);
	id_pool_free(&weft->network_ids);
	pthread_mutex_destroy(&weft->objects_lock);
	pthread_mutex_destroy(&weft->nics_lock);
	free(weft);
	open_already = false;
}

unsigned
weft_run(struct weft *weft)
{
	return worker_turn(weft->workers[0]);
}

void
engine_synchronize(struct weft *weft)
{
	uint64_t token = rte_rcu_qsbr_start(weft->rcu);

	while (!rte_rcu_qsbr_check(weft->rcu, token, false))
		usleep(SYNCHRONIZE_PAUSE_US);
}

void
weft_watch(struct weft *weft, void (*wake)(void *context), void *context)
{
	atomic_store(&weft->wake, NULL);
	engine_synchronize(weft);
	weft->wake_context = context;
	atomic_store(&weft->wake, wake);
}

unsigned
weft_poll(struct weft *weft)
{
	uint64_t now = engine_now(weft);
	unsigned handled;

	/* before the look: what comes later wakes again */
	atomic_store(&weft->woken, false);
	handled = punt_drain(weft);

	for (unsigned i = 0; i < weft->n_classes; i++)
		if (weft->classes[i]->poll != NULL)
			weft->classes[i]->poll(weft, now);
	return handled;
}

void
weft_tick(struct weft *weft)
{
	uint64_t now = engine_now(weft);

	for (unsigned i = 0; i < weft->n_classes; i++)
		if (weft->classes[i]->tick != NULL)
			weft->classes[i]->tick(weft, now);
	nic_check_all(weft);
}
