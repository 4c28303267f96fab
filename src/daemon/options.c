/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET "/run/weft/weft.sock"
#define STATE "/var/lib/weft"
#define WORKERS_MOST 64

enum { CONFIG = 1, SOCKET_PATH, STATE_FOLDER, WORKERS, LOG_LEVEL, FOREGROUND, VERSION, HELP };

static const struct option known[] = {
	{ "config", required_argument, NULL, CONFIG },
	{ "socket", required_argument, NULL, SOCKET_PATH },
	{ "state", required_argument, NULL, STATE_FOLDER },
	{ "workers", required_argument, NULL, WORKERS },
	{ "log-level", required_argument, NULL, LOG_LEVEL },
	{ "foreground", no_argument, NULL, FOREGROUND },
	{ "version", no_argument, NULL, VERSION },
	{ "help", no_argument, NULL, HELP },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(FILE *stream)
{
	fputs("usage: weftd [OPTIONS]\n"
	      "Runs virtual networks; weft(1) talks to it.\n\n"
	      "  --config FILE       apply this configuration, instead of what ran last\n"
	      "  --socket PATH       where the API listens (default: " SOCKET ")\n"
	      "  --state FOLDER      running configuration and history (default: " STATE ")\n"
	      "  --workers N         threads that forward, whatever the configuration says\n"
	      "  --log-level LEVEL   error, warning, info (default) or debug\n"
	      "  --foreground        stay in the foreground, as it does anyway\n"
	      "  --version, --help\n",
		stream);
}

static int
wrong(const char *option, const char *wanted, const char *given)
{
	fprintf(stderr, "weftd: --%s takes %s, not '%s'\n", option, wanted, given);
	return 2;
}

static int
read_workers(struct options *options, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || number < 1 || number > WORKERS_MOST)
		return wrong("workers", "a number from 1 to 64", text);
	options->workers = (unsigned)number;
	return -1;
}

static int
read_level(struct options *options, const char *text)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(names[i], text) == 0) {
			options->log_level = (enum log_level)i;
			return -1;
		}
	return wrong("log-level", "error, warning, info or debug", text);
}

static int
take(struct options *options, int option)
{
	switch (option) {
	case CONFIG:
		options->config = optarg;
		return -1;
	case SOCKET_PATH:
		options->socket = optarg;
		return -1;
	case STATE_FOLDER:
		options->state = optarg;
		return -1;
	case WORKERS:
		return read_workers(options, optarg);
	case LOG_LEVEL:
		return read_level(options, optarg);
	case FOREGROUND:
		return -1;
	case VERSION:
		puts("weftd " WEFT_VERSION);
		return 0;
	case HELP:
		print_help(stdout);
		return 0;
	default:
		print_help(stderr);
		return 2;
	}
}

int
options_read(struct options *options, int count, char **words)
{
	const char *socket = getenv("WEFT_SOCKET");
	int option, status = -1;

	*options = (struct options){
		.socket = socket != NULL && *socket != '\0' ? socket : SOCKET,
		.state = STATE,
		.log_level = LOG_LEVEL_INFO,
	};
	while (status < 0 && (option = getopt_long(count, words, "", known, NULL)) != -1)
		status = take(options, option);
	if (status < 0 && optind < count) {
		fprintf(stderr, "weftd: '%s' is too much\n", words[optind]);
		print_help(stderr);
		return 2;
	}
	return status;
}
