/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_limit.h"

#include "base/place_index.h"
#include "base/reserve.h"
#include "graph/id.h"

#include <rte_pause.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define NS 1000000000ull
#define PART_BITS 6
#define PARTS (1u << PART_BITS)
#define PART_SOURCES (1u << 18)
#define SPINS 256        /* for a lock, before others may run: who has it may have been preempted */
#define IDLE_LOOKED_AT 2 /* beside each that begins */
#define VICTIMS_LOOKED_AT 8
#define EXPIRE_SLICE 64 /* of a part, under its lock */
#define FORGET_SLICE 1024

/* What a rule has; by the index of its id. */
struct rule_tally {
	_Atomic uint64_t count; /* connections, below whose they are: the id is in the upper half */
	_Atomic uint64_t next;  /* of the rate: as in base/rate.h */
} __attribute__((aligned(64)));

struct limit_source {
	uint8_t ip[16];
	uint32_t rule;  /* id */
	uint32_t count; /* connections */
	uint64_t next;  /* of the rate; 0: it remembers nothing */
	struct weft_network *network;
	uint32_t older, newer; /* in the list of idle ones: place + 1, 0: none */
	uint8_t family;
	bool idle; /* it is in that list */
};

/* The sources whose hashes are its own. */
struct part {
	_Atomic uint32_t lock;
	struct limit_source *sources;
	struct place_pool pool;
	struct place_index index;
	uint32_t oldest, newest; /* idle ones, by when they became so: place + 1, 0: none */
	_Atomic uint32_t n_idle;
	const struct hash_key *key;
} __attribute__((aligned(64)));

struct rule_limits {
	struct hash_key key;
	struct rule_tally *tallies;
	struct part parts[PARTS];
};

#define TALLIES_BYTES (ID_INDEX_COUNT * sizeof(struct rule_tally))
#define SOURCES_BYTES (PART_SOURCES * sizeof(struct limit_source))

/* ---- memory -----------------------------------------------------------------------------------
 */

static uint64_t
source_hash(const struct hash_key *key, const struct limit_source *source)
{
	uint64_t high, low;

	memcpy(&high, source->ip, sizeof(high));
	memcpy(&low, source->ip + sizeof(high), sizeof(low));
	return hash_words(
		key, hash_words(key, high, low), (uint64_t)source->rule << 8 | source->family);
}

static uint64_t
hash_of(void *context, uint32_t place)
{
	const struct part *part = context;

	return source_hash(part->key, &part->sources[place]);
}

static int
part_open(struct part *part, const struct hash_key *key)
{
	part->key = key;
	part->sources = reserve_open(SOURCES_BYTES);
	if (part->sources == NULL || place_pool_open(&part->pool, PART_SOURCES) < 0)
		return -1;
	return place_index_open(&part->index, PART_SOURCES, hash_of, part);
}

void
rule_limits_close(struct rule_limits *limits)
{
	if (limits == NULL)
		return;
	for (unsigned i = 0; i < PARTS; i++) {
		place_index_close(&limits->parts[i].index);
		place_pool_close(&limits->parts[i].pool);
		reserve_close(limits->parts[i].sources, SOURCES_BYTES);
	}
	reserve_close(limits->tallies, TALLIES_BYTES);
	free(limits);
}

struct rule_limits *
rule_limits_open(const struct hash_key *key)
{
	struct rule_limits *limits = aligned_alloc(64, sizeof(*limits));
	int result = 0;

	if (limits == NULL)
		return NULL;
	memset(limits, 0, sizeof(*limits));
	limits->key = *key;
	limits->tallies = reserve_open(TALLIES_BYTES);
	for (unsigned i = 0; i < PARTS && result == 0; i++)
		result = part_open(&limits->parts[i], &limits->key);
	if (limits->tallies != NULL && result == 0)
		return limits;
	rule_limits_close(limits);
	return NULL;
}

/* ---- locks ------------------------------------------------------------------------------------
 */

static bool
try_lock(struct part *part)
{
	return atomic_exchange_explicit(&part->lock, 1, memory_order_acquire) == 0;
}

static void
lock(struct part *part)
{
	unsigned spins = 0;

	while (!try_lock(part)) {
		if (++spins % SPINS == 0)
			sched_yield();
		rte_pause();
	}
}

static void
unlock(struct part *part)
{
	atomic_store_explicit(&part->lock, 0, memory_order_release);
}

/* ---- rates ------------------------------------------------------------------------------------
 */

/* When the next one would be due if one came now; 0: that is too early. */
static uint64_t
rate_next(const struct weft_rule_rate *rate, uint64_t next, uint64_t now)
{
	uint64_t interval = rate->seconds * NS / rate->count;
	uint64_t ahead = interval * (rate->burst != 0 ? rate->burst : rate->count);

	if (next < now)
		next = now;
	/* it may be of a slower rate, which was the rule's before */
	if (next - now > ahead)
		next = now + ahead;
	next += interval;
	return next - now <= ahead ? next : 0;
}

/* ---- the rule's own ---------------------------------------------------------------------------
 */

static struct rule_tally *
tally_of(const struct rule_limits *limits, uint32_t id)
{
	return &limits->tallies[id_index(id)];
}

/* Whether it is the rule's, and not that of one that is gone. */
static bool
tally_is_of(const struct rule_tally *tally, uint32_t id)
{
	return atomic_load_explicit(&tally->count, memory_order_relaxed) >> 32 == id;
}

static bool
tally_rate_allows(struct rule_tally *tally, const struct weft_rule_rate *rate, uint64_t now)
{
	uint64_t next = atomic_load_explicit(&tally->next, memory_order_relaxed), after;

	do {
		after = rate_next(rate, next, now);
		if (after == 0)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&tally->next, &next, after, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* False: it has `most` already. */
static bool
tally_count_up(struct rule_tally *tally, uint32_t id, uint32_t most)
{
	uint64_t count = atomic_load_explicit(&tally->count, memory_order_relaxed), own;

	do {
		own = (uint64_t)id << 32;
		if (count >> 32 == id)
			own = count;
		if (most != 0 && (uint32_t)own >= most)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&tally->count, &count, own + 1, memory_order_relaxed, memory_order_relaxed));
	if (count >> 32 != id) /* what the rate remembers is of another */
		atomic_store_explicit(&tally->next, 0, memory_order_relaxed);
	return true;
}

static void
tally_count_down(struct rule_tally *tally, uint32_t id)
{
	uint64_t count = atomic_load_explicit(&tally->count, memory_order_relaxed);

	do {
		if (count >> 32 != id)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
		&tally->count, &count, count - 1, memory_order_relaxed, memory_order_relaxed));
}

static enum rule_limit_result
tally_admit(struct rule_limits *limits, const struct rule *rule, uint64_t now)
{
	const struct weft_rule_limit *limit = rule->match.limit;
	struct rule_tally *tally = tally_of(limits, rule->id);

	if (!tally_count_up(tally, rule->id, limit->connections))
		return LIMIT_CONNECTIONS;
	if (limit->rate.count == 0 || tally_rate_allows(tally, &limit->rate, now))
		return LIMIT_KEPT;
	tally_count_down(tally, rule->id);
	return LIMIT_RATE;
}

uint32_t
rule_limit_connections(const struct rule_limits *limits, uint32_t id)
{
	uint64_t count = atomic_load_explicit(&tally_of(limits, id)->count, memory_order_relaxed);

	return count >> 32 == id ? (uint32_t)count : 0;
}

static enum rule_limit_result
tally_check(const struct rule_limits *limits, const struct rule *rule, uint64_t now)
{
	const struct weft_rule_limit *limit = rule->match.limit;
	const struct rule_tally *tally = tally_of(limits, rule->id);
	uint64_t next = atomic_load_explicit(&tally->next, memory_order_relaxed);

	if (!tally_is_of(tally, rule->id))
		return LIMIT_KEPT;
	if (limit->connections != 0 &&
		rule_limit_connections(limits, rule->id) >= limit->connections)
		return LIMIT_CONNECTIONS;
	return limit->rate.count == 0 || rate_next(&limit->rate, next, now) != 0 ? LIMIT_KEPT
										 : LIMIT_RATE;
}

/* ---- sources, under the lock of their part ----------------------------------------------------
 */

static uint32_t
source_find(const struct part *part, const struct limit_source *wanted, uint64_t hash)
{
	struct place_probe probe = place_index_probe(&part->index, hash);
	uint32_t place;

	while (place_probe_next(&probe, &place)) {
		const struct limit_source *there = &part->sources[place];

		if (there->rule == wanted->rule && there->family == wanted->family &&
			memcmp(there->ip, wanted->ip, sizeof(there->ip)) == 0)
			return place;
	}
	return PLACE_NONE;
}

static void
idle_append(struct part *part, uint32_t place)
{
	struct limit_source *source = &part->sources[place];

	source->idle = true;
	atomic_fetch_add_explicit(&part->n_idle, 1, memory_order_relaxed);
	source->newer = 0;
	source->older = part->newest;
	if (part->newest != 0)
		part->sources[part->newest - 1].newer = place + 1;
	else
		part->oldest = place + 1;
	part->newest = place + 1;
}

static void
idle_remove(struct part *part, uint32_t place)
{
	struct limit_source *source = &part->sources[place];

	if (!source->idle)
		return;
	source->idle = false;
	atomic_fetch_sub_explicit(&part->n_idle, 1, memory_order_relaxed);
	if (source->older != 0)
		part->sources[source->older - 1].newer = source->newer;
	else
		part->oldest = source->newer;
	if (source->newer != 0)
		part->sources[source->newer - 1].older = source->older;
	else
		part->newest = source->older;
}

static void
source_drop(struct part *part, uint32_t place)
{
	struct limit_source *source = &part->sources[place];

	idle_remove(part, place);
	place_index_remove(&part->index, hash_of(part, place), place);
	atomic_fetch_sub_explicit(&source->network->limited_sources, 1, memory_order_relaxed);
	place_pool_give(&part->pool, place);
}

/* The oldest idle ones: those that are forgotten go, others wait behind the rest again. True: there
 * are more. */
static bool
expire_idle(struct part *part, uint64_t now, unsigned most)
{
	while (most-- > 0 && part->oldest != 0) {
		uint32_t place = part->oldest - 1;

		if (part->sources[place].next <= now) {
			source_drop(part, place);
		} else {
			idle_remove(part, place);
			idle_append(part, place);
		}
	}
	return part->oldest != 0;
}

/* One of the network that has no connections gives its place. */
static bool
displace_of(struct part *part, const struct weft_network *network)
{
	uint32_t place = part->oldest;

	for (unsigned i = 0; i < VICTIMS_LOOKED_AT && place != 0; i++) {
		const struct limit_source *source = &part->sources[place - 1];

		if (source->network == network) {
			source_drop(part, place - 1);
			return true;
		}
		place = source->newer;
	}
	return false;
}

/* Of this part, or if need be of another. */
static bool
displace(struct rule_limits *limits, struct part *part, const struct weft_network *network)
{
	unsigned own = (unsigned)(part - limits->parts);
	bool done = displace_of(part, network);

	for (unsigned i = 1; i < PARTS && !done; i++) {
		struct part *other = &limits->parts[(own + i) % PARTS];

		/* nobody waits who has a lock */
		if (atomic_load_explicit(&other->n_idle, memory_order_relaxed) == 0 ||
			!try_lock(other))
			continue;
		done = displace_of(other, network);
		unlock(other);
	}
	return done;
}

static bool
count_source(struct weft_network *network)
{
	uint32_t most = __atomic_load_n(&network->config.connection_limit, __ATOMIC_RELAXED);

	if (atomic_fetch_add_explicit(&network->limited_sources, 1, memory_order_relaxed) < most)
		return true;
	atomic_fetch_sub_explicit(&network->limited_sources, 1, memory_order_relaxed);
	return false;
}

/* PLACE_NONE: there may be no more. */
static uint32_t
source_make(struct rule_limits *limits, struct part *part, const struct limit_source *wanted,
	uint64_t hash)
{
	struct weft_network *network = wanted->network;
	uint32_t place;

	if (!count_source(network) && !(displace(limits, part, network) && count_source(network)))
		return PLACE_NONE;
	place = place_pool_take(&part->pool);
	if (place == PLACE_NONE) {
		atomic_fetch_sub_explicit(&network->limited_sources, 1, memory_order_relaxed);
		return PLACE_NONE;
	}
	part->sources[place] = *wanted;
	place_index_add(&part->index, hash, place);
	return place;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

static bool
is_by_source(const struct weft_rule_limit *limit)
{
	return limit->per_source != 0 || limit->source_rate.count != 0;
}

static struct limit_source
source_of(const struct rule *rule, const struct flow *flow, struct weft_network *network)
{
	struct limit_source source = {
		.rule = rule->id, .family = flow->family, .network = network
	};

	memcpy(source.ip, flow->from_ip, sizeof(source.ip));
	return source;
}

/* `source`: as it is, or would be. *next: what its rate remembers then. */
static enum rule_limit_result
source_allows(const struct limit_source *source, const struct weft_rule_limit *limit, uint64_t now,
	uint64_t *next)
{
	*next = source->next;
	if (limit->per_source != 0 && source->count >= limit->per_source)
		return LIMIT_PER_SOURCE;
	if (limit->source_rate.count == 0)
		return LIMIT_KEPT;
	*next = rate_next(&limit->source_rate, source->next, now);
	return *next != 0 ? LIMIT_KEPT : LIMIT_SOURCE_RATE;
}

static enum rule_limit_result
admit_by_source(struct rule_limits *limits, struct part *part, const struct rule *rule,
	const struct limit_source *wanted, uint64_t hash, uint64_t now, uint32_t *place)
{
	const struct limit_source *source = wanted;
	enum rule_limit_result result;
	uint64_t next;

	expire_idle(part, now, IDLE_LOOKED_AT);
	*place = source_find(part, wanted, hash);
	if (*place != PLACE_NONE)
		source = &part->sources[*place];
	result = source_allows(source, rule->match.limit, now, &next);
	if (result == LIMIT_KEPT)
		result = tally_admit(limits, rule, now);
	if (result != LIMIT_KEPT)
		return result;
	if (*place == PLACE_NONE)
		*place = source_make(limits, part, wanted, hash);
	if (*place == PLACE_NONE) {
		tally_count_down(tally_of(limits, rule->id), rule->id);
		return LIMIT_SOURCES;
	}
	idle_remove(part, *place);
	part->sources[*place].count++;
	part->sources[*place].next = next;
	return LIMIT_KEPT;
}

/* By bits of which the part's table makes nothing. */
static unsigned
part_of(uint64_t hash)
{
	return (unsigned)(hash >> 32) & (PARTS - 1);
}

enum rule_limit_result
rule_limit_admit(struct rule_limits *limits, const struct rule *rule, const struct flow *flow,
	struct weft_network *network, uint64_t now, struct rule_charge *charge)
{
	struct limit_source wanted;
	enum rule_limit_result result;
	uint32_t place;
	uint64_t hash;
	unsigned at;

	*charge = (struct rule_charge){ rule->id, false };
	if (!is_by_source(rule->match.limit))
		return tally_admit(limits, rule, now);
	wanted = source_of(rule, flow, network);
	hash = source_hash(&limits->key, &wanted);
	at = part_of(hash);
	lock(&limits->parts[at]);
	result = admit_by_source(limits, &limits->parts[at], rule, &wanted, hash, now, &place);
	unlock(&limits->parts[at]);
	*charge = (struct rule_charge){ (place + 1) << PART_BITS | at, true };
	return result;
}

enum rule_limit_result
rule_limit_check(struct rule_limits *limits, const struct rule *rule, const struct flow *flow,
	struct weft_network *network, uint64_t now)
{
	struct limit_source wanted = source_of(rule, flow, network);
	uint64_t hash = source_hash(&limits->key, &wanted), next;
	struct part *part = &limits->parts[part_of(hash)];
	enum rule_limit_result result = LIMIT_KEPT;
	uint32_t place;

	if (is_by_source(rule->match.limit)) {
		lock(part);
		place = source_find(part, &wanted, hash);
		result = source_allows(place != PLACE_NONE ? &part->sources[place] : &wanted,
			rule->match.limit, now, &next);
		unlock(part);
	}
	return result == LIMIT_KEPT ? tally_check(limits, rule, now) : result;
}

static uint32_t
release_source(struct part *part, uint32_t place)
{
	struct limit_source *source = &part->sources[place];
	uint32_t rule = source->rule;

	if (--source->count > 0)
		return rule;
	if (source->next == 0)
		source_drop(part, place);
	else
		idle_append(part, place);
	return rule;
}

void
rule_limit_release(struct rule_limits *limits, struct rule_charge charge)
{
	uint32_t rule = charge.of;

	if (charge.is_source) {
		struct part *part = &limits->parts[charge.of & (PARTS - 1)];

		lock(part);
		rule = release_source(part, (charge.of >> PART_BITS) - 1);
		unlock(part);
	}
	tally_count_down(tally_of(limits, rule), rule);
}

/* ---- forgetting -------------------------------------------------------------------------------
 */

void
rule_limits_expire(struct rule_limits *limits, uint64_t now)
{
	for (unsigned i = 0; i < PARTS; i++) {
		struct part *part = &limits->parts[i];

		lock(part);
		expire_idle(part, now, EXPIRE_SLICE);
		unlock(part);
	}
}

static void
forget_slice(struct part *part, const struct weft_network *network, uint32_t at)
{
	uint32_t end = at + FORGET_SLICE;

	while ((at = place_pool_next(&part->pool, at, end)) != PLACE_NONE) {
		const struct limit_source *source = &part->sources[at];

		if (source->network == network && source->count == 0)
			source_drop(part, at);
		at++;
	}
}

void
rule_limits_forget(struct rule_limits *limits, const struct weft_network *network)
{
	for (unsigned i = 0; i < PARTS; i++) {
		struct part *part = &limits->parts[i];

		for (uint32_t at = 0; at < PART_SOURCES; at += FORGET_SLICE) {
			uint32_t begun;

			lock(part);
			forget_slice(part, network, at);
			begun = part->pool.begun;
			unlock(part);
			if (at + FORGET_SLICE >= begun * PLACE_CHUNK)
				break;
		}
	}
}
