/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/leases.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/lease_json.h"
#include "graph/engine.h"
#include "router/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "leases"
#define SECOND UINT64_C(1000000000)
/* Between two writes: so that writing takes a twentieth of the disk's time at most. */
#define GAP_LEAST (SECOND / 10)
#define GAP_FACTOR 20
#define TOLD_MOST 100 /* leases in a second that events tell of */

struct leases {
	struct daemon *daemon;
	int folder;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows; nothing is asked of the router under it */
	pthread_cond_t more;
	bool running, stopping;
	json_t *ports; /* as in the file */
	bool failed;   /* to write, and has told so */
	/* events; control thread */
	uint64_t told_since;
	unsigned told;
};

/* ---- events ---------------------------------------------------------------------------------- */

/* A flood of clients is not a flood of words. */
static bool
may_tell(struct leases *leases)
{
	uint64_t now = clock_monotonic();

	if (now - leases->told_since > SECOND) {
		if (leases->told > TOLD_MOST)
			log_info("%u more leases changed than events tell of",
				leases->told - TOLD_MOST);
		leases->told_since = now;
		leases->told = 0;
	}
	return ++leases->told <= TOLD_MOST;
}

static const char *
client_text(const struct dhcp_event *event, char text[LEASE_HEX_SIZE + 80])
{
	char mac[LEASE_HEX_SIZE];

	snprintf(text, LEASE_HEX_SIZE + 80, "%s%s%s%s", lease_hex(event->chaddr, event->hlen, mac),
		*event->host_name != '\0' ? " (" : "", event->host_name,
		*event->host_name != '\0' ? ")" : "");
	return text;
}

static void
tell_lease(void *context, const char *port, const struct dhcp_event *event)
{
	struct leases *leases = context;
	struct events *events = leases->daemon->events;
	char address[LEASE_ADDRESS_SIZE], client[LEASE_HEX_SIZE + 80];

	lease_address(event->address, address);
	if (event->kind == DHCP_LEASE_RENEWED || !may_tell(leases))
		return;
	client_text(event, client);
	switch (event->kind) {
	case DHCP_LEASE_GIVEN:
		events_emit(events, EVENT_INFO, "lease-given", port, "%s is given to %s", address,
			client);
		break;
	case DHCP_LEASE_RELEASED:
		events_emit(events, EVENT_INFO, "lease-released", port, "%s is given back by %s",
			address, client);
		break;
	case DHCP_LEASE_EXPIRED:
		events_emit(events, EVENT_INFO, "lease-expired", port,
			"the lease of %s for %s is over", address, client);
		break;
	case DHCP_LEASE_DECLINED:
		events_emit(events, EVENT_WARNING, "lease-declined", port,
			"%s is declined by %s: another host answers there", address, client);
		break;
	case DHCP_LEASE_REVOKED:
		events_emit(events, EVENT_WARNING, "lease-revoked", port,
			"%s, which %s has, is not given by the configuration any more", address,
			client);
		break;
	case DHCP_ADDRESS_IN_USE:
		events_emit(events, EVENT_WARNING, "address-in-use", port,
			"%s was not given to %s: another host answers there", address, client);
		break;
	default:
		events_emit(events, EVENT_WARNING, "pool-exhausted", port,
			"no address is left for %s", client);
	}
}

static void
tell_contradiction(void *context, const char *port, const char *what)
{
	struct leases *leases = context;

	if (may_tell(leases))
		events_emit(leases->daemon->events, EVENT_WARNING, "ra-contradiction", port,
			"another router on the link advertises otherwise: %s", what);
}

static void
note_change(void *context)
{
	struct leases *leases = context;

	pthread_mutex_lock(&leases->lock);
	pthread_cond_signal(&leases->more);
	pthread_mutex_unlock(&leases->lock);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static size_t
give_back(void *context, const char *port, struct dhcp_lease **list)
{
	struct leases *leases = context;
	const json_t *array, *object;
	size_t count = 0, i;

	pthread_mutex_lock(&leases->lock);
	array = json_object_get(leases->ports, port);
	*list = calloc(json_array_size(array) + 1, sizeof(**list));
	json_array_foreach(array, i, object)
	{
		if (*list != NULL && lease_from_json(object, &(*list)[count]))
			count++;
	}
	pthread_mutex_unlock(&leases->lock);
	return count;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Whether it is a file of leases; json_decref()s what is none. */
static json_t *
ports_of(json_t *root)
{
	json_t *ports = json_object_get(root, "ports");
	bool good =
		json_integer_value(json_object_get(root, "version")) == 1 && json_is_object(ports);

	if (good)
		json_incref(ports);
	json_decref(root);
	return good ? ports : NULL;
}

static json_t *
read_file(struct leases *leases)
{
	int file = openat(leases->folder, NAME, O_RDONLY | O_CLOEXEC);
	/* json_loadfd would read each byte by itself */
	FILE *stream = file >= 0 ? fdopen(file, "r") : NULL;
	json_error_t why;
	json_t *ports;

	if (stream == NULL) {
		if (errno != ENOENT)
			log_warning("cannot read the DHCP leases in %s/" NAME ": %s",
				leases->daemon->state, strerror(errno));
		if (file >= 0)
			close(file);
		return json_object();
	}
	ports = ports_of(json_loadf(stream, JSON_REJECT_DUPLICATES, &why));
	fclose(stream);
	if (ports != NULL)
		return ports;
	log_warning("%s/" NAME " is no file of DHCP leases: it is put aside as " NAME
		    ".bad, and clients keep only the addresses that they ask for",
		leases->daemon->state);
	renameat(leases->folder, NAME, leases->folder, NAME ".bad");
	return json_object();
}

static int
write_all(int file, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t wrote = write(file, text, length);

		if (wrote < 0 && errno != EINTR)
			return -1;
		if (wrote > 0) {
			text += wrote;
			length -= (size_t)wrote;
		}
	}
	return fsync(file);
}

/* 0, or -1 with errno. */
static int
write_file(struct leases *leases, const char *text)
{
	int file =
		openat(leases->folder, NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int result;

	if (file < 0)
		return -1;
	result = write_all(file, text);
	if (close(file) < 0 || result < 0)
		return -1;
	if (renameat(leases->folder, NAME ".new", leases->folder, NAME) < 0)
		return -1;
	return fsync(leases->folder);
}

/* 0, or an errno. */
static int
write_ports(struct leases *leases, json_t *ports)
{
	json_t *root = json_pack("{s:i, s:O}", "version", 1, "ports", ports);
	/* whole: jansson would write each word of it by itself */
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	int code = text == NULL ? ENOMEM : write_file(leases, text) < 0 ? errno : 0;

	free(text);
	json_decref(root);
	return code;
}

/* ---- what there is --------------------------------------------------------------------------- */

/* What one server has; a list of them is taken under the lock, and written down after it. */
struct found {
	struct found *next;
	char port[VPORT_NAME_SIZE];
	struct router_leases leases;
};

/* False: out of memory. */
static bool
take_port(struct found **list, const struct weft_vport *vport)
{
	struct found *found = calloc(1, sizeof(*found));

	if (found == NULL || router_port_leases(vport, &found->leases) < 0) {
		free(found);
		return false;
	}
	if (!found->leases.serves) {
		free(found);
		return true;
	}
	vport_path(vport, found->port);
	found->next = *list;
	*list = found;
	return true;
}

static bool
take_ports(struct found **list, struct weft *weft)
{
	const struct weft_network *network;
	const struct weft_device *device;
	const struct weft_vport *vport;
	bool good = true;

	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	TAILQ_FOREACH(device, &network->devices, entry)
	{
		if (device->class != &router_class)
			continue;
		TAILQ_FOREACH(vport, &device->vports, entry)
		good = good && take_port(list, vport);
	}
	weft_objects_unlock(weft);
	return good;
}

static bool
put_port(json_t *ports, const struct found *found)
{
	json_t *array = json_array();
	bool good = array != NULL;

	for (size_t i = 0; good && i < found->leases.count; i++)
		good = json_array_append_new(array, lease_to_json(&found->leases.list[i])) == 0;
	return json_object_set_new(ports, found->port, array) == 0 && good;
}

/* Of all ports that serve; NULL: out of memory. */
static json_t *
collect(struct weft *weft)
{
	struct found *list = NULL, *found;
	bool good = take_ports(&list, weft);
	json_t *ports = json_object();

	good = good && ports != NULL;
	while ((found = list) != NULL) {
		list = found->next;
		good = good && put_port(ports, found);
		free(found->leases.list);
		free(found);
	}
	if (good)
		return ports;
	json_decref(ports);
	return NULL;
}

/* Those of a port that serves no more, as long as some client may go by them. */
static bool
is_over(const json_t *array)
{
	uint64_t now = clock_of_day() / SECOND;
	struct dhcp_lease lease;
	const json_t *object;
	size_t i;

	json_array_foreach(array, i, object)
	{
		if (lease_from_json(object, &lease) && lease.held && lease.expires > now)
			return false;
	}
	return true;
}

static int
keep_gone(const json_t *before, json_t *ports)
{
	json_t *array;
	const char *port;

	json_object_foreach((json_t *)before, port, array)
	{
		if (json_object_get(ports, port) == NULL && !is_over(array) &&
			json_object_set(ports, port, array) < 0)
			return -1;
	}
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void
tell_failure(struct leases *leases, int code)
{
	if (!leases->failed)
		events_emit(leases->daemon->events, EVENT_WARNING, "leases-not-written", "",
			"cannot write %s/" NAME
			": %s; DHCP goes on, but a crash would forget leases",
			leases->daemon->state, strerror(code));
	leases->failed = true;
}

static void
write_leases(struct leases *leases)
{
	uint64_t changes = router_lease_changes();
	json_t *ports = collect(leases->daemon->weft), *before;
	int code;

	/* only this thread changes what is kept */
	if (ports == NULL || keep_gone(leases->ports, ports) < 0) {
		json_decref(ports);
		tell_failure(leases, ENOMEM);
		router_leases_written(changes);
		return;
	}
	pthread_mutex_lock(&leases->lock);
	before = leases->ports;
	leases->ports = ports;
	pthread_mutex_unlock(&leases->lock);
	json_decref(before);
	code = write_ports(leases, ports);
	if (code != 0) {
		tell_failure(leases, code);
	} else if (leases->failed) {
		leases->failed = false;
		events_emit(leases->daemon->events, EVENT_INFO, "leases-written", "",
			"%s/" NAME " is written again", leases->daemon->state);
	}
	router_leases_written(changes);
}

static uint64_t
gap_after(uint64_t took)
{
	uint64_t gap = took * GAP_FACTOR;

	return gap < GAP_LEAST ? GAP_LEAST : gap < SECOND ? gap : SECOND;
}

static void
wait_until(struct leases *leases, uint64_t when)
{
	struct timespec time = { (time_t)(when / SECOND), (long)(when % SECOND) };

	while (!leases->stopping && clock_monotonic() < when)
		pthread_cond_timedwait(&leases->more, &leases->lock, &time);
}

static void *
work(void *argument)
{
	struct leases *leases = argument;
	uint64_t written = 0, begun, next = 0;

	pthread_setname_np(pthread_self(), NAME);
	pthread_mutex_lock(&leases->lock);
	for (;;) {
		while (!leases->stopping && router_lease_changes() == written)
			pthread_cond_wait(&leases->more, &leases->lock);
		if (router_lease_changes() == written)
			break;
		wait_until(leases, next);
		pthread_mutex_unlock(&leases->lock);
		written = router_lease_changes();
		begun = clock_monotonic();
		write_leases(leases);
		next = clock_monotonic();
		next += gap_after(next - begun);
		if (leases->daemon->wake != NULL)
			leases->daemon->wake(leases->daemon);
		pthread_mutex_lock(&leases->lock);
	}
	pthread_mutex_unlock(&leases->lock);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
make_locks(struct leases *leases)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&leases->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&leases->more, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct leases *
leases_open(struct daemon *daemon, struct weft_error *error)
{
	struct leases *leases = calloc(1, sizeof(*leases));
	struct router_host_hooks hooks = {
		.context = leases,
		.lease = tell_lease,
		.changed = note_change,
		.contradiction = tell_contradiction,
		.restore = give_back,
		.keeps = true,
	};
	int code;

	if (leases == NULL) {
		error_memory(error);
		return NULL;
	}
	leases->daemon = daemon;
	make_locks(leases);
	leases->folder = open(daemon->state, O_DIRECTORY | O_CLOEXEC);
	if (leases->folder < 0) {
		error_errno(error, errno, "cannot open the folder %s", daemon->state);
		leases_close(leases);
		return NULL;
	}
	leases->ports = read_file(leases);
	code = pthread_create(&leases->thread, NULL, work, leases);
	if (code != 0) {
		error_errno(error, code, "cannot start a thread");
		leases_close(leases);
		return NULL;
	}
	leases->running = true;
	router_watch_hosts(&hooks);
	return leases;
}

void
leases_stop(struct leases *leases)
{
	if (leases == NULL || !leases->running)
		return;
	pthread_mutex_lock(&leases->lock);
	leases->stopping = true;
	pthread_cond_signal(&leases->more);
	pthread_mutex_unlock(&leases->lock);
	pthread_join(leases->thread, NULL);
	leases->running = false;
}

void
leases_close(struct leases *leases)
{
	if (leases == NULL)
		return;
	leases_stop(leases);
	if (leases->folder >= 0)
		close(leases->folder);
	json_decref(leases->ports);
	pthread_cond_destroy(&leases->more);
	pthread_mutex_destroy(&leases->lock);
	free(leases);
}
