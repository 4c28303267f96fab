/* SPDX-License-Identifier: BSD-3-Clause */
/* Router advertisements: from configuration to the engine, and messages to and from it. */
#include "base/error.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "router/router_service.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define MESSAGE_LIMIT 1500
#define SLAAC_LENGTH 64
#define LIFETIME 1800
#define LIFETIME_MOST 9000

/* ---- from configuration ---------------------------------------------------------------------- */

static int
too_many(struct weft_error *error, const char *what, unsigned most)
{
	return error_set(error, EINVAL, "a router advertisement has at most %u %s", most, what);
}

/* Those of 64 bits, each once: a host makes its address in no others (RFC 4862, 5.5.3). */
static void
put_own_prefixes(struct ra_config *to, const struct router_port *port)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		const struct router_address *own = &port->addresses[i];
		bool there = own->family != 6 || own->length != SLAAC_LENGTH ||
			     ip6_is_link_local(own->bytes);

		for (unsigned j = 0; j < to->n_prefixes; j++)
			there |= !there && memcmp(to->prefixes[j].address, own->bytes, 8) == 0;
		if (there || to->n_prefixes == RA_PREFIXES)
			continue;
		ra_prefix_defaults(&to->prefixes[to->n_prefixes]);
		memcpy(to->prefixes[to->n_prefixes].address, own->bytes, SLAAC_LENGTH / 8);
		to->prefixes[to->n_prefixes++].length = SLAAC_LENGTH;
	}
}

static void
put_prefix(struct ra_prefix *to, const struct weft_ra_prefix *from)
{
	memcpy(to->address, from->prefix.address, sizeof(to->address));
	to->length = from->prefix.length;
	to->on_link = !from->off_link;
	to->autonomous = !from->not_autonomous;
	to->valid = from->valid_s;
	to->preferred = from->preferred_s;
}

static int
put_names(struct ra_config *to, const struct weft_ra_config *from, struct weft_error *error)
{
	if (from->n_dns > RA_RDNSS)
		return too_many(error, "DNS servers", RA_RDNSS);
	if (from->n_search > RA_DNSSL)
		return too_many(error, "search domains", RA_DNSSL);
	for (unsigned i = 0; i < from->n_dns; i++)
		memcpy(to->rdnss[i], from->dns[i].address, sizeof(to->rdnss[i]));
	to->n_rdnss = from->n_dns;
	for (unsigned i = 0; i < from->n_search; i++) {
		if (strlen(from->search[i]) > RA_NAME_LENGTH)
			return error_set(error, EINVAL,
				"a search domain has more than %u characters", RA_NAME_LENGTH);
		strcpy(to->dnssl[i], from->search[i]);
	}
	to->n_dnssl = from->n_search;
	return 0;
}

static void
put_times(struct ra_config *to, const struct weft_ra_config *from)
{
	uint32_t lifetime = from->lifetime_s;

	if (from->interval_s != 0) {
		to->max_interval = from->interval_s;
		to->min_interval = RTE_MAX(from->interval_s / 3, 3u);
	}
	if (lifetime == WEFT_RA_DEFAULT)
		lifetime = RTE_MAX((uint32_t)LIFETIME, 3 * to->max_interval);
	/* what is too long for its field is too long for the engine, too */
	to->lifetime = (uint16_t)RTE_MIN(lifetime, (uint32_t)UINT16_MAX);
	/* RFC 8106, 5.1 */
	to->dns_lifetime = 3 * to->max_interval;
}

int
router_ra_plan(struct service_plan *plan, const struct router_port *port,
	const struct weft_ra_config *config, struct weft_error *error)
{
	static const uint8_t preferences[] = {
		[WEFT_RA_MEDIUM] = RA_MEDIUM, [WEFT_RA_HIGH] = RA_HIGH, [WEFT_RA_LOW] = RA_LOW
	};
	struct ra_config *to = &plan->ra;

	if (!port->has_ip6)
		return error_set(error, EINVAL, "router advertisements need IPv6 on the port");
	if (config->n_prefixes > RA_PREFIXES)
		return too_many(error, "prefixes", RA_PREFIXES);
	ra_config_defaults(to);
	put_times(to, config);
	to->managed = config->managed;
	to->other = config->other;
	to->preference = preferences[config->preference];
	to->mtu = config->mtu;
	to->tell_mac = true;
	memcpy(to->mac, &port->mac, sizeof(to->mac));
	for (unsigned i = 0; i < config->n_prefixes; i++)
		put_prefix(&to->prefixes[to->n_prefixes++], &config->prefixes[i]);
	if (config->n_prefixes == 0)
		put_own_prefixes(to, port);
	if (put_names(to, config, error) < 0 || ra_config_check(to, error) < 0)
		return -1;
	plan->advertises = true;
	return 0;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void
send_message(void *context, const uint8_t *message, size_t length)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	struct service *service = context;
	struct make_ends ends = { .family = 6, .source_mac = service->mac };
	uint8_t frame[MAKE_LONG_SIZE];

	memcpy(ends.source, service->link_local, sizeof(ends.source));
	memcpy(ends.destination, all_nodes, sizeof(ends.destination));
	ip6_multicast_mac(&ends.destination_mac, all_nodes);
	service_send(service, frame, make_long_nd(frame, &ends, message, length), false);
}

void
router_ra_use(struct service *service, const struct ra_config *config, uint64_t now)
{
	struct ra_hooks hooks = { service, send_message, service_random };

	if (service->advertises)
		ra_use(&service->ra, config, now);
	else
		ra_open(&service->ra, config, &hooks, now);
	service->advertises = true;
}

void
router_ra_again(struct service *service, uint64_t now)
{
	struct ra_config config = service->ra.config;
	struct ra_hooks hooks = { service, send_message, service_random };

	if (service->advertises)
		ra_open(&service->ra, &config, &hooks, now);
}

/* ---- in -------------------------------------------------------------------------------------- */

struct discovery {
	const uint8_t *message;
	unsigned length;
	uint8_t copy[MESSAGE_LIMIT];
	uint8_t header[IP6_HEADER_LENGTH];
};

/* Its checksum has been checked on the worker. */
static bool
open_discovery(struct rte_mbuf *packet, struct discovery *discovery)
{
	uint16_t l3 = packet_meta(packet)->l3;
	unsigned end = l3 + ip_length(packet, l3);
	struct ip6_upper upper;

	if (ip6_find_upper(packet, l3, &upper) != IP6_UPPER || upper.protocol != IPPROTO_ICMPV6 ||
		upper.offset >= end || end - upper.offset > sizeof(discovery->copy))
		return false;
	discovery->length = end - upper.offset;
	packet_copy_range(discovery->header, packet, l3, sizeof(discovery->header));
	discovery->message =
		rte_pktmbuf_read(packet, upper.offset, discovery->length, discovery->copy);
	return discovery->message != NULL &&
	       ra_check(discovery->message, discovery->length, discovery->header[7],
		       discovery->header + 8, discovery->header + 24) == RA_VALID;
}

static void
take(struct service *service, const struct discovery *discovery, uint64_t now)
{
	const struct router_host_hooks *hooks = service_hooks();
	const char *what;

	if (discovery->message[0] == ND_ROUTER_SOLICITATION) {
		ra_solicited(&service->ra, now);
		service_poke(service);
		return;
	}
	what = ra_contradiction(&service->ra, discovery->message, discovery->length);
	if (what != NULL && hooks->contradiction != NULL)
		hooks->contradiction(hooks->context, service->path, what);
}

void
router_ra_take(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet)
{
	struct service *service = service_of(vport->id);
	struct discovery discovery;

	if (!open_discovery(packet, &discovery)) {
		service_lose(weft, vport->id, DROP_BAD_ND, packet);
		return;
	}
	if (service != NULL && service->advertises)
		take(service, &discovery, engine_now(weft));
	rte_pktmbuf_free(packet);
}
