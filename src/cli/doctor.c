/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/doctor.h"

#include "cli/answer.h"
#include "cli/daemon_binary.h"
#include "cli/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
doctor_tell(struct doctor *doctor, const char *check, enum finding finding, const char *advice,
	const char *what, ...)
{
	static const char *const words[] = { "ok  ", "warn", "FAIL" };
	static const char *const names[] = { "ok", "warn", "fail" };
	static const enum style styles[] = { STYLE_GOOD, STYLE_WARN, STYLE_BAD };
	char *text = NULL, *clean;
	va_list args;

	va_start(args, what);
	if (vasprintf(&text, what, args) < 0)
		text = NULL;
	va_end(args);
	clean = output_clean(output_memory(text), strlen(text), false);
	doctor->failed += finding == FINDING_FAIL;
	doctor->warned += finding == FINDING_WARN;
	if (doctor->json) {
		json_array_append_new(
			doctor->findings, json_pack("{ss ss ss ss*}", "check", check, "status",
						  names[finding], "text", clean, "advice", advice));
	} else {
		printf("%s%s%s  %-12s %s\n", output_style(stdout, styles[finding]), words[finding],
			output_plain(stdout), check, clean);
		if (advice != NULL)
			printf("                   %s%s%s\n", output_style(stdout, STYLE_BOLD),
				advice, output_plain(stdout));
		fflush(stdout);
	}
	free(clean);
	free(text);
}

static void
check_nics(struct doctor *doctor, struct cli *cli)
{
	struct request request = { .path = "/restconf/data/weft-state:nics" };
	struct reply reply;
	const json_t *list, *nic;
	size_t i, degraded = 0;

	client_do(cli->client, &request, &reply);
	list = json_object_get(reply.body, "weft-state:nics");
	json_array_foreach(list, i, nic)
	{
		const char *status = answer_text(nic, "status");

		degraded += status != NULL && strcmp(status, "up") != 0;
	}
	if (reply.end != REPLY_OK)
		doctor_tell(doctor, "nics", FINDING_WARN, NULL, "weftd does not tell");
	else if (degraded > 0)
		doctor_tell(doctor, "nics", FINDING_WARN, "`weft show nics` tells why",
			"%zu of %zu are not up", degraded, json_array_size(list));
	else
		doctor_tell(doctor, "nics", FINDING_OK, NULL, "%zu, all up", json_array_size(list));
	reply_free(&reply);
}

static void
check_version(struct doctor *doctor, const json_t *system)
{
	const char *version = answer_text(system, "version");
	char uptime[OUTPUT_NUMBER];

	output_duration(answer_real(system, "uptime"), uptime);
	if (version == NULL || strcmp(version, WEFT_VERSION) != 0)
		doctor_tell(doctor, "version", FINDING_WARN,
			"restart weftd after an upgrade, or look which weft is first in PATH",
			"weft is %s, weftd is %s", WEFT_VERSION, version ? version : "unknown");
	else
		doctor_tell(doctor, "version", FINDING_OK, NULL, "weft and weftd are %s", version);
	doctor_tell(doctor, "weftd", FINDING_OK, NULL, "answers; process %llu, up for %s",
		(unsigned long long)answer_number(system, "pid"), uptime);
}

static void
check_daemon(struct doctor *doctor, struct cli *cli)
{
	struct request request = { .path = "/restconf/data/weft-state:system" };
	struct reply reply;
	char *binary = daemon_binary();

	client_do(cli->client, &request, &reply);
	if (reply.end == REPLY_OK) {
		check_version(doctor, json_object_get(reply.body, "weft-state:system"));
		check_nics(doctor, cli);
	} else if (reply.end == REPLY_NO_DAEMON && binary != NULL) {
		doctor_tell(doctor, "weftd", FINDING_OK, NULL, "does not run; `weft up` starts %s",
			binary);
	} else if (reply.end == REPLY_NO_DAEMON) {
		doctor_tell(doctor, "weftd", FINDING_FAIL, "install it beside weft",
			"does not run, and is neither beside weft nor in PATH");
	} else {
		doctor_tell(doctor, "weftd", FINDING_FAIL, NULL, "%.*s",
			(int)strcspn(reply.error.text, "\n"),
			reply.end == REPLY_ERROR ? "answers with an error" : reply.error.text);
	}
	reply_free(&reply);
	free(binary);
}

enum cli_exit
command_doctor(struct cli *cli)
{
	struct doctor doctor = { .json = cli->json, .findings = output_memory(json_array()) };

	doctor_machine(&doctor);
	check_daemon(&doctor, cli);
	if (cli->json) {
		json_print(doctor.findings, JSON_INDENT(2));
	} else {
		json_decref(doctor.findings);
		if (doctor.failed > 0)
			printf("%u missing, %s\n", doctor.failed,
				output_plural(doctor.warned, "warning", "warnings"));
		else
			printf("weft can run here%s\n",
				doctor.warned > 0 ? "; what is marked warn costs speed or a feature"
						  : "");
	}
	return doctor.failed > 0 ? CLI_FAILED : CLI_DONE;
}
