/* SPDX-License-Identifier: BSD-3-Clause */
/* A probe before it starts: whether it can be, from where, and by what it knows its answers. */
#include "base/error.h"
#include "graph/engine.h"
#include "graph/nic_address.h"
#include "graph/probe_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ports and echo ids: above those that a Linux user takes by itself (32,768 to 60,999). */
#define ID_FIRST 61000
#define ID_COUNT (65536 - ID_FIRST)

static bool
is_one_station(uint8_t family, const uint8_t *address)
{
	static const uint8_t zeros[15];

	if (family == 4) /* RFC 1122, 3.2.1.3 */
		return address[0] != 0 && address[0] != 127 && address[0] < 224;
	/* neither ff00::/8, ::, nor ::1 */
	return address[0] != 0xff &&
	       (memcmp(address, zeros, sizeof(zeros)) != 0 || address[15] > 1);
}

static bool
is_own(const struct weft_nic *nic, uint8_t family, const uint8_t *address)
{
	for (unsigned i = 0; i < nic->config->n_addresses; i++) {
		const struct weft_prefix *prefix = &nic->config->addresses[i];

		if (prefix->family == family &&
			memcmp(prefix->address, address, family == 4 ? 4 : 16) == 0)
			return true;
	}
	return false;
}

static int
check_request(const struct probe_request *request, struct weft_error *error)
{
	const struct weft_nic *nic = request->from;
	char address[INET6_ADDRSTRLEN];

	if (nic->uplink)
		return error_set(error, EINVAL,
			"%s is an uplink: probes are sent from vnics of networks", nic->name);
	if (request->family != 4 && request->family != 6)
		return error_set(error, EINVAL, "a probe is to an IPv4 or an IPv6 address");
	probe_address_text(request->family, request->to, address);
	if (!is_one_station(request->family, request->to))
		return error_set(error, EINVAL,
			"%s is not the address of a single station: it cannot be probed", address);
	if (is_own(nic, request->family, request->to))
		return error_set(error, EINVAL, "%s is vnic %s/%s's own address", address,
			nic->network->name, nic->name);
	if (request->kind != PROBE_PING && request->port == 0)
		return error_set(error, EINVAL, "no port to probe at %s; say which (%s:PORT)",
			address, address);
	return 0;
}

/* Where the vnic is; NULL: nowhere. */
static struct weft_vport *
find_vport(const struct weft_nic *nic)
{
	uint32_t id = atomic_load(&nic->vport);

	return id != 0 ? vport_by_id(nic->weft, id) : NULL;
}

/* What is kept of the vnic and its port: names and ids. */
static int
note_place(struct probe *probe, const struct weft_nic *nic, struct weft_error *error)
{
	char vport_name[VPORT_NAME_SIZE], nic_name[VPORT_NAME_SIZE];
	const struct weft_vport *vport;

	snprintf(nic_name, sizeof(nic_name), "%s/%s", nic->network->name, nic->name);
	weft_objects_lock(nic->weft);
	vport = find_vport(nic);
	if (vport != NULL) {
		probe->watch.vport = vport->id;
		vport_path(vport, vport_name);
	}
	weft_objects_unlock(nic->weft);
	if (vport == NULL)
		return error_set(error, ENOTCONN, "vnic %s is attached to no port", nic_name);
	probe->nic = nic->id;
	probe->nic_path = strdup(nic_name);
	probe->vport_path = strdup(vport_name);
	return probe->nic_path != NULL && probe->vport_path != NULL ? 0 : error_memory(error);
}

static int
note_way(struct probe *probe, const struct probe_request *request, struct weft_error *error)
{
	struct probe_watch *watch = &probe->watch;
	struct nic_way way;

	if (nic_way_to(request->from, request->family, request->to, &way, error) < 0)
		return -1;
	watch->kind = (uint8_t)request->kind;
	watch->family = request->family;
	watch->port = request->port;
	memcpy(&watch->mac, way.mac, sizeof(watch->mac));
	memcpy(watch->own, way.source, sizeof(watch->own));
	memcpy(watch->to, request->to, request->family == 4 ? 4 : 16);
	memcpy(watch->next_hop, way.next_hop, sizeof(watch->next_hop));
	probe->gateway = way.gateway;
	return 0;
}

/* One that no other probe has: their number is far below that of the ids. */
static uint16_t
choose_id(struct weft *weft, uint64_t random)
{
	for (;; random++) {
		uint16_t id = (uint16_t)(ID_FIRST + random % ID_COUNT);
		bool taken = false;

		for (unsigned i = 0; i < PROBE_LIMIT; i++)
			taken = taken || (weft->probes->slots[i] != NULL &&
						 weft->probes->slots[i]->id == id);
		if (!taken)
			return id;
	}
}

static void
choose_marks(struct probe *probe)
{
	const struct weft_options *options = &probe->weft->options;
	uint64_t random = options->random(options->context);

	memcpy(probe->watch.nonce, &random, sizeof(probe->watch.nonce));
	random = options->random(options->context);
	probe->watch.sequence = (uint32_t)(random >> 32);
	probe->watch.id = choose_id(probe->weft, (uint32_t)random);
}

void
probe_free(struct probe *probe)
{
	free(probe->nic_path);
	free(probe->vport_path);
	free(probe);
}

struct probe *
probe_make(struct weft *weft, const struct probe_request *request, struct weft_error *error)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL) {
		error_memory(error);
		return NULL;
	}
	probe->weft = weft;
	probe->slot = PROBE_LIMIT;
	if (check_request(request, error) < 0 || note_place(probe, request->from, error) < 0 ||
		note_way(probe, request, error) < 0) {
		probe_free(probe);
		return NULL;
	}
	choose_marks(probe);
	return probe;
}
