/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may have how many connections, and which one gives its place to another. */
#include "base/reserve.h"
#include "firewall/connection_private.h"

#define TALLIES_BYTES (ID_INDEX_COUNT * sizeof(struct connection_tally))
#define DOMAINS_BYTES (CONNECTION_DOMAINS_LIMIT * sizeof(struct connection_domain_here))

/* ---- memory -----------------------------------------------------------------------------------
 */

static uint64_t
domain_hash(const struct connection_table *table, uint32_t id)
{
	return hash_words(&table->key, id, 0);
}

static uint64_t
hash_of_domain(void *context, uint32_t place)
{
	const struct connection_table *table = context;

	return domain_hash(table, table->domains[place].id);
}

static uint64_t
source_hash(const struct connection_table *table, const struct connection_source *source)
{
	uint64_t high, low;

	memcpy(&high, source->ip, sizeof(high));
	memcpy(&low, source->ip + sizeof(high), sizeof(low));
	return hash_words(&table->key, hash_words(&table->key, high, low),
		(uint64_t)source->domain << 8 | source->family);
}

static uint64_t
hash_of_source(void *context, uint32_t place)
{
	const struct connection_table *table = context;

	return source_hash(table, &table->sources[place]);
}

static size_t
sources_bytes(const struct connection_table *table)
{
	return (size_t)table->limit * sizeof(struct connection_source);
}

int
connection_limits_open(struct connection_table *table)
{
	table->domains = reserve_open(DOMAINS_BYTES);
	table->sources = reserve_open(sources_bytes(table));
	table->tallies = reserve_open(TALLIES_BYTES);
	if (table->domains == NULL || table->tallies == NULL || table->sources == NULL ||
		place_pool_open(&table->domain_pool, CONNECTION_DOMAINS_LIMIT) < 0 ||
		place_pool_open(&table->source_pool, table->limit) < 0 ||
		place_index_open(
			&table->domain_index, CONNECTION_DOMAINS_LIMIT, hash_of_domain, table) < 0)
		return -1;
	return place_index_open(&table->source_index, table->limit, hash_of_source, table);
}

const struct connection_domain *
connection_domain(const struct connection_table *table, const struct connection *connection)
{
	return connection_domain_of(table, connection);
}

void
connection_limits_close(struct connection_table *table)
{
	reserve_close(table->domains, DOMAINS_BYTES);
	reserve_close(table->tallies, TALLIES_BYTES);
	reserve_close(table->sources, sources_bytes(table));
	place_pool_close(&table->domain_pool);
	place_pool_close(&table->source_pool);
	place_index_close(&table->domain_index);
	place_index_close(&table->source_index);
}

/* ---- domains that have connections here -------------------------------------------------------
 */

static struct connection_domain_here *
domain_find(const struct connection_table *table, const struct connection_domain *domain)
{
	struct place_probe probe =
		place_index_probe(&table->domain_index, domain_hash(table, domain->id));
	uint32_t place;

	while (place_probe_next(&probe, &place)) {
		if (table->domains[place].domain == domain)
			return &table->domains[place];
	}
	return NULL;
}

static struct connection_domain_here *
domain_make(struct connection_table *table, struct connection_domain *domain)
{
	uint32_t place = place_pool_take(&table->domain_pool);

	if (place == PLACE_NONE)
		return NULL;
	table->domains[place] =
		(struct connection_domain_here){ .domain = domain, .id = domain->id };
	place_index_add(&table->domain_index, domain_hash(table, domain->id), place);
	return &table->domains[place];
}

static void
domain_drop(struct connection_table *table, uint32_t place)
{
	place_index_remove(
		&table->domain_index, domain_hash(table, table->domains[place].id), place);
	place_pool_give(&table->domain_pool, place);
}

/* ---- those that may give their place, in the order in which they became so ------------------- */

static void
list_append(struct connection_table *table, const struct connection *connection)
{
	struct connection_cold *cold = connection_cold_of(table, connection);
	struct connection_domain_here *here = &table->domains[cold->domain];

	cold->newer = 0;
	cold->older = here->newest;
	if (here->newest != 0)
		table->cold[here->newest - 1].newer = connection->place + 1;
	else
		here->oldest = connection->place + 1;
	here->newest = connection->place + 1;
}

static void
list_remove(struct connection_table *table, const struct connection *connection)
{
	const struct connection_cold *cold = connection_cold_of(table, connection);
	struct connection_domain_here *here = &table->domains[cold->domain];

	if (cold->older != 0)
		table->cold[cold->older - 1].newer = cold->newer;
	else
		here->oldest = cold->newer;
	if (cold->newer != 0)
		table->cold[cold->newer - 1].older = cold->older;
	else
		here->newest = cold->older;
}

void
connection_set_spare(struct connection_table *table, struct connection *connection, bool spare)
{
	if (spare == !!(connection->flags & CONNECTION_SPARE))
		return;
	connection->flags ^= CONNECTION_SPARE;
	if (spare)
		list_append(table, connection);
	else
		list_remove(table, connection);
}

/* False: none of the domain may. */
static bool
evict(struct connection_table *table, const struct connection_domain *domain)
{
	const struct connection_domain_here *here = domain_find(table, domain);
	struct connection *oldest;

	if (here == NULL || here->oldest == 0)
		return false;
	oldest = &table->connections[here->oldest - 1];
	if (oldest->flags & CONNECTION_ENDED) {
		connection_end(table, oldest, CONNECTION_CLOSED);
		return true;
	}
	table->evicted++;
	connection_tally_raise(&connection_tally_of(table, oldest->domain)->evicted);
	connection_end(table, oldest, CONNECTION_EVICTED);
	return true;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

static struct connection_source
source_of(const struct flow *flow)
{
	struct connection_source source = { .domain = flow->domain, .family = flow->family };

	memcpy(source.ip, flow->from_ip, sizeof(source.ip));
	return source;
}

/* Its place, or PLACE_NONE. */
static uint32_t
source_find(const struct connection_table *table, const struct connection_source *source)
{
	struct place_probe probe =
		place_index_probe(&table->source_index, source_hash(table, source));
	uint32_t place;

	while (place_probe_next(&probe, &place)) {
		const struct connection_source *there = &table->sources[place];

		if (there->domain == source->domain && there->family == source->family &&
			memcmp(there->ip, source->ip, sizeof(there->ip)) == 0)
			return place;
	}
	return PLACE_NONE;
}

static bool
source_is_full(const struct connection_table *table, const struct connection_request *request)
{
	uint32_t limit = atomic_load_explicit(&request->domain->source_limit, memory_order_relaxed);
	struct connection_source source;
	uint32_t place;

	if (limit == 0)
		return false;
	source = source_of(&request->flow);
	place = source_find(table, &source);
	return place != PLACE_NONE && table->sources[place].count >= limit;
}

/* Each source that is there has a connection: there are places enough. Its place + 1; 0: it is not
 * counted. */
static uint32_t
source_count_up(struct connection_table *table, const struct connection_request *request)
{
	struct connection_source source = source_of(&request->flow);
	uint32_t place;

	if (atomic_load_explicit(&request->domain->source_limit, memory_order_relaxed) == 0)
		return 0;
	place = source_find(table, &source);
	if (place == PLACE_NONE) {
		place = place_pool_take(&table->source_pool);
		table->sources[place] = source;
		place_index_add(&table->source_index, source_hash(table, &source), place);
	}
	table->sources[place].count++;
	return place + 1;
}

static void
source_count_down(struct connection_table *table, uint32_t number)
{
	uint32_t place = number - 1;
	struct connection_source *source;

	if (number == 0)
		return;
	source = &table->sources[place];
	if (--source->count > 0)
		return;
	place_index_remove(&table->source_index, source_hash(table, source), place);
	place_pool_give(&table->source_pool, place);
}

/* ---- what has happened ------------------------------------------------------------------------
 */

struct connection_tally *
connection_tally_begin(struct connection_tally *tally, uint32_t id)
{
	atomic_store_explicit(&tally->id, 0, memory_order_relaxed);
	/* whoever sees a new number sees that the id has gone */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&tally->added, 0, memory_order_relaxed);
	atomic_store_explicit(&tally->ended, 0, memory_order_relaxed);
	atomic_store_explicit(&tally->evicted, 0, memory_order_relaxed);
	atomic_store_explicit(&tally->refused, 0, memory_order_relaxed);
	atomic_store_explicit(&tally->id, id, memory_order_release);
	return tally;
}

void
connection_counts_add(
	const struct connection_table *table, uint32_t domain, struct connection_counts *sum)
{
	const struct connection_tally *tally = &table->tallies[id_index(domain)];
	struct connection_counts one;

	if (atomic_load_explicit(&tally->id, memory_order_acquire) != domain)
		return;
	one.added = atomic_load_explicit(&tally->added, memory_order_relaxed);
	one.ended = atomic_load_explicit(&tally->ended, memory_order_relaxed);
	one.evicted = atomic_load_explicit(&tally->evicted, memory_order_relaxed);
	one.refused = atomic_load_explicit(&tally->refused, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&tally->id, memory_order_relaxed) != domain)
		return;
	sum->added += one.added;
	sum->ended += one.ended;
	sum->evicted += one.evicted;
	sum->refused += one.refused;
}

void
connection_count_refused(struct connection_table *table, uint32_t domain)
{
	connection_tally_raise(&connection_tally_of(table, domain)->refused);
}

/* ---- counting ---------------------------------------------------------------------------------
 */

static bool
count_up(_Atomic uint32_t *count, uint32_t limit)
{
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < limit)
		return true;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return false;
}

/* The domain's owner waits for its count to be 0, and frees it then. */
static void
count_down(struct connection_domain *domain)
{
	atomic_fetch_sub_explicit(&domain->network->connections, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&domain->count, 1, memory_order_release);
}

static bool
count_one(struct connection_table *table, struct connection_domain *domain,
	enum connection_refusal *why)
{
	struct weft_network *network = domain->network;

	*why = REFUSED_TABLE_LIMIT;
	if (connection_count(table) >= table->limit)
		return false;
	*why = REFUSED_DOMAIN_LIMIT;
	if (!count_up(&domain->count, atomic_load_explicit(&domain->limit, memory_order_relaxed)))
		return false;
	*why = REFUSED_NETWORK_LIMIT;
	if (count_up(&network->connections,
		    __atomic_load_n(&network->config.connection_limit, __ATOMIC_RELAXED)))
		return true;
	atomic_fetch_sub_explicit(&domain->count, 1, memory_order_release);
	return false;
}

bool
connection_admit(struct connection_table *table, const struct connection_request *request,
	enum connection_refusal *why)
{
	if (source_is_full(table, request)) {
		*why = REFUSED_SOURCE_LIMIT;
		return false;
	}
	if (count_one(table, request->domain, why))
		return true;
	return evict(table, request->domain) && count_one(table, request->domain, why);
}

bool
connection_enter(struct connection_table *table, struct connection *connection,
	const struct connection_request *request)
{
	struct connection_cold *cold = connection_cold_of(table, connection);
	struct connection_domain_here *here = domain_find(table, request->domain);

	if (here == NULL)
		here = domain_make(table, request->domain);
	if (here == NULL) {
		count_down(request->domain);
		return false;
	}
	here->count++;
	cold->domain = (uint64_t)(here - table->domains) & (CONNECTION_DOMAINS_LIMIT - 1);
	cold->source = source_count_up(table, request) & (CONNECTION_LIMIT_MOST * 2 - 1);
	cold->charge = request->charge.of;
	cold->charge_is_source = request->charge.is_source;
	return true;
}

void
connection_uncharge(struct connection_table *table, const struct connection *connection)
{
	struct connection_cold *cold = connection_cold_of(table, connection);
	struct rule_charge charge = { cold->charge, cold->charge_is_source };

	if (likely(charge.of == 0))
		return;
	cold->charge = 0;
	rule_limit_release(table->limits, charge);
}

void
connection_leave(struct connection_table *table, struct connection *connection)
{
	const struct connection_cold *cold = connection_cold_of(table, connection);
	struct connection_domain_here *here = &table->domains[cold->domain];
	struct connection_domain *domain = here->domain;

	connection_set_spare(table, connection, false);
	connection_uncharge(table, connection);
	source_count_down(table, (uint32_t)cold->source);
	if (--here->count == 0)
		domain_drop(table, (uint32_t)cold->domain);
	count_down(domain);
}
