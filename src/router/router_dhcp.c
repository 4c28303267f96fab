/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCPv4 on routers' ports: from configuration to the engines, and messages to and from them. */
#include "base/clock.h"
#include "base/error.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "router/router_service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_LIMIT 64
#define ADDRESSES_LIMIT 63 /* of one option */

/* ---- from configuration ---------------------------------------------------------------------- */

static uint32_t
number_of(const struct weft_prefix *address)
{
	return address->family == 4 ? dhcp_get32(address->address) : 0;
}

static uint32_t
mask_of(unsigned length)
{
	return length == 0 ? 0 : UINT32_MAX << (32 - length);
}

/* The port's address in the network, else its first one. */
static const struct router_address *
own_address(const struct router_port *port, const struct weft_prefix *network)
{
	const struct router_address *first = NULL;

	for (unsigned i = 0; i < port->n_addresses; i++) {
		const struct router_address *own = &port->addresses[i];

		if (own->family != 4)
			continue;
		if (first == NULL)
			first = own;
		if (network->family == 4 &&
			router_same_bits(own->bytes, network->address, network->length))
			return own;
	}
	return first;
}

/* What the engine's configuration points to. */
struct dhcp_words {
	struct arena arena;
	struct dhcp_server_config config;
	uint32_t gateway;
	bool failed; /* out of memory */
};

static uint32_t *
numbers_of(struct dhcp_words *words, const struct weft_prefix *addresses, unsigned count)
{
	uint32_t *numbers = arena_take(&words->arena, (count + 1) * sizeof(*numbers));

	words->failed |= numbers == NULL;
	for (unsigned i = 0; numbers != NULL && i < count; i++)
		numbers[i] = number_of(&addresses[i]);
	return numbers;
}

static void
put_pools(struct dhcp_words *words, const struct weft_dhcp_config *config)
{
	unsigned count = config->n_pools > 0 ? config->n_pools : 1;
	struct dhcp_range *ranges = arena_take(&words->arena, count * sizeof(*ranges));
	uint32_t mask = mask_of(words->config.length);

	words->failed |= ranges == NULL;
	if (ranges == NULL)
		return;
	for (unsigned i = 0; i < config->n_pools; i++)
		ranges[i] = (struct dhcp_range){ number_of(&config->pools[i][0]),
			number_of(&config->pools[i][1]) };
	/* all but the network's own and its broadcast address */
	if (config->n_pools == 0)
		ranges[0] = (struct dhcp_range){ words->config.prefix + 1,
			(words->config.prefix | ~mask) - 1 };
	words->config.pools = ranges;
	words->config.n_pools = count;
}

static void
put_reservations(struct dhcp_words *words, const struct weft_dhcp_config *config)
{
	struct dhcp_reservation *list =
		arena_take(&words->arena, (config->n_reservations + 1) * sizeof(*list));

	words->failed |= list == NULL;
	for (unsigned i = 0; list != NULL && i < config->n_reservations; i++) {
		list[i].address = number_of(&config->reservations[i].address);
		memcpy(list[i].mac, config->reservations[i].mac, sizeof(list[i].mac));
		list[i].host_name = config->reservations[i].host_name;
	}
	words->config.reservations = list;
	words->config.n_reservations = config->n_reservations;
}

/* What somebody has written down is told whether it is asked for or not. */
static void
put_options(struct dhcp_words *words, const struct weft_dhcp_config *config)
{
	struct dhcp_option_config *list =
		arena_take(&words->arena, (config->n_options + 1) * sizeof(*list));

	words->failed |= list == NULL;
	for (unsigned i = 0; list != NULL && i < config->n_options; i++)
		list[i] = (struct dhcp_option_config){ .code = config->options[i].code,
			.bytes = config->options[i].bytes,
			.length = config->options[i].length,
			.always = true };
	words->config.options = list;
	words->config.n_options = config->n_options;
}

/* The server is in the network that it serves. */
static bool
is_on_link(const struct dhcp_server_config *config)
{
	return (config->server & mask_of(config->length)) == config->prefix;
}

static void
put_network(struct dhcp_words *words, const struct weft_dhcp_config *config,
	const struct router_address *own)
{
	struct dhcp_server_config *to = &words->config;

	to->server = dhcp_get32(own->bytes);
	to->length = config->network.family == 4 ? config->network.length : own->length;
	to->prefix = config->network.family == 4 ? number_of(&config->network) : to->server;
	to->prefix &= mask_of(to->length);
	words->gateway = number_of(&config->gateway);
	if (words->gateway == 0 && is_on_link(to))
		words->gateway = to->server;
	to->gateways = &words->gateway;
	to->n_gateways = words->gateway != 0;
}

static int
plan_server(struct service_plan *plan, const struct weft_dhcp_config *config,
	const struct router_address *own, struct weft_error *error)
{
	struct dhcp_words words = { 0 };
	struct dhcp_server_config *to = &words.config;

	put_network(&words, config, own);
	put_pools(&words, config);
	put_reservations(&words, config);
	put_options(&words, config);
	to->dns = numbers_of(&words, config->dns, config->n_dns);
	to->n_dns = config->n_dns;
	to->ntp = numbers_of(&words, config->ntp, config->n_ntp);
	to->n_ntp = config->n_ntp;
	to->domain = config->domain;
	to->search = config->search;
	to->n_search = config->n_search;
	to->boot_file = config->boot_file;
	to->next_server = number_of(&config->next_server);
	to->lease_time = config->lease_s;
	if (words.failed)
		error_memory(error);
	else
		plan->subnet = dhcp_subnet_make(to, error);
	arena_free(&words.arena);
	plan->serves = plan->subnet != NULL;
	plan->on_link = is_on_link(to);
	memcpy(plan->server_address, own->bytes, sizeof(plan->server_address));
	return plan->serves ? 0 : -1;
}

static int
plan_relay(struct service_plan *plan, const struct weft_router_port_config *config,
	const struct router_address *own, struct weft_error *error)
{
	if (config->n_dhcp_relay > DHCP_RELAY_SERVERS)
		return error_set(error, EINVAL, "a DHCP relay has at most %u servers, not %u",
			DHCP_RELAY_SERVERS, config->n_dhcp_relay);
	plan->relay.address = dhcp_get32(own->bytes);
	for (unsigned i = 0; i < config->n_dhcp_relay; i++) {
		plan->relay.servers[i] = number_of(&config->dhcp_relay[i]);
		if (plan->relay.servers[i] == 0)
			return error_set(
				error, EINVAL, "a DHCP relay's server needs an IPv4 address");
	}
	plan->relay.n_servers = config->n_dhcp_relay;
	plan->relays = true;
	return 0;
}

int
router_dhcp_plan(struct service_plan *plan, const struct router_port *port,
	const struct weft_router_port_config *config, struct weft_error *error)
{
	static const struct weft_prefix none;
	const struct router_address *own =
		own_address(port, config->dhcp != NULL ? &config->dhcp->network : &none);

	if (config->dhcp == NULL && config->n_dhcp_relay == 0)
		return 0;
	if (own == NULL)
		return error_set(error, EINVAL, "DHCP needs an IPv4 address on the port");
	if (config->dhcp != NULL && config->n_dhcp_relay > 0)
		return error_set(error, EINVAL, "a port serves DHCP or relays it, not both");
	if (config->dhcp != NULL)
		return plan_server(plan, config->dhcp, own, error);
	return plan_relay(plan, config, own, error);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void
send_reply(void *context, const struct dhcp_reply *reply)
{
	struct service *service = context;
	struct make_ends ends = { .family = 4, .source_mac = service->mac };
	uint8_t frame[MAKE_LONG_SIZE];
	size_t length;

	memcpy(ends.source, service->dhcp_address, 4);
	dhcp_put32(ends.destination, reply->to == DHCP_TO_BROADCAST ? UINT32_MAX : reply->address);
	if (reply->to == DHCP_TO_BROADCAST)
		memset(&ends.destination_mac, 0xff, sizeof(ends.destination_mac));
	else if (reply->to == DHCP_TO_MAC)
		memcpy(&ends.destination_mac, reply->mac, sizeof(ends.destination_mac));
	length = make_long_udp(
		frame, &ends, DHCP_SERVER_PORT, reply->port, reply->payload, reply->length);
	service_send(service, frame, length, reply->to == DHCP_TO_ADDRESS);
}

/* RFC 2131, 3.1 (2): is it in use already? By ARP: what answers becomes a neighbour. */
static void
ask(void *context, uint32_t address)
{
	struct service *service = context;
	struct service_probe *probe = &service->probes[service->next_probe++ % SERVICE_PROBES];
	struct make_ends ends = { .family = 4, .source_mac = service->mac };
	uint8_t frame[MAKE_SIZE];

	*probe = (struct service_probe){ address, engine_now(service->weft) };
	memcpy(ends.source, service->dhcp_address, 4);
	dhcp_put32(ends.destination, address);
	service_send(service, frame, make_neighbour_request(frame, &ends), false);
}

/* Whether something has answered since. */
static bool
has_answered(const struct service *service, const struct service_probe *probe)
{
	const struct neighbour *neighbour;
	uint8_t address[4];

	dhcp_put32(address, probe->address);
	neighbour = neighbour_find(service->vport, 4, address);
	return neighbour != NULL && neighbour->confirmed >= probe->asked &&
	       neighbour_is_at_hand(atomic_load(&neighbour->link));
}

#define PROBE_NS UINT64_C(1000000000) /* longer than the engine waits */

static void
look_at_probes(struct service *service, uint64_t now)
{
	for (unsigned i = 0; i < SERVICE_PROBES; i++) {
		struct service_probe *probe = &service->probes[i];

		if (probe->asked == 0)
			continue;
		if (has_answered(service, probe)) {
			dhcp_server_in_use(service->server, probe->address, now);
			probe->asked = 0;
		} else if (now - probe->asked > PROBE_NS) {
			probe->asked = 0;
		}
	}
}

static void
tell(void *context, const struct dhcp_event *event)
{
	const struct service *service = context;

	if (service_hooks()->lease != NULL)
		service_hooks()->lease(service_hooks()->context, service->path, event);
}

bool
router_dhcp_changed(struct service *service)
{
	uint64_t changes = dhcp_server_changes(service->server);

	if (changes == service->changes)
		return false;
	service->changes = changes;
	service_count_change();
	return true;
}

/* ---- the server ------------------------------------------------------------------------------ */

static void
restore(struct dhcp_server *server, const struct service *service)
{
	const struct router_host_hooks *hooks = service_hooks();
	struct dhcp_lease *leases = NULL;
	size_t count;

	if (hooks->restore == NULL)
		return;
	count = hooks->restore(hooks->context, service->path, &leases);
	dhcp_leases_import(
		server, leases, count, engine_now(service->weft), clock_of_day() / 1000000000);
	free(leases);
}

struct dhcp_server *
router_dhcp_open(struct service *service, struct service_plan *plan)
{
	struct dhcp_hooks hooks = { service, send_reply, tell, service_random,
		plan->on_link ? ask : NULL };
	struct dhcp_server *server = dhcp_server_open(plan->subnet, &hooks);

	if (server == NULL)
		return NULL;
	plan->subnet = NULL;
	restore(server, service);
	return server;
}

void
router_dhcp_timer(struct service *service, uint64_t now)
{
	if (dhcp_server_next(service->server) > now)
		return;
	look_at_probes(service, now);
	dhcp_server_timer(service->server, now);
	router_dhcp_changed(service);
}

/* ---- in -------------------------------------------------------------------------------------- */

struct datagram {
	const uint8_t *payload;
	size_t length;
	uint8_t copy[DHCP_MESSAGE_LIMIT];
};

/* The payload of the packet, whose header has been judged. */
static bool
open_datagram(struct rte_mbuf *packet, struct datagram *datagram)
{
	unsigned l3 = packet_meta(packet)->l3, end = l3 + ip_length(packet, (uint16_t)l3), l4,
		 length;
	uint8_t first, field[2];

	packet_copy_range(&first, packet, l3, 1);
	l4 = l3 + (first & 0x0f) * 4u;
	if (l4 + sizeof(struct rte_udp_hdr) > end)
		return false;
	packet_copy_range(field, packet, l4 + 4, sizeof(field));
	length = parse_u16(field);
	if (length < sizeof(struct rte_udp_hdr) || l4 + length > end ||
		length > sizeof(datagram->copy) + sizeof(struct rte_udp_hdr) ||
		!udp_is_sound(packet, (uint16_t)l3, (uint16_t)l4))
		return false;
	datagram->length = length - sizeof(struct rte_udp_hdr);
	datagram->payload = rte_pktmbuf_read(packet, l4 + sizeof(struct rte_udp_hdr),
		(uint32_t)datagram->length, datagram->copy);
	return datagram->payload != NULL;
}

/* Of the port whose address it is for; of the one where it came in, if it is for all there. */
static struct service *
addressee(const struct weft_vport *vport, struct rte_mbuf *packet)
{
	uint8_t destination[4];
	const struct weft_vport *owner;

	packet_copy_range(destination, packet, packet_meta(packet)->l3 + 16u, sizeof(destination));
	owner = router_port_with_address(vport->device, 4, destination);
	return service_of(owner != NULL ? owner->id : vport->id);
}

static enum dhcp_verdict
relay(struct service *service, const struct datagram *datagram)
{
	if (datagram->length > 0 && datagram->payload[DHCP_OP] == DHCP_REPLY_OP)
		return dhcp_relay_from_server(
			service->relay, datagram->payload, datagram->length, send_reply, service);
	return dhcp_relay_from_client(
		service->relay, datagram->payload, datagram->length, send_reply, service);
}

static enum dhcp_verdict
serve(struct service *service, const struct datagram *datagram, uint64_t now)
{
	enum dhcp_verdict verdict;

	service_gather();
	verdict = dhcp_server_input(service->server, datagram->payload, datagram->length, now);
	service_release(service->weft, router_dhcp_changed(service));
	service_poke(service);
	return verdict;
}

void
router_dhcp_take(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet)
{
	struct service *service = addressee(vport, packet);
	enum dhcp_verdict verdict = DHCP_MALFORMED;
	struct datagram datagram;

	if (service == NULL || (service->server == NULL && service->relay == NULL)) {
		service_lose(weft, vport->id, DROP_NOT_LISTENING, packet);
		return;
	}
	if (open_datagram(packet, &datagram)) {
		if (service->server != NULL)
			verdict = serve(service, &datagram, engine_now(weft));
		else
			verdict = relay(service, &datagram);
	}
	if (verdict == DHCP_MALFORMED)
		service_lose(weft, vport->id, DROP_BAD_DHCP, packet);
	else
		rte_pktmbuf_free(packet);
}
