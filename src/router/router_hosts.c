/* SPDX-License-Identifier: BSD-3-Clause */
/* Services of routers' ports as objects: how they come, change and go; their time; who looks. */
#include "base/clock.h"
#include "base/error.h"
#include "router/router_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- all of them ---------------------------------------------------------------------------- */

static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(service_list, service) services = LIST_HEAD_INITIALIZER(services);
static struct service **by_index; /* of a vport's id */
static size_t n_indices;
static uint64_t next_due = UINT64_MAX;
static struct router_host_hooks hooks;

struct service *
service_of(uint32_t vport)
{
	uint32_t index = id_index(vport);
	struct service *service = index < n_indices ? by_index[index] : NULL;

	return service != NULL && service->vport == vport ? service : NULL;
}

static int
reserve_index(uint32_t index)
{
	size_t more = n_indices > 0 ? n_indices : 64;
	struct service **bigger;

	if (index < n_indices)
		return 0;
	while (more <= index)
		more *= 2;
	bigger = realloc(by_index, more * sizeof(struct service *));
	if (bigger == NULL)
		return -1;
	memset(bigger + n_indices, 0, (more - n_indices) * sizeof(struct service *));
	by_index = bigger;
	n_indices = more;
	return 0;
}

static uint64_t
next_of(const struct service *service)
{
	uint64_t server = service->server != NULL ? dhcp_server_next(service->server) : UINT64_MAX;
	uint64_t ra = service->advertises ? ra_next(&service->ra) : UINT64_MAX;

	return server < ra ? server : ra;
}

void
service_poke(struct service *service)
{
	uint64_t next = next_of(service);

	if (next < next_due)
		next_due = next;
}

const struct router_host_hooks *
service_hooks(void)
{
	return &hooks;
}

uint32_t
service_random(void *context)
{
	const struct service *service = context;
	const struct weft_options *options = &service->weft->options;

	return (uint32_t)options->random(options->context);
}

void
router_hosts_lock(void)
{
	pthread_mutex_lock(&services_lock);
}

void
router_hosts_unlock(void)
{
	pthread_mutex_unlock(&services_lock);
}

void
router_watch_hosts(const struct router_host_hooks *new)
{
	router_hosts_lock();
	hooks = new != NULL ? *new : (struct router_host_hooks){ 0 };
	router_hosts_unlock();
}

/* ---- plans ----------------------------------------------------------------------------------- */

void
service_plan_free(struct service_plan *plan)
{
	if (plan == NULL)
		return;
	dhcp_subnet_free(plan->subnet);
	free(plan);
}

static int
fill_plan(struct service_plan *plan, const struct router_port *port,
	const struct weft_router_port_config *config, struct weft_error *error)
{
	if (router_dhcp_plan(plan, port, config, error) < 0)
		return -1;
	return config->ra != NULL ? router_ra_plan(plan, port, config->ra, error) : 0;
}

int
router_services_plan(struct weft_change *change, struct router_port *port,
	const struct weft_router_port_config *config)
{
	struct weft_error error = { 0 };
	struct service_plan *plan;

	if (config->dhcp == NULL && config->n_dhcp_relay == 0 && config->ra == NULL)
		return 0;
	plan = calloc(1, sizeof(*plan));
	if (plan == NULL)
		return change_fail(change, ENOMEM, "out of memory");
	if (fill_plan(plan, port, config, &error) < 0) {
		service_plan_free(plan);
		return change_fail(change, error.code, "%s", error.text);
	}
	port->plan = plan;
	port->dhcp = plan->serves || plan->relays;
	port->advertises = plan->advertises;
	return 0;
}

/* ---- what a change makes of them ------------------------------------------------------------- */

/* Of one port. */
struct service_change {
	struct service_change *next;
	struct service *service;
	bool is_new;                /* the service */
	bool attached_anew;         /* nothing else: others hear it now */
	struct dhcp_server *server; /* made for it */
	struct dhcp_relay *relay;
	const struct router_port *port; /* as it will be */
};

static void
free_service(struct service *service)
{
	if (service == NULL)
		return;
	dhcp_server_close(service->server);
	free(service->relay);
	free(service);
}

static void
free_change(struct service_change *change)
{
	dhcp_server_close(change->server);
	free(change->relay);
	if (change->is_new)
		free_service(change->service);
	free(change);
}

static struct service *
new_service(const struct weft_vport *vport)
{
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	service->weft = vport->device->network->weft;
	service->vport = vport->id;
	vport_path(vport, service->path);
	return service;
}

static int
fill_change(struct service_change *change, const struct weft_vport *vport)
{
	struct service_plan *plan = change->port->plan;

	if (change->service == NULL) {
		change->service = new_service(vport);
		change->is_new = true;
		if (change->service == NULL || reserve_index(id_index(vport->id)) < 0)
			return -1;
	}
	if (plan == NULL)
		return 0;
	if (plan->serves && change->service->server == NULL) {
		change->server = router_dhcp_open(change->service, plan);
		if (change->server == NULL)
			return -1;
	}
	if (plan->relays && change->service->relay == NULL) {
		change->relay = calloc(1, sizeof(*change->relay));
		if (change->relay == NULL)
			return -1;
	}
	return 0;
}

/* -1: out of memory. */
static int
prepare_port(struct router *router, const struct weft_vport *vport, const struct vport *after)
{
	const struct router_port *port = router_port_of(after);
	struct service *service = service_of(vport->id);
	bool same = vport->live != NULL && vport->live->context == port;
	struct service_change *change;

	if (after == vport->live || (port->plan == NULL && service == NULL))
		return 0;
	if (same && !router_is_attached_anew(vport->live, after))
		return 0;
	change = calloc(1, sizeof(*change));
	if (change == NULL)
		return -1;
	change->service = service;
	change->port = port;
	change->attached_anew = same;
	change->next = router->services;
	router->services = change;
	return same ? 0 : fill_change(change, vport);
}

int
router_services_prepare(struct weft_device *device, struct weft_error *error)
{
	struct weft_vport *vport = NULL;
	int result = 0;

	router_hosts_lock();
	while (result == 0 && (vport = change_vport_next(device, vport)) != NULL)
		result = prepare_port(device->data, vport, change_vport_after(vport));
	router_hosts_unlock();
	if (result == 0)
		return 0;
	router_services_discard(device);
	return error_memory(error);
}

void
router_services_discard(struct weft_device *device)
{
	struct router *router = device->data;
	struct service_change *change;

	router_hosts_lock();
	while ((change = router->services) != NULL) {
		router->services = change->next;
		free_change(change);
	}
	router_hosts_unlock();
}

static void
commit_server(struct service *service, struct service_change *change, struct service_plan *plan,
	uint64_t now)
{
	if (plan == NULL || !plan->serves) {
		dhcp_server_close(service->server);
		service->server = NULL;
	} else if (change->server != NULL) {
		service->server = change->server;
		service->changes = dhcp_server_changes(service->server);
		change->server = NULL;
	} else {
		dhcp_server_use(service->server, plan->subnet, now);
		plan->subnet = NULL;
		router_dhcp_changed(service);
	}
}

static void
commit_port(struct service_change *change, uint64_t now)
{
	static const struct ra_config none;
	struct service *service = change->service;
	struct service_plan *plan = change->port->plan;
	bool relays = plan != NULL && plan->relays;

	if (change->attached_anew) {
		router_ra_again(service, now);
		service_poke(service);
		return;
	}
	service->mac = change->port->mac;
	memcpy(service->link_local, change->port->link_local, sizeof(service->link_local));
	commit_server(service, change, plan, now);
	if (change->relay != NULL) {
		service->relay = change->relay;
		change->relay = NULL;
		dhcp_relay_open(service->relay, &plan->relay);
	} else if (relays) {
		dhcp_relay_use(service->relay, &plan->relay);
	} else {
		free(service->relay);
		service->relay = NULL;
	}
	if (plan != NULL && plan->serves)
		memcpy(service->dhcp_address, plan->server_address, 4);
	else if (relays)
		dhcp_put32(service->dhcp_address, plan->relay.address);
	/* who stops advertising has said so before: router_services_leave */
	if (plan != NULL && plan->advertises)
		router_ra_use(service, &plan->ra, now);
	else
		service->ra.config = none, service->advertises = false;
	if (change->is_new) {
		by_index[id_index(service->vport)] = service;
		LIST_INSERT_HEAD(&services, service, entry);
		change->is_new = false;
	}
	service_poke(service);
}

void
router_services_commit(struct weft_device *device)
{
	struct router *router = device->data;
	uint64_t now = engine_now(device->network->weft);
	struct service_change *change;

	router_hosts_lock();
	while ((change = router->services) != NULL) {
		router->services = change->next;
		commit_port(change, now);
		free_change(change);
	}
	router_hosts_unlock();
}

/* ---- their end ------------------------------------------------------------------------------- */

static bool
will_advertise(struct weft *weft, const struct service *service)
{
	const struct weft_vport *vport = vport_by_id(weft, service->vport);
	const struct vport *after = vport != NULL ? change_vport_after(vport) : NULL;

	return after != NULL && !vport->device->removed && router_port_of(after)->advertises;
}

void
router_services_leave(struct weft *weft)
{
	uint64_t now = engine_now(weft);
	struct service *service;

	router_hosts_lock();
	LIST_FOREACH(service, &services, entry)
	{
		if (service->advertises && !will_advertise(weft, service))
			ra_stop(&service->ra, now);
	}
	services_flush_through(weft);
	router_hosts_unlock();
}

void
router_services_end(uint32_t vport)
{
	struct service *service;

	router_hosts_lock();
	service = service_of(vport);
	if (service != NULL) {
		by_index[id_index(vport)] = NULL;
		LIST_REMOVE(service, entry);
		free_service(service);
	}
	router_hosts_unlock();
}

void
router_hosts_close(void)
{
	free(by_index);
	by_index = NULL;
	n_indices = 0;
	next_due = UINT64_MAX;
	hooks = (struct router_host_hooks){ 0 };
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
run_timers(struct service *service, uint64_t now)
{
	if (service->server != NULL)
		router_dhcp_timer(service, now);
	if (service->advertises && ra_next(&service->ra) <= now)
		ra_timer(&service->ra, now);
}

void
router_hosts_poll(struct weft *weft, uint64_t now)
{
	struct service *service;

	router_hosts_lock();
	if (now >= next_due) {
		next_due = UINT64_MAX;
		LIST_FOREACH(service, &services, entry)
		{
			run_timers(service, now);
			service_poke(service);
		}
	}
	services_flush(weft);
	router_hosts_unlock();
}

/* ---- looking --------------------------------------------------------------------------------- */

int
router_port_leases(const struct weft_vport *vport, struct router_leases *leases)
{
	uint64_t now = engine_now(vport->device->network->weft);
	const struct service *service;
	int result = 0;

	*leases = (struct router_leases){ 0 };
	router_hosts_lock();
	service = service_of(vport->id);
	if (service != NULL && service->server != NULL) {
		leases->serves = true;
		leases->pool = dhcp_server_pool_size(service->server);
		leases->held = dhcp_server_held(service->server);
		result = dhcp_leases_export(service->server, now, clock_of_day() / 1000000000,
			&leases->list, &leases->count);
	}
	router_hosts_unlock();
	return result;
}
