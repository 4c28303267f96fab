/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/share.h"

#include "graph/engine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With so little left it is not worth a burst: the rest is for the next round. */
#define CREDIT_LEAST (SHARE_QUANTUM_NS / 8)
/* A packet's cost, ns, as long as nothing is known of a share's: of a write to a tap. */
#define COST_FIRST 4000
/* A burst that took so long may have been interrupted by other threads: that is looked up. */
#define LONG_NS ((uint64_t)2 * SHARE_QUANTUM_NS)

/* ---- lists -------------------------------------------------------------------------------------
 */

static void
move_to(struct worker_share *share, struct share_list *list)
{
	if (share->list != NULL)
		TAILQ_REMOVE(share->list, share, entry);
	TAILQ_INSERT_TAIL(list, share, entry);
	share->list = list;
}

/* One that has not used up its quantum comes next: it did without for a while. */
static void
list_share(struct sharing *sharing, struct worker_share *share)
{
	sharing->count++;
	sharing->unseen += share->turn != sharing->turn;
	if (sharing->apart && share->round == sharing->round && share->credit < CREDIT_LEAST) {
		move_to(share, &sharing->next);
		return;
	}
	TAILQ_INSERT_HEAD(&sharing->now, share, entry);
	share->list = &sharing->now;
}

static void
unlist_share(struct sharing *sharing, struct worker_share *share)
{
	TAILQ_REMOVE(share->list, share, entry);
	share->list = NULL;
	sharing->count--;
}

void
share_enter(struct worker *worker, struct nic_queue *queue)
{
	struct worker_share *share = queue->share;

	if (queue->receiving)
		return;
	queue->receiving = true;
	if (share->n_queues++ == 0)
		TAILQ_INIT(&share->queues);
	TAILQ_INSERT_TAIL(&share->queues, queue, entry);
	if (share->list == NULL)
		list_share(&worker->sharing, share);
}

void
share_leave(struct worker *worker, struct nic_queue *queue)
{
	struct worker_share *share = queue->share;

	/* it may be gone before all that came of its last burst is sent */
	if (worker->sharing.serving == share)
		worker->sharing.serving = NULL;
	if (!queue->receiving)
		return;
	queue->receiving = false;
	TAILQ_REMOVE(&share->queues, queue, entry);
	if (--share->n_queues == 0)
		unlist_share(&worker->sharing, share);
}

struct worker_share *
share_make(unsigned workers)
{
	struct worker_share *shares =
		aligned_alloc(_Alignof(struct worker_share), workers * sizeof(*shares));

	if (shares != NULL)
		memset(shares, 0, workers * sizeof(*shares));
	return shares;
}

void
share_open(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	TAILQ_INIT(&sharing->now);
	TAILQ_INIT(&sharing->next);
	list_share(sharing, &sharing->others);
}

static bool
list_must_poll(const struct share_list *list)
{
	const struct worker_share *share;

	TAILQ_FOREACH(share, list, entry)
	{
		const struct nic_queue *queue;

		if (share->n_queues == 0)
			continue;
		TAILQ_FOREACH(queue, &share->queues, entry)
		if (!queue->wakes)
			return true;
	}
	return false;
}

bool
share_must_poll(const struct worker *worker)
{
	return list_must_poll(&worker->sharing.now) || list_must_poll(&worker->sharing.next);
}

/* ---- receiving ---------------------------------------------------------------------------------
 */

static unsigned
receive(struct worker *worker, struct nic_queue *queue, unsigned count)
{
	struct rte_mbuf *packets[NIC_BURST];

	count = queue->nic->driver->receive(queue, worker, packets, count);
	if (count > 0)
		nic_input(worker, queue, packets, count);
	return count;
}

/* From each of its queues once, at most `burst` in all; one that had fewer than it was asked
 * for leaves the list. */
static unsigned
receive_from(struct worker *worker, struct worker_share *share, unsigned burst)
{
	unsigned received = 0;

	if (share == &worker->sharing.others)
		return worker_take_others(worker);
	for (unsigned left = share->n_queues; left > 0 && received < burst; left--) {
		struct nic_queue *queue = TAILQ_FIRST(&share->queues);
		unsigned wanted = RTE_MIN(burst - received, (unsigned)NIC_BURST), count;

		if (unlikely(wanted < queue->burst_least))
			wanted = queue->burst_least;
		count = receive(worker, queue, wanted);
		received += count;
		if (count == wanted || queue->polled) {
			TAILQ_REMOVE(&share->queues, queue, entry);
			TAILQ_INSERT_TAIL(&share->queues, queue, entry);
		} else {
			share_leave(worker, queue);
		}
	}
	return received;
}

/* A burst from every queue; where the limit ends it, the others come first in the next turn.
 * Of several tenants at least two have their turn, or it would not be seen that there are. */
static unsigned
receive_together(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;
	bool several = sharing->count > 2; /* one is the others' */
	unsigned most = several ? SHARE_TURN_PACKETS / 2 : SHARE_TURN_PACKETS;
	unsigned received = 0;

	sharing->busy = 0;
	for (unsigned left = sharing->count; left > 0 && received < SHARE_TURN_PACKETS; left--) {
		struct worker_share *share = TAILQ_FIRST(&sharing->now);
		unsigned count =
			receive_from(worker, share, RTE_MIN(most, SHARE_TURN_PACKETS - received));

		received += count;
		sharing->busy += count > 0;
		if (share->list != NULL)
			move_to(share, &sharing->now);
	}
	return received;
}

static void
next_round(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;
	struct worker_share *share;

	if (sharing->served > 1 && worker->now - sharing->round_started > SHARE_QUANTUM_NS)
		sharing->apart_until = worker->now + SHARE_APART_NS;
	sharing->round++;
	sharing->round_started = worker->now;
	sharing->served = 0;
	while ((share = TAILQ_FIRST(&sharing->next)) != NULL)
		move_to(share, &sharing->now);
}

/* Whose turn it is. There always is one: rounds go by until somebody has paid its debts. */
static struct worker_share *
next_share(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	while (true) {
		struct worker_share *share = TAILQ_FIRST(&sharing->now);

		if (share == NULL) {
			next_round(worker);
			continue;
		}
		if (share->round != sharing->round) {
			share->round = sharing->round;
			share->credit = SHARE_QUANTUM_NS + RTE_MIN(share->credit, CREDIT_LEAST);
		}
		if (share->credit >= CREDIT_LEAST)
			return share;
		move_to(share, &sharing->next);
	}
}

static unsigned
burst_of(const struct worker_share *share)
{
	uint64_t cost = share->cost != 0 ? share->cost : COST_FIRST;
	uint64_t burst = (uint64_t)share->credit / cost;

	return burst < 1 ? 1 : burst < SHARE_TURN_PACKETS ? (unsigned)burst : SHARE_TURN_PACKETS;
}

static void
charge(struct worker_share *share, uint64_t spent)
{
	share->credit -= (int64_t)spent;
	__atomic_store_n(&share->used, share->used + spent, __ATOMIC_RELAXED);
}

static void
begin_burst(struct sharing *sharing, struct worker_share *share, unsigned received)
{
	sharing->serving = share;
	sharing->received = received;
	sharing->spent = 0;
	if (share->served == sharing->round)
		return;
	share->served = sharing->round;
	sharing->served++;
}

/* A burst from the share whose turn it is and which has packets. */
static unsigned
receive_apart(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	sharing->started = engine_now(worker->weft);
	/* what is before nodes still is the last one's; it would be in the way of others */
	if (unlikely(worker->ready != 0))
		return 0;
	sharing->serving = NULL;
	sharing->turn++;
	sharing->unseen = sharing->count; /* a driver that receives may bring in others */
	while (sharing->unseen > 0) {
		struct worker_share *share = next_share(worker);
		uint64_t now;
		unsigned count;

		if (share->turn == sharing->turn) {
			move_to(share, &sharing->next);
			continue;
		}
		share->turn = sharing->turn;
		sharing->unseen--;
		count = receive_from(worker, share, burst_of(share));
		if (count > 0) {
			begin_burst(sharing, share, count);
			return count;
		}
		/* looking costs, too: what it had may have been unfit to be packets */
		now = engine_now(worker->weft);
		charge(share, now - sharing->started);
		sharing->started = now;
		if (share->list != NULL)
			move_to(share, &sharing->next);
	}
	return 0;
}

/* ---- together and apart ------------------------------------------------------------------------
 */

/* How long the thread has neither had a CPU nor slept in its waiter since it started. */
static uint64_t
time_without_cpu(const struct worker *worker)
{
	uint64_t awake = engine_now(worker->weft) - worker->started - worker->slept_ns, cpu;
	struct timespec used;

	if (worker->thread == 0 || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
		return 0;
	cpu = (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
	return awake > cpu ? awake - cpu : 0;
}

/* Of `spent`, what other threads had. */
static uint64_t
stolen(struct worker *worker, uint64_t spent)
{
	uint64_t before = worker->sharing.stolen, now = time_without_cpu(worker);

	worker->sharing.stolen = now;
	return now > before ? RTE_MIN(now - before, spent) : 0;
}

static void
set_apart(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	sharing->apart = true;
	sharing->serving = NULL;
	sharing->round++;
	sharing->round_started = worker->now;
	sharing->served = 0;
	sharing->apart_until = worker->now + SHARE_APART_NS;
	sharing->stolen = time_without_cpu(worker);
}

static void
set_together(struct sharing *sharing)
{
	struct worker_share *share;

	sharing->apart = false;
	while ((share = TAILQ_FIRST(&sharing->next)) != NULL)
		move_to(share, &sharing->now);
}

unsigned
share_receive(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	if (likely(!sharing->apart))
		return receive_together(worker);
	if (worker->now < sharing->apart_until)
		return receive_apart(worker);
	set_together(sharing);
	return receive_together(worker);
}

/* A rise is believed at once, so that few bursts are too long; a fall by and by. */
static void
learn_cost(struct worker_share *share, uint64_t cost)
{
	if (cost > UINT32_MAX)
		cost = UINT32_MAX;
	if (cost >= share->cost)
		share->cost = (uint32_t)cost;
	else
		share->cost -= (share->cost - (uint32_t)cost) / 8;
}

static void
charge_burst(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;
	struct worker_share *share = sharing->serving;
	uint64_t spent = engine_now(worker->weft) - sharing->started;

	if (unlikely(spent > LONG_NS))
		spent -= stolen(worker, spent);
	charge(share, spent);
	sharing->spent += spent;
	if (worker->ready == 0 && sharing->received > 0)
		learn_cost(share, sharing->spent / sharing->received);
}

void
share_charge(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	if (sharing->apart) {
		if (sharing->serving != NULL)
			charge_burst(worker);
		return;
	}
	if (likely(sharing->busy < 2))
		return;
	if (sharing->overflowed || engine_now(worker->weft) - worker->now > SHARE_QUANTUM_NS)
		set_apart(worker);
	sharing->overflowed = false;
}
