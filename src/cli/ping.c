/* SPDX-License-Identifier: BSD-3-Clause */
/* `weft ping` and `weft traceroute`: echo requests that a router sends itself. */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/query.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOPS_MOST 30
#define TRIES 3 /* of each hop */

static bool
read_number(const struct arguments *arguments, const char *name, uint64_t most, uint64_t *number)
{
	const char *text = arguments_value(arguments, name);

	if (text == NULL || query_parse(text, 1, most, number))
		return true;
	output_error("--%s takes a number from 1 to %llu, not '%s'", name, (unsigned long long)most,
		text);
	return false;
}

/* One request; NULL: failed, told, with *exit set. ttl 0: as usual. */
static json_t *
ask(struct cli *cli, uint64_t ttl, enum cli_exit *exit)
{
	const char **words = cli->arguments->operands;
	json_t *input = json_pack("{ss, ss}", "router", words[0], "to", words[1]);

	if (input == NULL) {
		output_error("the router's name or the address is not text (UTF-8)");
		*exit = CLI_USAGE;
		return NULL;
	}
	if (ttl != 0)
		json_object_set_new(input, "ttl", json_integer((json_int_t)ttl));
	return answer_operation(cli, "ping", input, NULL, exit);
}

static void
put_time(const json_t *output)
{
	printf("%.3f ms", answer_real(output, "time") * 1e3);
}

/* ---- ping
 * ---------------------------------------------------------------------------------------- */

struct tally {
	uint64_t sent, received;
	double least, most, sum;
};

static void
print_answer(uint64_t sequence, const json_t *output)
{
	const char *result = answer_text(output, "result"), *reason = answer_text(output, "reason");

	printf("%llu: ", (unsigned long long)sequence);
	if (result == NULL || strcmp(result, "timeout") == 0) {
		puts("no answer");
		return;
	}
	if (strcmp(result, "reply") == 0)
		fputs("answer", stdout);
	else if (strcmp(result, "ttl-exceeded") == 0)
		fputs("TTL exceeded, says", stdout);
	else
		answer_put(stdout, reason != NULL ? reason : "unreachable");
	fputs(strcmp(result, "unreachable") == 0 ? ", says "
		: strcmp(result, "reply") == 0   ? " from "
						 : " ",
		stdout);
	answer_put(stdout, answer_text(output, "from") != NULL ? answer_text(output, "from") : "?");
	printf(" ttl=%llu time=", (unsigned long long)answer_number(output, "ttl"));
	put_time(output);
	putchar('\n');
}

static void
count_answer(struct tally *tally, const json_t *output)
{
	const char *result = answer_text(output, "result");
	double ms = answer_real(output, "time") * 1e3;

	tally->sent++;
	if (result == NULL || strcmp(result, "reply") != 0)
		return;
	if (tally->received++ == 0 || ms < tally->least)
		tally->least = ms;
	if (ms > tally->most)
		tally->most = ms;
	tally->sum += ms;
}

static void
print_tally(const struct tally *tally)
{
	printf("%llu sent, %llu answered", (unsigned long long)tally->sent,
		(unsigned long long)tally->received);
	if (tally->received > 0)
		printf(", round trip %.3f / %.3f / %.3f ms (least, mean, most)", tally->least,
			tally->sum / (double)tally->received, tally->most);
	putchar('\n');
}

enum cli_exit
command_ping(struct cli *cli)
{
	struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t count = 4, ttl = 0;
	struct tally tally = { 0 };
	enum cli_exit exit = CLI_USAGE;
	json_t *answers = output_memory(json_array());

	if (!read_number(cli->arguments, "count", 1000000, &count) ||
		!read_number(cli->arguments, "ttl", 255, &ttl)) {
		json_decref(answers);
		return CLI_USAGE;
	}
	for (uint64_t i = 1; i <= count; i++) {
		json_t *output = ask(cli, ttl, &exit);

		if (output == NULL) {
			json_decref(answers);
			return exit;
		}
		count_answer(&tally, output);
		if (cli->json)
			json_array_append(answers, output);
		else
			print_answer(i, output);
		json_decref(output);
		fflush(stdout);
		if (i < count)
			nanosleep(&pause, NULL);
	}
	if (cli->json)
		json_print(json_incref(answers), JSON_INDENT(2));
	else
		print_tally(&tally);
	json_decref(answers);
	return tally.received > 0 ? CLI_DONE : CLI_FAILED;
}

/* ---- traceroute
 * ---------------------------------------------------------------------------------- */

/* One hop, asked TRIES times. Returns whether the way ends there; -1: failed, told. */
static int
trace_hop(struct cli *cli, uint64_t ttl, json_t *hops, enum cli_exit *exit)
{
	const char *last = NULL, *result = NULL;
	json_t *answers = output_memory(json_array());
	bool over = false;

	if (!cli->json)
		printf("%2llu ", (unsigned long long)ttl);
	for (unsigned i = 0; i < TRIES; i++) {
		json_t *output = ask(cli, ttl, exit);
		const char *from;

		if (output == NULL) {
			json_decref(answers);
			return -1;
		}
		json_array_append_new(answers, output);
		result = answer_text(output, "result");
		from = answer_text(output, "from");
		over |= result != NULL &&
			(strcmp(result, "reply") == 0 || strcmp(result, "unreachable") == 0);
		if (cli->json)
			continue;
		if (from == NULL) {
			fputs(" *", stdout);
		} else {
			if (last == NULL || strcmp(last, from) != 0) {
				putchar(' ');
				answer_put(stdout, from);
			}
			last = from;
			fputs("  ", stdout);
			put_time(output);
		}
		fflush(stdout);
	}
	if (!cli->json && result != NULL && strcmp(result, "unreachable") == 0) {
		fputs("  ", stdout);
		answer_put(stdout, answer_text(json_array_get(answers, TRIES - 1), "reason"));
	}
	if (!cli->json)
		putchar('\n');
	json_array_append_new(
		hops, json_pack("{sI, so}", "ttl", (json_int_t)ttl, "answers", answers));
	return over;
}

static bool
has_arrived(const json_t *hops)
{
	const json_t *last = json_array_get(hops, json_array_size(hops) - 1);
	const json_t *answers = json_object_get(last, "answers"), *answer;
	size_t i;

	json_array_foreach(answers, i, answer)
	{
		const char *result = answer_text(answer, "result");

		if (result != NULL && strcmp(result, "reply") == 0)
			return true;
	}
	return false;
}

enum cli_exit
command_traceroute(struct cli *cli)
{
	json_t *hops = output_memory(json_array());
	enum cli_exit exit = CLI_USAGE;
	uint64_t most = HOPS_MOST;
	int over = 0;

	if (!read_number(cli->arguments, "hops", 255, &most)) {
		json_decref(hops);
		return CLI_USAGE;
	}
	for (uint64_t ttl = 1; ttl <= most && over == 0; ttl++)
		over = trace_hop(cli, ttl, hops, &exit);
	if (over >= 0) {
		exit = has_arrived(hops) ? CLI_DONE : CLI_FAILED;
		if (cli->json)
			json_print(json_incref(hops), JSON_INDENT(2));
	}
	json_decref(hops);
	return exit;
}
