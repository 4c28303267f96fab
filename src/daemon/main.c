/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weftd: its start and its end. What can fail for reasons of the machine (socket, history)
 * comes first; then rights are dropped; then threads start.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/config.h"
#include "daemon/engine_start.h"
#include "daemon/events.h"
#include "daemon/flow_export.h"
#include "daemon/identity.h"
#include "daemon/leases.h"
#include "daemon/loop.h"
#include "daemon/notices.h"
#include "daemon/options.h"
#include "daemon/rights.h"
#include "daemon/server.h"
#include "daemon/way_out.h"
#include "nic/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* All of it, so that whatever was opened can be closed. */
struct parts {
	struct daemon daemon;
	struct server *server;
	struct loop *loop;
	uint64_t identity;
	struct leases *leases;
};

static int
failed(const struct weft_error *error)
{
	log_error("%s", error->text);
	return -1;
}

/* What is wrong with a configuration, as the command line would tell it. */
/* What is wrong with a file, of several lines each: the journal takes a priority on each line. */
static void
print_diagnostics(const struct config_result *result, const char *priority)
{
	char *text = NULL, *rest, *line;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return;
	diagnostics_print(&result->diagnostics, stream, false);
	if (fclose(stream) == 0)
		for (rest = text; (line = strsep(&rest, "\n")) != NULL && rest != NULL;)
			fprintf(stderr, "%s%s\n", log_to_journal() ? priority : "", line);
	free(text);
}

static int
failed_with(struct config_result *result)
{
	if (result->outcome == CONFIG_WRONG)
		print_diagnostics(result, "<3>");
	log_error("%s", result->error.text);
	config_result_free(result);
	return -1;
}

static void
print_warnings(const struct config_result *result)
{
	if (result->diagnostics.count > 0)
		print_diagnostics(result, "<4>");
}

/* Files, folders, sockets; then the rights go. */
static int
prepare(struct parts *parts, const struct options *options)
{
	struct daemon *daemon = &parts->daemon;
	struct config_result result;
	struct weft_error error = { 0 };

	rights_raise_limits();
	daemon->config = config_open(daemon, options->state, options->config, &result);
	if (daemon->config == NULL) {
		failed_with(&result);
		if (geteuid() != 0)
			log_error("weftd is started as root");
		return -1;
	}
	print_warnings(&result);
	config_result_free(&result);
	parts->identity = identity_read(options->state);
	if (engine_name_instance(options->state, &error) < 0)
		return failed(&error);
	parts->server = server_bind(options->socket, &error);
	if (parts->server == NULL)
		return failed(&error);
	if (rights_drop(engine_has_devices(config_first(daemon->config)), &error) < 0)
		return failed(&error);
	return 0;
}

static int
start(struct parts *parts, const struct options *options)
{
	struct daemon *daemon = &parts->daemon;
	struct config_result result;
	struct weft_error error = { 0 };

	daemon->events = events_open();
	if (daemon->events == NULL) {
		error_memory(&error);
		return failed(&error);
	}
	parts->loop = loop_open(daemon, &error);
	if (parts->loop == NULL)
		return failed(&error);
	daemon->weft = engine_start(
		config_first(daemon->config), options->workers, parts->identity, &error);
	if (daemon->weft == NULL)
		return failed(&error);
	notices_open(daemon);
	parts->leases = leases_open(daemon, &error);
	if (parts->leases == NULL)
		return failed(&error);
	daemon->flow_export = flow_export_open(daemon, &error);
	if (daemon->flow_export == NULL)
		return failed(&error);
	daemon->way_out = way_out_open(options->state);
	if (daemon->way_out == NULL) {
		error_memory(&error);
		return failed(&error);
	}
	if (config_start(daemon->config, &result) < 0)
		return failed_with(&result);
	config_result_free(&result);
	if (tap_collect_leftovers(&error) < 0)
		log_warning("what an earlier weftd left behind could not all be removed: %s",
			error.text);
	if (server_start(parts->server, daemon, &error) < 0)
		return failed(&error);
	sd_notify(0, "READY=1");
	log_info("weftd " WEFT_VERSION " is ready, process %d, socket %s", (int)getpid(),
		options->socket);
	return 0;
}

/* In the order in which nobody misses what is gone. */
static void
finish(struct parts *parts)
{
	struct daemon *daemon = &parts->daemon;

	sd_notify(0, "STOPPING=1");
	atomic_store(&daemon->ending, true);
	if (daemon->events != NULL)
		events_wake_all(daemon->events);
	if (daemon->config != NULL)
		config_stop(daemon->config);
	server_close(parts->server);
	leases_stop(parts->leases);
	flow_export_stop(daemon->flow_export);
	loop_close(parts->loop);
	weft_close(daemon->weft);
	leases_close(parts->leases);
	flow_export_close(daemon->flow_export);
	way_out_close(daemon->way_out);
	tap_drain();
	config_close(daemon->config);
	events_close(daemon->events);
}

int
main(int count, char **words)
{
	static struct parts parts;
	struct weft_error error = { 0 };
	struct options options;
	int status = options_read(&options, count, words);

	if (status >= 0)
		return status;
	log_set_level(options.log_level);
	parts.daemon.started = clock_monotonic();
	parts.daemon.socket = options.socket;
	parts.daemon.state = options.state;
	pthread_mutex_init(&parts.daemon.engine_lock, NULL);
	status = EXIT_FAILURE;
	if (prepare(&parts, &options) == 0 && start(&parts, &options) == 0) {
		if (loop_run(parts.loop, &error) == 0)
			status = EXIT_SUCCESS;
		else
			failed(&error);
	}
	finish(&parts);
	return status;
}
