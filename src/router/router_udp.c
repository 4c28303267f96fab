/* SPDX-License-Identifier: BSD-3-Clause */
/* Service ports: UDP by the router's own addresses, for devices that are linked to them. */
#include "base/error.h"
#include "graph/trace.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "router/router_objects.h"

#include <netinet/in.h>
#include <rte_udp.h>
#include <stdlib.h>

/* ---- which port serves what ---------------------------------------------------------------- */

/* By all but the port. */
static int
compare(const void *one, const void *other)
{
	const struct udp_service *a = one, *b = other;

	if (a->udp_port != b->udp_port)
		return a->udp_port < b->udp_port ? -1 : 1;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->address, b->address, sizeof(a->address));
}

static void
add_service(struct udp_service_list *list, const struct vport *vport)
{
	const struct router_port *port = router_port_of(vport);
	struct udp_service *service;

	if (port->udp_port == 0 || vport->attachment == ATTACHED_NOTHING)
		return;
	service = &list->services[list->count++];
	service->family = port->addresses[0].family;
	service->udp_port = port->udp_port;
	service->vport = vport->id;
	memcpy(service->address, port->addresses[0].bytes, service->family == 4 ? 4 : 16);
}

int
router_udp_prepare(struct weft_device *device, struct weft_error *error)
{
	struct router *router = device->data;
	struct weft_vport *object = NULL;
	struct udp_service_list *list;
	size_t ports = 0;

	while ((object = change_vport_next(device, object)) != NULL)
		ports++;
	list = calloc(1, sizeof(*list) + ports * sizeof(list->services[0]));
	if (list == NULL)
		return error_memory(error);
	while ((object = change_vport_next(device, object)) != NULL)
		add_service(list, change_vport_after(object));
	qsort(list->services, list->count, sizeof(list->services[0]), compare);
	router->prepared_udp = list;
	for (size_t i = 1; i < list->count; i++)
		if (compare(&list->services[i - 1], &list->services[i]) == 0)
			return error_set(error, 0,
				"two ports of router %s/%s serve UDP port %u of one "
				"address",
				device->network->name, device->name, list->services[i].udp_port);
	return 0;
}

void
router_udp_commit(struct router *router)
{
	router->replaced_udp = atomic_load_explicit(&router->udp_services, memory_order_relaxed);
	atomic_store_explicit(&router->udp_services, router->prepared_udp, memory_order_release);
	router->prepared_udp = NULL;
}

void
router_udp_discard(struct router *router)
{
	free(router->prepared_udp);
	router->prepared_udp = NULL;
}

void
router_udp_reclaim(struct router *router)
{
	free(router->replaced_udp);
	router->replaced_udp = NULL;
}

void
router_udp_free(struct router *router)
{
	free(atomic_load(&router->udp_services));
}

/* ---- what is for them ------------------------------------------------------------------------ */

/* RFC 768; RFC 6936: a tunnel's may have no checksum over IPv6, too. A partial one, be it of what
 * is inside, has not been on a wire. */
static bool
is_sound(const struct routed *routed, unsigned l4, unsigned length, const struct rte_udp_hdr *udp)
{
	const struct packet_meta *meta = packet_meta(routed->packet);
	unsigned told = rte_be_to_cpu_16(udp->dgram_len);

	if (told < sizeof(*udp) || told > length)
		return false;
	return udp->dgram_cksum == 0 || meta->offload != 0 || meta->gso != PACKET_GSO_NONE ||
	       udp_is_sound(routed->packet, routed->l3, (uint16_t)l4);
}

static const struct udp_service *
find_service(const struct routed *routed, uint16_t udp_port)
{
	const struct udp_service_list *list =
		atomic_load_explicit(&routed->port->owner->udp_services, memory_order_acquire);
	struct udp_service wanted = { .family = routed->family, .udp_port = udp_port };

	if (list == NULL || list->count == 0)
		return NULL;
	memcpy(wanted.address, routed_destination(routed), routed->family == 4 ? 4 : 16);
	return bsearch(&wanted, list->services, list->count, sizeof(wanted), compare);
}

bool
router_udp_deliver(struct worker *worker, struct routed *routed, unsigned l4, unsigned length)
{
	struct rte_mbuf *packet = routed->packet;
	const struct udp_service *service;
	const struct rte_udp_hdr *udp;
	struct rte_udp_hdr copy;
	struct vport *egress;

	if (length < sizeof(copy))
		return false;
	udp = rte_pktmbuf_read(packet, l4, sizeof(copy), &copy);
	service = find_service(routed, rte_be_to_cpu_16(udp->dst_port));
	egress = service != NULL ? vport_get(worker, service->vport) : NULL;
	if (egress == NULL)
		return false;
	if (!is_sound(routed, l4, length, udp)) {
		packet_drop(worker, routed->ingress, DROP_BAD_UDP, packet);
		return true;
	}
	if (unlikely(packet_meta(packet)->trace != 0))
		trace_step(worker, packet, routed->ingress, "UDP port %u is that of %s",
			service->udp_port, egress->object->name);
	vport_send(worker, egress, packet);
	return true;
}

/* ---- what comes from them ---------------------------------------------------------------------
 */

/* Why it may not go on; DROP_REASON_COUNT: it may. */
static enum drop_reason
judge(const struct router_address *own, const struct rte_mbuf *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	const uint8_t *header = frame + RTE_ETHER_HDR_LEN;
	bool four = own->family == 4;
	enum ip_result result;

	if (rte_pktmbuf_data_len(packet) <
		RTE_ETHER_HDR_LEN + (four ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH))
		return DROP_TOO_SHORT;
	if (parse_u16(frame + 2 * RTE_ETHER_ADDR_LEN) !=
		(four ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6))
		return DROP_UNKNOWN_ETHERTYPE;
	result = four ? ip4_check(packet, RTE_ETHER_HDR_LEN) : ip6_check(packet, RTE_ETHER_HDR_LEN);
	if (result != IP_OK)
		return result == IP_BAD_CHECKSUM ? DROP_BAD_IP_CHECKSUM : DROP_BAD_IP_HEADER;
	if (memcmp(header + (four ? 12 : 8), own->bytes, four ? 4 : 16) != 0)
		return DROP_MARTIAN_SOURCE;
	if (four ? ip4_is_martian_destination(header + 16) || ip4_is_multicast(header + 16)
		 : ip6_is_martian_destination(header + 24) || ip6_is_multicast(header + 24))
		return DROP_MARTIAN_DESTINATION;
	return DROP_REASON_COUNT;
}

void
router_udp_input(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	const struct router_address *own = &router_port_of(vport)->addresses[0];
	enum drop_reason reason = judge(own, packet);

	if (unlikely(reason != DROP_REASON_COUNT))
		packet_drop(worker, vport, reason, packet);
	else
		router_originate(worker, vport, packet, own->family, NULL);
}
