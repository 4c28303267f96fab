/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/engine_start.h"

#include "base/error.h"
#include "nic/tap.h"

#include <errno.h>
#include <libyang/libyang.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MOST 4 /* unless the configuration says more */
#define DEFAULT_STATE "/var/lib/weft"

static unsigned
count(const struct lyd_node *node)
{
	unsigned n = 0;

	for (; node != NULL; node = model_next(node))
		n++;
	return n;
}

bool
engine_has_devices(const struct configuration *configuration)
{
	return model_child(configuration_child(configuration, "system"), "devices") != NULL;
}

/* Half of the CPUs: the other half is those whose packets they are. */
static unsigned
choose_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned workers = cpus > 1 ? (unsigned)cpus / 2 : 1;

	return workers < WORKERS_MOST ? workers : WORKERS_MOST;
}

/* Malloced strings, NULL-terminated; NULL: out of memory. */
static char **
eal_arguments(const struct lyd_node *system)
{
	const struct lyd_node *device = model_child(system, "devices");
	const struct lyd_node *argument = model_child(system, "eal");
	char **arguments = calloc(count(device) + count(argument) + 1, sizeof(*arguments));
	unsigned n = 0;

	if (arguments == NULL)
		return NULL;
	for (; device != NULL; device = model_next(device))
		if (asprintf(&arguments[n++], "--allow=%s", model_value(device)) < 0)
			arguments[n - 1] = NULL;
	for (; argument != NULL; argument = model_next(argument))
		arguments[n++] = strdup(model_value(argument));
	return arguments;
}

static void
free_arguments(char **arguments)
{
	for (unsigned i = 0; arguments != NULL && arguments[i] != NULL; i++)
		free(arguments[i]);
	free(arguments);
}

struct weft *
engine_start(const struct configuration *configuration, unsigned workers, uint64_t identity,
	struct weft_error *error)
{
	const struct lyd_node *system = configuration_child(configuration, "system");
	const char *poll = model_text(system, "poll");
	char **arguments = eal_arguments(system);
	struct weft_options options = {
		.workers = workers != 0 ? workers : (unsigned)model_number(system, "workers", 0),
		.poll = poll != NULL && strcmp(poll, "busy") == 0 ? WEFT_POLL_BUSY
								  : WEFT_POLL_SLEEP,
		.memory_mb = (unsigned)(model_bytes(system, "memory", 512u << 20) >> 20),
		.hugepages = model_flag(system, "hugepages", false),
		.eal = (const char *const *)arguments,
		.identity = identity,
	};
	struct weft *weft;

	if (arguments == NULL) {
		error_memory(error);
		return NULL;
	}
	if (options.workers == 0)
		options.workers = choose_workers();
	weft = weft_open(&options, error);
	free_arguments(arguments);
	return weft;
}

/* FNV-1a: the same for the same folder, always. */
static uint64_t
hash_path(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *path != '\0'; path++)
		hash = (hash ^ (unsigned char)*path) * 0x100000001b3;
	return hash;
}

int
engine_name_instance(const char *state, struct weft_error *error)
{
	char path[PATH_MAX], name[TAP_INSTANCE_SIZE];

	if (realpath(state, path) == NULL)
		return error_errno(error, errno, "cannot find the folder %s", state);
	if (strcmp(path, DEFAULT_STATE) == 0)
		return tap_set_instance("weftd", error);
	snprintf(name, sizeof(name), "weftd-%016llx", (unsigned long long)hash_path(path));
	return tap_set_instance(name, error);
}
