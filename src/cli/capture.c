/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/pcapng.h"
#include "cli/query.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
	const char *file; /* NULL: standard output */
	int fd;           /* -1: not open yet */
	int code;         /* errno value that ended it, EPIPE: the reader has gone */
	struct pcapng pcapng;
};

/* The file is made when the first bytes come: what cannot be captured leaves it alone. */
static bool
open_file(struct capture *capture)
{
	if (capture->fd >= 0)
		return true;
	capture->fd = capture->file == NULL
			      ? STDOUT_FILENO
			      : open(capture->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (capture->fd >= 0)
		return true;
	capture->code = errno;
	return false;
}

static bool
write_blocks(void *context, const void *bytes, size_t length)
{
	struct capture *capture = context;
	const char *at = bytes;

	if (!open_file(capture))
		return false;
	while (length > 0) {
		ssize_t n = write(capture->fd, at, length);

		if (n < 0 && errno != EINTR) {
			capture->code = errno;
			return false;
		}
		if (n > 0) {
			at += n;
			length -= (size_t)n;
		}
	}
	return true;
}

static bool
take_bytes(void *context, const char *bytes, size_t length)
{
	struct capture *capture = context;

	return pcapng_feed(&capture->pcapng, bytes, length);
}

/* Ports come first, then conditions. */
static bool
fill_query(char **path, const struct arguments *arguments)
{
	unsigned ports = 0;

	while (ports < arguments->count && strchr(arguments->operands[ports], '=') == NULL)
		query_add(path, "port", arguments->operands[ports++]);
	if (ports == 0) {
		output_error("capture where? weft capture PORT... [FILTER...]");
		return false;
	}
	return query_filter(path, arguments->operands + ports, arguments->count - ports) &&
	       query_number(path, arguments, "count", 1, UINT32_MAX) &&
	       query_number(path, arguments, "snaplen", 14, 262144);
}

static enum cli_exit
capture_end(struct cli *cli, struct capture *capture, const struct reply *reply, bool counted)
{
	if (capture->code != 0 && capture->code != EPIPE) {
		output_error("cannot write %s: %s", capture->file ? capture->file : "the output",
			strerror(capture->code));
		return CLI_FAILED;
	}
	if (capture->pcapng.malformed) {
		output_error("what weftd sends is not pcapng");
		return CLI_FAILED;
	}
	if (reply->end != REPLY_OK)
		return answer_failed(cli, reply, CLI_USAGE);
	if (capture->file != NULL || isatty(STDERR_FILENO))
		fprintf(stderr, "%s%s%s\n",
			output_plural(capture->pcapng.packets, "packet", "packets"),
			capture->file != NULL ? " in " : "",
			capture->file != NULL ? capture->file : "");
	if (!reply->ended && !counted) {
		output_error("weftd has ended the capture");
		return CLI_FAILED;
	}
	return CLI_DONE;
}

static enum cli_exit
run_capture(struct cli *cli, const char *path, const char *file)
{
	struct capture capture = { .file = file, .fd = -1 };
	struct request request = { .path = path, .sink = take_bytes, .context = &capture };
	struct reply reply;
	enum cli_exit exit;

	capture.pcapng.take = write_blocks;
	capture.pcapng.context = &capture;
	client_do(cli->client, &request, &reply);
	if (capture.file != NULL && capture.fd >= 0 && close(capture.fd) != 0 && capture.code == 0)
		capture.code = errno;
	exit = capture_end(cli, &capture, &reply, arguments_has(cli->arguments, "count"));
	pcapng_free(&capture.pcapng);
	reply_free(&reply);
	return exit;
}

enum cli_exit
command_capture(struct cli *cli)
{
	const char *file = arguments_value(cli->arguments, "write");
	char *path = output_memory(strdup("/streams/capture"));
	enum cli_exit exit = CLI_USAGE;

	if (file != NULL && strcmp(file, "-") == 0)
		file = NULL;
	if (file == NULL && isatty(STDOUT_FILENO))
		output_error("pcapng is not for a terminal: -w FILE writes a file, and\n"
			     "  weft capture PORT -w - | wireshark -k -i -    shows it live");
	else if (fill_query(&path, cli->arguments))
		exit = run_capture(cli, path, file);
	free(path);
	return exit;
}
