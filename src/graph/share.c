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
/* Nobody has to make good for more than that. */
#define DEBT_MOST ((int64_t)10 * 1000 * 1000)
/* So many strangers are a flood, if they are a quarter of the packets. */
#define FLOOD_LEAST 4

/* ---- time --------------------------------------------------------------------------------------
 */

static uint64_t
thread_cpu_time(const struct worker *worker)
{
	struct timespec used;

	if (worker->thread == 0 || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
		return 0;
	return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

/* ns of the burst under way, up to now, that the thread had. */
static uint64_t
time_spent(struct worker *worker)
{
	const struct sharing *sharing = &worker->sharing;
	uint64_t spent = engine_now(worker->weft) - sharing->started, used;

	if (likely(spent <= LONG_NS) || sharing->cpu == 0)
		return spent;
	used = sharing->cpu_time(worker) - sharing->cpu;
	return RTE_MIN(spent, used);
}

static void
take_off(int64_t *credit, uint64_t charged)
{
	*credit -= (int64_t)RTE_MIN(charged, (uint64_t)DEBT_MOST);
	*credit = RTE_MAX(*credit, -DEBT_MOST);
}

/* A rise is believed at once, so that few bursts are too long; a fall by and by. */
static void
learn_cost(uint32_t *known, uint64_t cost)
{
	if (cost > UINT32_MAX)
		cost = UINT32_MAX;
	if (cost >= *known)
		*known = (uint32_t)cost;
	else
		*known -= (*known - (uint32_t)cost) / 8;
}

static unsigned
burst_of(int64_t credit, uint32_t cost, unsigned most)
{
	uint64_t burst = (uint64_t)RTE_MAX(credit, 0) / (cost != 0 ? cost : COST_FIRST);

	return burst < 1 ? 1 : burst < most ? (unsigned)burst : most;
}

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
	queue->empty = 0;
	if (share->n_queues++ == 0)
		TAILQ_INIT(&share->queues);
	if (share->flooded_until > worker->now && queue->credit >= CREDIT_LEAST)
		TAILQ_INSERT_HEAD(&share->queues, queue, entry);
	else
		TAILQ_INSERT_TAIL(&share->queues, queue, entry);
	if (share->list == NULL)
		list_share(&worker->sharing, share);
}

void
share_leave(struct worker *worker, struct nic_queue *queue)
{
	struct worker_share *share = queue->share;

	/* it may be gone before all that came of its last burst is sent */
	if (worker->sharing.serving == share) {
		worker->sharing.serving = NULL;
		worker->sharing.queue = NULL;
	}
	if (!queue->receiving)
		return;
	queue->receiving = false;
	TAILQ_REMOVE(&share->queues, queue, entry);
	if (--share->n_queues == 0)
		unlist_share(&worker->sharing, share);
}

struct worker_share *
share_make(unsigned workers, const struct weft_network *network)
{
	struct worker_share *shares =
		aligned_alloc(_Alignof(struct worker_share), workers * sizeof(*shares));

	if (shares == NULL)
		return NULL;
	memset(shares, 0, workers * sizeof(*shares));
	for (unsigned i = 0; i < workers; i++)
		shares[i].network = network;
	return shares;
}

void
share_open(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	sharing->cpu_time = thread_cpu_time;
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

/* At most `wanted`, or as many as the driver insists on. A queue that had fewer leaves the list,
 * others go to its end if `on`. */
static unsigned
receive(struct worker *worker, struct nic_queue *queue, unsigned wanted, bool on)
{
	struct worker_share *share = queue->share;
	struct rte_mbuf *packets[NIC_BURST];
	unsigned count;

	if (unlikely(wanted < queue->burst_least))
		wanted = queue->burst_least;
	count = queue->nic->driver->receive(queue, worker, packets, wanted);
	if (count > 0)
		nic_input(worker, queue, packets, count);
	if (count < wanted && !queue->polled) {
		share_leave(worker, queue);
	} else if (on || count == 0) {
		TAILQ_REMOVE(&share->queues, queue, entry);
		TAILQ_INSERT_TAIL(&share->queues, queue, entry);
	}
	return count;
}

static void
note_received(struct sharing *sharing, const struct worker_share *share, unsigned count)
{
	if (count > 0 && share->network != NULL)
		share_note(sharing, share->network);
}

/* From each of its queues once, at most `burst` in all. */
static unsigned
receive_from(struct worker *worker, struct worker_share *share, unsigned burst)
{
	unsigned received = 0;

	if (share == &worker->sharing.others)
		return worker_take_others(worker);
	for (unsigned left = share->n_queues; left > 0 && received < burst; left--) {
		unsigned wanted = RTE_MIN(burst - received, (unsigned)NIC_BURST), count;

		count = receive(worker, TAILQ_FIRST(&share->queues), wanted, true);
		received += count;
		worker->sharing.busy += count > 0;
	}
	note_received(&worker->sharing, share, received);
	return received;
}

static void
forget_whose(struct sharing *sharing)
{
	sharing->whose = NULL;
	sharing->several = false;
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

	sharing->busy = sharing->strangers = 0;
	sharing->overflowed = false;
	forget_whose(sharing);
	for (unsigned left = sharing->count; left > 0 && received < SHARE_TURN_PACKETS; left--) {
		struct worker_share *share = TAILQ_FIRST(&sharing->now);
		unsigned count =
			receive_from(worker, share, RTE_MIN(most, SHARE_TURN_PACKETS - received));

		received += count;
		if (share->list != NULL)
			move_to(share, &sharing->now);
	}
	sharing->received = received;
	return received;
}

static void
next_round(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;
	struct worker_share *share;

	if (sharing->several && worker->now - sharing->round_started > SHARE_QUANTUM_NS)
		sharing->apart_until = worker->now + SHARE_APART_NS;
	sharing->round++;
	sharing->round_started = worker->now;
	forget_whose(sharing);
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

/* ---- a flooded share -------------------------------------------------------------------------
 */

/* Whose turn it is, of those that were not found empty in this turn: there is one. */
static struct nic_queue *
next_queue(const struct sharing *sharing, struct worker_share *share)
{
	while (true) {
		struct nic_queue *queue = TAILQ_FIRST(&share->queues);
		bool empty = queue->empty == sharing->turn;

		if (!empty && queue->credit >= CREDIT_LEAST)
			return queue;
		if (!empty)
			queue->credit = RTE_MIN(queue->credit + SHARE_QUEUE_NS, SHARE_QUEUE_NS);
		TAILQ_REMOVE(&share->queues, queue, entry);
		TAILQ_INSERT_TAIL(&share->queues, queue, entry);
	}
}

/* A burst from one of its queues. */
static unsigned
receive_flooded(struct worker *worker, struct worker_share *share)
{
	struct sharing *sharing = &worker->sharing;
	unsigned empty = 0;

	/* one that was empty may come again meanwhile */
	for (unsigned left = 2 * share->n_queues; left > 0 && share->n_queues > empty; left--) {
		struct nic_queue *queue = next_queue(sharing, share);
		int64_t credit = RTE_MIN(share->credit, queue->credit);
		unsigned count =
			receive(worker, queue, burst_of(credit, queue->cost, NIC_BURST), false);

		if (count > 0) {
			sharing->queue = queue;
			note_received(sharing, share, count);
			return count;
		}
		queue->empty = sharing->turn;
		empty += queue->receiving;
	}
	return 0;
}

/* ---- apart -------------------------------------------------------------------------------------
 */

static void
charge(struct worker_share *share, uint64_t spent)
{
	take_off(&share->credit, spent);
	__atomic_store_n(&share->used, share->used + spent, __ATOMIC_RELAXED);
}

static unsigned
receive_share(struct worker *worker, struct worker_share *share)
{
	if (unlikely(share->flooded_until > worker->now))
		return receive_flooded(worker, share);
	return receive_from(
		worker, share, burst_of(share->credit, share->cost, SHARE_TURN_PACKETS));
}

static void
begin_burst(struct sharing *sharing, struct worker_share *share, unsigned received)
{
	sharing->serving = share;
	sharing->received = received;
	sharing->strangers = 0;
	sharing->spent = 0;
}

/* A burst from the share whose turn it is and which has packets. */
static unsigned
receive_apart(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	sharing->cpu = sharing->cpu_time(worker);
	sharing->started = engine_now(worker->weft);
	/* what is before nodes still is the last one's; it would be in the way of others. What the
	 * control side has put there is nobody's: nobody waits for that */
	if (unlikely(worker->ready != 0 && sharing->serving != NULL))
		return 0;
	sharing->serving = NULL;
	sharing->queue = NULL;
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
		count = receive_share(worker, share);
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

static void
set_apart(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;

	sharing->apart = true;
	sharing->serving = NULL;
	sharing->queue = NULL;
	sharing->round++;
	sharing->round_started = worker->now;
	forget_whose(sharing);
	sharing->apart_until = worker->now + SHARE_APART_NS;
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

static bool
is_flood(const struct sharing *sharing)
{
	return sharing->strangers >= FLOOD_LEAST && sharing->strangers * 4 >= sharing->received;
}

/* The burst's time, that of strangers so many times. */
static uint64_t
weigh(const struct sharing *sharing, uint64_t spent)
{
	unsigned strangers = RTE_MIN(sharing->strangers, sharing->received);

	if (likely(strangers == 0))
		return spent;
	return spent + spent * (SHARE_STRANGER_WEIGHT - 1) * strangers / sharing->received;
}

static void
charge_burst(struct worker *worker)
{
	struct sharing *sharing = &worker->sharing;
	struct worker_share *share = sharing->serving;
	struct nic_queue *queue = sharing->queue;
	uint64_t spent = time_spent(worker), weighed = weigh(sharing, spent);

	charge(share, spent);
	take_off(&share->credit, weighed - spent);
	if (queue != NULL)
		take_off(&queue->credit, weighed);
	if (unlikely(is_flood(sharing)))
		share->flooded_until = sharing->apart_until = worker->now + SHARE_APART_NS;
	sharing->spent += spent;
	if (worker->ready != 0)
		return;
	sharing->serving = NULL;
	sharing->queue = NULL;
	learn_cost(&share->cost, sharing->spent / sharing->received);
	if (queue != NULL)
		learn_cost(&queue->cost, sharing->spent / sharing->received);
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
	if (likely(!sharing->several && (sharing->strangers < FLOOD_LEAST || sharing->busy < 2)))
		return;
	if (!sharing->several && !is_flood(sharing))
		return;
	if (sharing->overflowed || engine_now(worker->weft) - worker->now > SHARE_QUANTUM_NS)
		set_apart(worker);
}
