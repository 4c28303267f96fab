/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/worker.h"

#include "base/error.h"
#include "base/thread.h"
#include "graph/engine.h"
#include "graph/punt.h"
#include "graph/waiter.h"

#include <errno.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Node visits before the vnics are polled again: a loop among devices cannot starve them. */
#define VISITS_PER_TURN 64
/* How long a worker looks on for more before it sleeps: a wake-up costs some 10 to 30 us. */
#define LINGER_NS 20000
/* Between looks at queues that nothing announces (worker_nap), at first and at most. */
#define NAP_FIRST_NS 20000
#define NAP_LONGEST_NS 1000000
#define SLEEP_LONGEST_NS 1000000000
#define HANDOFF_SIZE 1024
#define PUNT_SIZE 1024
#define HANDOFF_BURST 64

struct call {
	void (*function)(struct worker *, void *);
	void *argument;
	bool done;
	struct call *next;
};

struct worker_control {
	pthread_t thread;
	bool started;
	_Atomic bool sleeping;
	_Atomic bool asked; /* calls is not empty */
	_Atomic bool stop;
	_Atomic int ready; /* 0: starting, 1: runs, -1: could not */
	int failure;       /* errno of why it could not */
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct call *calls;
};

/* ---- one turn ---------------------------------------------------------------------------------
 */

void
worker_hand_over(struct worker *worker, unsigned to, unsigned node, struct rte_mbuf *packet)
{
	struct worker *other = worker->weft->workers[to];

	packet_meta(packet)->reserved = (uint8_t)(node + 1);
	if (rte_ring_sp_enqueue(other->handoff[worker->index], packet) == 0)
		worker_wake(other);
	else
		packet_drop(worker, vport_get(worker, packet_meta(packet)->vport),
			DROP_HANDOFF_FULL, packet);
}

static void
take_handoff(struct worker *worker, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned node = meta->reserved;
	const struct vport *vport;

	if (node == 0) {
		nic_take_handoff(worker, packet);
		return;
	}
	meta->reserved = 0;
	vport = vport_get(worker, meta->vport);
	if (likely(vport != NULL))
		share_note(&worker->sharing, vport->object->device->network);
	worker_enqueue(worker, node - 1, packet);
}

/* Packets that other workers hand over: for vnics whose queue is this worker's, or for its nodes.
 */
static unsigned
take_handoffs(struct worker *worker)
{
	struct rte_mbuf *packets[HANDOFF_BURST];
	unsigned moved = 0;

	for (unsigned from = 0; from < worker->weft->n_workers; from++) {
		unsigned count;

		if (worker->handoff[from] == NULL)
			continue;
		count = rte_ring_sc_dequeue_burst(
			worker->handoff[from], (void **)packets, HANDOFF_BURST, NULL);
		for (unsigned i = 0; i < count; i++)
			take_handoff(worker, packets[i]);
		moved += count;
	}
	return moved;
}

unsigned
worker_take_others(struct worker *worker)
{
	return take_handoffs(worker) + punt_take_injected(worker);
}

static void
flush_all(struct worker *worker)
{
	while (worker->dirty != NULL) {
		struct nic_transmit *transmit = worker->dirty;

		worker->dirty = transmit->next;
		transmit->dirty = false;
		nic_flush(worker, transmit);
	}
}

/* What it has put before vnics goes before the quiescent state: they may be gone after it. */
static void
run_call(struct worker *worker, void (*function)(struct worker *, void *), void *argument)
{
	function(worker, argument);
	flush_all(worker);
}

static void
run_calls(struct worker *worker)
{
	struct worker_control *control = worker->control;
	struct call *calls;

	if (!atomic_load_explicit(&control->asked, memory_order_relaxed))
		return;
	pthread_mutex_lock(&control->lock);
	calls = control->calls;
	control->calls = NULL;
	atomic_store(&control->asked, false);
	pthread_mutex_unlock(&control->lock);
	while (calls != NULL) {
		struct call *call = calls;

		calls = call->next; /* the caller's memory: gone once it is done */
		run_call(worker, call->function, call->argument);
		pthread_mutex_lock(&control->lock);
		call->done = true;
		pthread_cond_broadcast(&control->done);
		pthread_mutex_unlock(&control->lock);
	}
}

unsigned
worker_turn(struct worker *worker)
{
	unsigned events, moved;

	worker->now = engine_now(worker->weft);
	events = waiter_reap(worker->waiter);
	moved = share_receive(worker);
	if (worker->ready != 0)
		moved += worker_run_nodes(worker, VISITS_PER_TURN);
	flush_all(worker);
	waiter_submit(worker->waiter);
	share_charge(worker);
	run_calls(worker);
	worker->turns++;
	worker->packets += moved;
	return events + moved;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

/* Sleeps until woken, or for a nap if a queue must be polled. Offline for RCU meanwhile. */
static void
fall_asleep(struct worker *worker, uint64_t nap)
{
	struct worker_control *control = worker->control;
	uint64_t before;

	atomic_store(&control->sleeping, true);
	/* what was brought before others could see `sleeping` is seen in this turn */
	if (worker_turn(worker) == 0 && !atomic_load(&control->asked) &&
		!atomic_load(&control->stop)) {
		before = engine_now(worker->weft);
		__atomic_store_n(&worker->asleep_since, before, __ATOMIC_RELEASE);
		rte_rcu_qsbr_thread_offline(worker->weft->rcu, worker->rcu_thread);
		waiter_sleep(worker->waiter, share_must_poll(worker) ? nap : SLEEP_LONGEST_NS);
		rte_rcu_qsbr_thread_online(worker->weft->rcu, worker->rcu_thread);
		worker->sleeps++;
		/* in this order for worker_slept() */
		__atomic_store_n(&worker->asleep_since, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&worker->slept_ns,
			worker->slept_ns + engine_now(worker->weft) - before, __ATOMIC_RELEASE);
	}
	atomic_store(&control->sleeping, false);
}

uint64_t
worker_slept(const struct worker *worker)
{
	uint64_t slept = __atomic_load_n(&worker->slept_ns, __ATOMIC_ACQUIRE);
	uint64_t since = __atomic_load_n(&worker->asleep_since, __ATOMIC_ACQUIRE);
	uint64_t now = engine_now(worker->weft);

	/* a sleep that has ended between the two looks is missed, none is counted twice */
	return since != 0 && since < now ? slept + (now - since) : slept;
}

static void
loop(struct worker *worker)
{
	const bool busy = worker->weft->options.poll == WEFT_POLL_BUSY;
	uint64_t active = engine_now(worker->weft), nap = NAP_FIRST_NS;

	while (!atomic_load_explicit(&worker->control->stop, memory_order_relaxed)) {
		unsigned moved = worker_turn(worker);

		rte_rcu_qsbr_quiescent(worker->weft->rcu, worker->rcu_thread);
		if (moved > 0 || busy) {
			active = worker->now;
			nap = NAP_FIRST_NS;
			continue;
		}
		if (worker->now - active < LINGER_NS) {
			rte_pause();
			continue;
		}
		fall_asleep(worker, nap);
		nap = nap * 2 < NAP_LONGEST_NS ? nap * 2 : NAP_LONGEST_NS;
	}
}

/* 0, or an errno value. */
static int
enter(struct worker *worker)
{
	struct weft *weft = worker->weft;
	int code;

	if (worker->control->started && rte_thread_register() < 0)
		return rte_errno;
	worker->waiter = waiter_open(worker, worker->control->started);
	if (worker->waiter == NULL) {
		code = errno;
		if (worker->control->started)
			rte_thread_unregister();
		return code;
	}
	if (!worker->control->started)
		return 0;
	worker->rcu_thread = worker->index;
	worker->thread = gettid();
	rte_rcu_qsbr_thread_register(weft->rcu, worker->rcu_thread);
	rte_rcu_qsbr_thread_online(weft->rcu, worker->rcu_thread);
	return 0;
}

/* The waiter stays open until the thread is joined: others may still kick it. */
static void
leave(struct worker *worker)
{
	rte_rcu_qsbr_thread_offline(worker->weft->rcu, worker->rcu_thread);
	rte_rcu_qsbr_thread_unregister(worker->weft->rcu, worker->rcu_thread);
	rte_thread_unregister();
}

static void *
thread_main(void *argument)
{
	struct worker *worker = argument;
	struct worker_control *control = worker->control;

	control->failure = enter(worker);
	atomic_store(&control->ready, control->failure == 0 ? 1 : -1);
	if (control->failure != 0)
		return NULL;
	loop(worker);
	leave(worker);
	return NULL;
}

/* ---- for other threads
 * --------------------------------------------------------------------------- */

void
worker_wake(struct worker *worker)
{
	/* orders what the caller has brought before the look; pairs with fall_asleep */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&worker->control->sleeping, memory_order_relaxed))
		waiter_kick(worker->waiter);
}

void
worker_call(struct worker *worker, void (*function)(struct worker *, void *), void *argument)
{
	struct worker_control *control = worker->control;
	struct call call = { .function = function, .argument = argument };
	struct call **at;

	if (!control->started) {
		worker->now = engine_now(worker->weft);
		run_call(worker, function, argument);
		return;
	}
	pthread_mutex_lock(&control->lock);
	for (at = &control->calls; *at != NULL; at = &(*at)->next)
		;
	*at = &call;
	atomic_store(&control->asked, true);
	worker_wake(worker);
	while (!call.done)
		pthread_cond_wait(&control->done, &control->lock);
	pthread_mutex_unlock(&control->lock);
}

static int
open_queues(struct worker *worker)
{
	struct weft *weft = worker->weft;

	for (unsigned node = 0; weft->classes[node] != NULL; node++) {
		struct node_queue *queue = calloc(1, sizeof(*queue));

		if (queue == NULL)
			return -1;
		queue->process = weft->classes[node]->process;
		worker->queues[node] = queue;
	}
	return 0;
}

static struct rte_ring *
make_ring(const char *what, unsigned a, unsigned b, unsigned size, unsigned flags)
{
	static _Atomic unsigned serial;
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u-%u-%u", what, a, b, atomic_fetch_add(&serial, 1));
	return rte_ring_create(name, size, SOCKET_ID_ANY, flags);
}

static int
open_rings(struct worker *worker)
{
	unsigned index = worker->index;

	worker->punt = make_ring("punt", index, 0, PUNT_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ);
	worker->injected = make_ring("inject", index, 0, PUNT_SIZE, RING_F_SC_DEQ);
	if (worker->punt == NULL || worker->injected == NULL)
		return -1;
	for (unsigned from = 0; from < worker->weft->n_workers; from++) {
		if (from == index)
			continue;
		worker->handoff[from] = make_ring(
			"handoff", index, from, HANDOFF_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (worker->handoff[from] == NULL)
			return -1;
	}
	return 0;
}

static void
free_ring(struct rte_ring *ring)
{
	void *packet;

	if (ring == NULL)
		return;
	while (rte_ring_dequeue(ring, &packet) == 0)
		rte_pktmbuf_free(packet);
	rte_ring_free(ring);
}

static void
free_worker(struct worker *worker)
{
	free_ring(worker->punt);
	free_ring(worker->injected);
	for (unsigned from = 0; from < WORKER_LIMIT; from++)
		free_ring(worker->handoff[from]);
	for (unsigned node = 0; node < NODE_LIMIT; node++) {
		struct node_queue *queue = worker->queues[node];

		for (uint32_t i = queue != NULL ? queue->head : 0; queue != NULL && i < queue->tail;
			i++)
			rte_pktmbuf_free(queue->packets[i]);
		free(queue);
	}
	counters_close(&worker->counters_memory);
	if (worker->control != NULL) {
		pthread_mutex_destroy(&worker->control->lock);
		pthread_cond_destroy(&worker->control->done);
	}
	free(worker->control);
	free(worker);
}

static int
start_thread(struct worker *worker, struct weft_error *error)
{
	struct worker_control *control = worker->control;
	char name[16];
	int code;

	snprintf(name, sizeof(name), "weft-worker-%u", worker->index);
	control->started = true;
	code = thread_start(&control->thread, name, thread_main, worker);
	if (code != 0)
		return error_errno(error, code, "cannot start worker %u", worker->index);
	while (atomic_load(&control->ready) == 0)
		rte_delay_us_sleep(100);
	if (atomic_load(&control->ready) < 0) {
		pthread_join(control->thread, NULL);
		return error_errno(error, control->failure, "worker %u cannot run", worker->index);
	}
	return 0;
}

struct worker *
worker_open(struct weft *weft, unsigned index, bool start, struct weft_error *error)
{
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) & ~(size_t)63);
	int code;

	if (worker == NULL) {
		error_memory(error);
		return NULL;
	}
	memset(worker, 0, sizeof(*worker));
	worker->index = index;
	worker->weft = weft;
	worker->vports = weft->vports;
	worker->pools = weft->pools;
	worker->flow_key = weft->flow_key;
	worker->started = engine_now(weft);
	share_open(worker);
	worker->random_state[0] = weft->options.random(weft->options.context) | 1;
	worker->random_state[1] = weft->options.random(weft->options.context);
	worker->control = calloc(1, sizeof(*worker->control));
	if (worker->control != NULL) {
		pthread_mutex_init(&worker->control->lock, NULL);
		pthread_cond_init(&worker->control->done, NULL);
	}
	if (worker->control == NULL || counters_open(&worker->counters_memory) < 0 ||
		open_queues(worker) < 0 || open_rings(worker) < 0) {
		error_memory(error);
		goto failed;
	}
	worker->counters = worker->counters_memory.vports;
	worker->drops = worker->counters_memory.drops;
	if (start && start_thread(worker, error) < 0)
		goto failed;
	if (start)
		return worker;
	code = enter(worker);
	if (code == 0)
		return worker;
	error_errno(error, code, "the waiter cannot be opened");
failed:
	free_worker(worker);
	return NULL;
}

void
worker_close(struct worker *worker)
{
	if (worker->control->started) {
		atomic_store(&worker->control->stop, true);
		waiter_kick(worker->waiter);
		pthread_join(worker->control->thread, NULL);
	}
	waiter_close(worker->waiter);
	free_worker(worker);
}
